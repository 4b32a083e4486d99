"""Counting compilations: new shapes and constants are counted, new values are not, and counting ends."""

import jax
import jax.numpy as jnp
import pytest

import seriatim as st
from seriatim.testing import count_compilations


def halved(x, *, times):
    return x / 2**times


def test_new_shapes_and_new_constants_are_counted_and_new_values_are_not():
    halve = jax.jit(halved, static_argnames="times")
    three, others, four = jnp.zeros(3), jnp.ones(3), jnp.zeros(4)
    with count_compilations() as compiled:
        for x, times in ((three, 1), (others, 1), (four, 1), (three, 2), (four, 1)):
            halve(x, times=times)
    assert len(compiled) == 3
    assert all("halved" in name for name in compiled)


def test_counting_ends_with_the_block_also_after_an_error():
    step = jax.jit(lambda x: x + 1)
    small, large = jnp.zeros(5), jnp.zeros(6)
    with pytest.raises(KeyError), count_compilations() as compiled:
        raise KeyError
    step(small)
    assert not compiled
    with count_compilations() as outer, count_compilations() as inner:
        step(large)
    assert len(outer) == len(inner) == 1


def test_new_numbers_in_a_models_fields_compile_nothing_and_new_sizes_do():
    def cost(**fields):
        model = st.problems.SpidersOnALine(**fields)
        return st.simulate(model, model.base_policy(), key, horizon=5)

    key = jax.random.key(0)
    cost(discount=0.9)
    with count_compilations() as compiled:
        cost(discount=0.8)
    assert not compiled
    with count_compilations() as compiled:
        cost(length=7)
    assert compiled
