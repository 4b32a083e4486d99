"""Writing a program costs no more than it must: what is kept is traced once, and constants are computed at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from seriatim.lanes import materialise
from seriatim.lanes._numbers import computed


def test_what_is_kept_is_traced_once_however_deep():
    traces = []

    def deep(x, levels):
        traces.append(levels)
        return x + 1 if levels == 0 else 2 * materialise(lambda: deep(x, levels - 1))

    assert jax.jit(lambda x: deep(x, 4))(1.0) == 32.0
    assert traces == [4, 3, 2, 1, 0]


@pytest.mark.parametrize("dtype", [jnp.int8, jnp.uint32, jnp.bool_])
def test_whole_numbers_are_computed_as_by_jax(dtype):
    limits = (0, 1) if dtype == jnp.bool_ else (jnp.iinfo(dtype).min, 1, jnp.iinfo(dtype).max)
    functions = [lax.eq, lax.lt, lax.ge, lax.max, lax.min, lax.bitwise_xor, lax.bitwise_or, lax.bitwise_and]
    functions += [lambda x, y: lax.select(x < y, x, y), lambda x, _: lax.bitwise_not(x)]
    functions += [lambda x, _, new=new: lax.convert_element_type(x, new) for new in (jnp.int16, jnp.float32, bool)]
    functions += [] if dtype == jnp.bool_ else [lax.add, lax.sub, lax.mul, lambda x, _: lax.neg(x)]
    pairs = [(np.asarray(x, dtype), np.asarray(y, dtype)) for x in limits for y in limits]

    def by_numpy(function, x, y):
        program = jax.make_jaxpr(function)(x, y)
        known = dict(zip(program.jaxpr.invars, (x, y), strict=True))
        for equation in program.eqns:
            known[equation.outvars[0]] = computed(equation, [known[v] for v in equation.invars])
        return known[program.jaxpr.outvars[0]]

    expected = jax.jit(lambda: [[function(x, y) for function in functions] for x, y in pairs])()
    for (x, y), row in zip(pairs, expected, strict=True):
        for function, number in zip(functions, row, strict=True):
            seen = by_numpy(function, x, y)
            assert seen.dtype == number.dtype
            assert seen == number


def test_other_numbers_are_left_to_jax():
    equation = jax.make_jaxpr(lax.add)(1.0, 2.0).eqns[0]
    assert computed(equation, [np.float32(1), np.float32(2)]) is None
    equation = jax.make_jaxpr(lax.population_count)(1).eqns[0]
    assert computed(equation, [np.int32(1)]) is None
