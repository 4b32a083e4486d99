"""Purity: a function gives the same result for the same arguments, and the same program whenever it is traced.

JAX traces a compiled function once or many times, at moments that the user does not choose. A random number or a
variable of plain Python becomes a constant of the program, and another one at each tracing. So a function is traced
again, and the programs are compared, operation by operation and constant by constant. If a generator of NumPy or Python
has moved, a condition on its numbers may have led to the same program by chance. So the function is then traced more
often.
"""

import random
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from seriatim.testing._report import Broken

# The number of traces that are compared. With 16, a coin thrown in plain Python is missed once in 2**15 checks.
TRACES, TRACES_IF_MOVED = 2, 16


def require_pure(what: str, function: Callable[..., Any], *args: Any, source: str) -> None:
    """Refuse a function that is traced to different programs; `source` is the place where randomness may come from."""
    first, moved = _traced(function, args)
    for _ in range((TRACES_IF_MOVED if moved else TRACES) - 1):
        if _traced(function, args)[0] != first:
            raise Broken(impurity(what, moved, "traced again", source))


def impurity(what: str, moved: str, how: str, source: str) -> str:
    """Return the sentence for a function that is not pure; `moved` is the generator it draws from, if known."""
    draws = f" (it draws from {moved})" if moved else ""
    return (
        f"{what} gave another result for the same arguments when {how}{draws}; randomness must come from {source} "
        "alone, and nothing may be remembered between calls."
    )


def generator_moved_by(call: Callable[[], Any]) -> tuple[Any, str]:
    """Call a function; return its result and the name of the global random generator that it moved, or nothing."""
    before = np.random.get_state(legacy=False), random.getstate()
    result = call()
    numpys, pythons = np.random.get_state(legacy=False), random.getstate()
    if repr(numpys) != repr(before[0]):
        return result, "numpy.random"
    return result, "random" if pythons != before[1] else ""


def _traced(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[list[Any], str]:
    # JAX remembers traces by function. The new lambda makes it trace again each time.
    program, moved = generator_moved_by(lambda: jax.make_jaxpr(lambda *given: function(*given))(*args))
    return list(_parts(program)), moved


def _parts(program: Any) -> Iterator[Any]:
    """List the operations of a program and the numbers in it, without names, which differ from trace to trace."""
    bare = getattr(program, "jaxpr", program)
    yield [_bytes(constant) for constant in getattr(program, "consts", ())]
    yield [_bytes(each.val) for each in bare.outvars if hasattr(each, "val")]
    for equation in bare.eqns:
        yield equation.primitive.name
        yield [_bytes(each.val) for each in equation.invars if hasattr(each, "val")]
        for inner in jax.tree.leaves(list(equation.params.values()), is_leaf=_is_program):
            if _is_program(inner):
                yield from _parts(inner)


def _is_program(value: Any) -> bool:
    return hasattr(value, "eqns") or hasattr(value, "jaxpr")


def agree(one: Any, other: Any) -> bool:
    """Say whether two results are the same: real numbers up to the order in which sums are added up."""
    first, second = numbers_of(one), numbers_of(other)
    if jnp.issubdtype(first.dtype, jnp.inexact):
        return bool(np.allclose(first, second, rtol=1e-4, atol=1e-4, equal_nan=True))
    return bool(np.array_equal(first, second))


def numbers_of(leaf: Any) -> np.ndarray:
    """Return a leaf as an array of NumPy; random keys become the numbers they are made of."""
    if jnp.issubdtype(getattr(leaf, "dtype", np.dtype(float)), jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.asarray(leaf)


def _bytes(constant: Any) -> Any:
    array = numbers_of(constant)
    return array.shape, str(array.dtype), array.tobytes()
