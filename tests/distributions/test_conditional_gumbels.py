"""Gumbels given their argmax. False-alarm budget of this file: 1e-6, by Kolmogorov and Smirnov's exact p-values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from goodness_of_fit import assert_no_alarm
from hypothesis import given, settings
from hypothesis import strategies as hs
from jax.test_util import check_grads
from scipy import stats
from scipy.special import logsumexp

import seriatim as st

BUDGET = 1e-6
conditional = jax.jit(st.distributions.conditional_gumbels)
numbers = hs.one_of(hs.floats(-3, 3, width=16), hs.floats(-1e4, 1e4, width=32), hs.just(-np.inf))


@settings(max_examples=2 * settings.default.max_examples)
@given(rows=hs.lists(numbers, min_size=5, max_size=5), index=hs.integers(0, 4), seed=hs.integers(0, 2**31 - 1))
def test_the_argmax_is_the_index(rows, index, seed):
    logits = jnp.array(rows, jnp.float32).at[index].max(-1e4)  # admissible at least there
    values = np.asarray(conditional(jnp.broadcast_to(logits, (50, 5)), jnp.full(50, index), jax.random.key(seed)))
    others = np.delete(values, index, axis=1)
    assert (values[:, [index]] > others).all()
    np.testing.assert_array_equal(np.isneginf(values), np.broadcast_to(np.isneginf(logits), (50, 5)))


def test_the_index_is_the_argmax_alone_though_large_logits_round():
    """Near 1e4, floats are 0.001 apart: others that come that near would be rounded up to the largest."""
    values = np.asarray(conditional(jnp.full((20_000, 5), 1e4), jnp.full(20_000, 4), jax.random.key(5)))
    assert (values.argmax(axis=1) == 4).all()
    assert (np.diff(np.sort(values, axis=1)[:, -2:]) > 0).all()


def test_choosing_and_then_perturbing_is_perturbing():
    """Every coordinate is Gumbel, every difference of two logistic, and the largest Gumbel whatever the choice was."""
    logits = np.array([0.5, -1.0, 2.0, 0.0])
    many = jnp.broadcast_to(jnp.array(logits, jnp.float32), (50_000, 4))
    key, other = jax.random.split(jax.random.key(0))
    index = st.distributions.gumbel_max(many, key)
    values = np.asarray(conditional(many, index, other), float)
    pairs = [(i, j) for i in range(4) for j in range(i)]
    largest = values.max(axis=1) - logsumexp(logits)
    p_values = [
        *[stats.kstest(values[:, i] - logits[i], "gumbel_r").pvalue for i in range(4)],
        *[stats.kstest(values[:, i] - values[:, j] - logits[i] + logits[j], "logistic").pvalue for i, j in pairs],
        *[stats.kstest(largest[np.asarray(index) == i], "gumbel_r").pvalue for i in range(4)],
    ]
    assert_no_alarm(p_values, BUDGET / 2)


def test_as_the_perturbed_logits_that_were_chosen_from():
    """Two samples, given each choice: perturbed logits sorted by their argmax, and those drawn for it."""
    logits = jnp.array([0.0, 1.0, -0.5])
    free = np.asarray(st.distributions.gumbels(jnp.broadcast_to(logits, (60_000, 3)), jax.random.key(1)))
    chosen = free.argmax(axis=1)
    drawn = np.asarray(conditional(jnp.broadcast_to(logits, (60_000, 3)), jnp.array(chosen), jax.random.key(2)))
    p_values = [stats.ks_2samp(free[chosen == k, i], drawn[chosen == k, i]).pvalue for k in range(3) for i in range(3)]
    assert_no_alarm(p_values, BUDGET / 2)


@pytest.mark.parametrize("index", [0, pytest.param(3, marks=pytest.mark.slow)])
def test_derivatives_by_finite_differences(double_precision, index):
    mask = np.array([True, True, False, True])

    def values(logits):
        drawn = st.distributions.conditional_gumbels(
            st.distributions.masked(logits, mask), jnp.array(index), jax.random.key(3)
        )
        return jnp.where(mask, drawn, 0)

    check_grads(jax.jit(values), (jnp.array([0.3, -1.2, 5.0, 1.0]),), order=2, modes=["rev"])
    # A shift of all logits shifts all perturbed ones.
    slopes = np.asarray(jax.jit(jax.jacobian(values))(jnp.array([0.3, -1.2, 5.0, 1.0])))
    np.testing.assert_allclose(slopes.sum(axis=1), mask, atol=1e-12)
    np.testing.assert_array_equal(slopes[:, 2], 0)


def test_an_impossible_index_gives_no_nan():
    logits = jnp.array([[0.0, -jnp.inf], [-jnp.inf, -jnp.inf]])
    for index in (-1, 1, 7):
        values = np.asarray(conditional(logits, jnp.array([index, index]), jax.random.key(4)))
        assert np.isfinite(values[0, 0])
        assert np.isneginf(values[[0, 1, 1], [1, 0, 1]]).all()
