"""`jit` of functions whose arguments hold more than arrays: when it compiles again, and when not."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st
from seriatim._compile import jit


@st.record
class Gain:
    factor: float

    def __call__(self, x):
        return self.factor * x


class Plain:
    """An object that is no pytree."""

    def __call__(self, x):
        return x + 1


def counted():
    traces = []

    def apply(function, x, *, times=1):
        traces.append(None)
        for _ in range(times):
            x = function(x)
        return x

    return jit(apply, static_argnames=("times",)), traces


def test_new_parameters_of_a_record_do_not_compile_again():
    apply, traces = counted()
    assert [float(apply(Gain(g), 2.0)) for g in (1.0, 2.0, 3.0)] == [2.0, 4.0, 6.0]
    assert len(traces) == 1


def test_functions_and_plain_objects_are_constants_compared_by_identity():
    apply, traces = counted()
    double, plain = (lambda x: 2 * x), Plain()
    assert [float(apply(f, 3.0)) for f in (double, double, plain, plain)] == [6.0, 6.0, 4.0, 4.0]
    assert len(traces) == 2


def test_functions_inside_records_are_constants_too():
    @st.record
    class Twice:
        inner: object

        def __call__(self, x):
            return self.inner(self.inner(x))

    apply, traces = counted()
    assert float(apply(Twice(jnp.sin), 1.0)) == float(jnp.sin(jnp.sin(1.0)))
    assert float(apply(Twice(Gain(3.0)), 1.0)) == 9.0
    assert float(apply(Twice(Gain(4.0)), 1.0)) == 16.0
    assert len(traces) == 2


def test_named_options_are_constants():
    apply, traces = counted()
    assert [float(apply(Gain(2.0), 1.0, times=n)) for n in (1, 3, 3)] == [2.0, 8.0, 8.0]
    assert len(traces) == 2


def test_it_composes_with_the_transformations():
    apply, _ = counted()
    assert float(jax.grad(lambda g: apply(Gain(g), 5.0))(2.0)) == 5.0
    assert jax.vmap(lambda x: apply(Gain(2.0), x))(jnp.arange(3.0)).tolist() == [0.0, 2.0, 4.0]


def test_a_record_met_again_is_taken_as_it_was_unless_something_in_it_can_change():
    @st.record
    class Sum:
        parts: object

        def __call__(self, x):
            return x + sum(part[0] for part in self.parts)

    apply, traces = counted()
    for kind in (tuple, list):
        array = np.array([1.0])
        record = Sum(kind([array, jnp.array([2.0])]))
        assert float(apply(record, 0.0)) == 3.0
        array[0] = 5.0
        assert float(apply(record, 0.0)) == 7.0
    fixed = Sum((jnp.array([2.0]), jnp.array([3.0])))
    assert [float(apply(fixed, x)) for x in (0.0, 1.0)] == [5.0, 6.0]
    assert len(traces) == 2  # a tuple and a list


def test_a_record_that_is_compiled_while_it_is_being_built_is_not_remembered_half_built():
    total = jit(lambda record: record.total())

    @st.record
    class Derived:
        weight: object
        table: object = dataclasses.field(default=None, init=False)

        def __post_init__(self):
            object.__setattr__(self, "table", total(self))

        def total(self):
            return 2 * self.weight if self.table is None else self.weight + self.table

    assert float(total(Derived(jnp.array(1.0)))) == 3.0


@pytest.mark.parametrize("options", [{"slots": True}, {}])
def test_constants_may_be_dataclasses_with_slots_and_with_arrays(options):
    @dataclasses.dataclass(frozen=True, **options)
    class Shift:
        by: object

        def __call__(self, x):
            return x + self.by

    @st.record
    class Twice:
        inner: object

        def __call__(self, x):
            return self.inner(self.inner(x))

    apply, _ = counted()
    for by in (2, np.array(2.0), jnp.array(2.0)):
        assert float(apply(Twice(Shift(by)), 1.0)) == float(apply(Shift(by), 3.0)) == 5.0


def test_records_that_hold_tracers_are_not_remembered():
    apply, _ = counted()
    with jax.checking_leaks():
        for factor in (2.0, 3.0):
            assert float(jax.jit(lambda g: apply(Gain(g), 5.0))(factor)) == 5.0 * factor
