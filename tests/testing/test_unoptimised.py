"""Programs that are compiled in haste compute what others do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from seriatim import _unoptimised
from seriatim._compile import jit


@pytest.fixture
def forgotten():
    """What compilers know is asked anew, before and after."""
    _unoptimised.known_options.cache_clear()
    yield
    _unoptimised.known_options.cache_clear()


def program(key):
    logits = jax.random.normal(key, (5, 3))
    return jnp.argmax(logits, axis=1), jnp.sort(logits, axis=0)


def test_the_result_is_that_of_jit():
    found, expected = _unoptimised.jit_unoptimised(program)(jax.random.key(0)), jax.jit(program)(jax.random.key(0))
    assert np.array_equal(found[0], expected[0])
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-6)


def test_arguments_that_are_no_arrays_are_constants():
    def scaled(x, how, *, times):
        return how(x) * times

    found = jit(scaled, static_argnames=("times",), unoptimised=True)
    assert np.array_equal(found(jnp.arange(3), jnp.negative, times=2), [0, -2, -4])
    assert np.array_equal(found(jnp.arange(3), jnp.square, times=3), [0, 3, 12])


def test_options_that_the_compiler_does_not_know_are_left_out(monkeypatch, forgotten):
    known = {"xla_backend_optimization_level": 0}
    monkeypatch.setattr(_unoptimised, "OPTIONS", {"xla_no_such_option": True, **known})
    assert _unoptimised.known_options() == known
    assert np.array_equal(_unoptimised.jit_unoptimised(program)(jax.random.key(0))[0], program(jax.random.key(0))[0])


def test_options_are_those_of_the_compiler_in_use(forgotten):
    """With all of them refused nothing would be hasty, and nobody would notice."""
    assert "xla_backend_optimization_level" in _unoptimised.known_options()
