"""The relaxed categorical: its argmax is the sample, its limits, its law, straight-through.

False-alarm budget of this file: 1e-6.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from goodness_of_fit import assert_no_alarm
from hypothesis import given, settings
from hypothesis import strategies as hs
from jax.test_util import check_grads
from scipy import stats

import seriatim as st

BUDGET = 1e-6
gumbel_softmax = st.distributions.gumbel_softmax
soft = jax.jit(gumbel_softmax)
hard = jax.jit(lambda logits, key, temperature: gumbel_softmax(logits, key, temperature, hard=True))
gumbel_max = jax.jit(st.distributions.gumbel_max)

numbers = hs.one_of(hs.floats(-3, 3, width=16), hs.floats(-1e4, 1e4, width=32), hs.just(-np.inf))
rows = hs.lists(numbers, min_size=4, max_size=4)
temperatures = hs.floats(-3, 3).map(lambda power: 10.0**power)
seeds = hs.integers(0, 2**31 - 1)
types = hs.sampled_from([jnp.float32, jnp.bfloat16])


@settings(max_examples=3 * settings.default.max_examples)
@given(row=rows, seed=seeds, temperature=temperatures, kind=types)
def test_the_largest_entry_is_the_sample(row, seed, temperature, kind):
    """For every temperature; equal entries are all largest, as rounding makes them at high temperatures."""
    logits = jnp.broadcast_to(jnp.array(row, kind), (20, 4))
    key = jax.random.key(seed)
    index = np.asarray(gumbel_max(logits, key))
    relaxed = np.asarray(soft(logits, key, jnp.float32(temperature)), float)
    one_hot = np.asarray(hard(logits, key, jnp.float32(temperature)), float)
    np.testing.assert_array_equal(one_hot, np.asarray(jax.nn.one_hot(index, 4)))
    if np.isneginf(row).all():
        assert (index == -1).all()
        np.testing.assert_array_equal(relaxed, 0)
        return
    np.testing.assert_array_equal(relaxed[np.arange(20), index], relaxed.max(axis=1))
    np.testing.assert_allclose(relaxed.sum(axis=1), 1, rtol=float(jnp.finfo(kind).eps) * 4)
    np.testing.assert_array_equal(relaxed[:, np.isneginf(row)], 0)


@pytest.mark.parametrize("temperature", [1e-3, 0.1, 1.0, 10.0, 1e3])
def test_the_argmax_is_the_sample_unless_two_are_nearly_equal(temperature):
    logits, key = jax.random.normal(jax.random.key(0), (20_000, 5)), jax.random.key(1)
    relaxed = np.asarray(soft(logits, key, temperature))
    second, largest = np.sort(relaxed, axis=1)[:, -2:].T
    clear = largest > second
    assert clear.mean() > 0.99  # at temperature 1000, one draw in some 40,000 has two equal largest entries
    np.testing.assert_array_equal(relaxed.argmax(axis=1)[clear], np.asarray(gumbel_max(logits, key))[clear])


@pytest.mark.parametrize("kind", [jnp.bfloat16, jnp.float16, jnp.float32, jnp.int32])
def test_samples_have_the_type_of_the_logits_and_logarithms_are_precise(kind):
    logits, key = jnp.array([[1, 0, 2]], kind), jax.random.key(9)
    sample_kind = jnp.float32 if kind == jnp.int32 else kind
    for choice in (True, False):
        assert gumbel_softmax(logits, key, 0.5, hard=choice).dtype == sample_kind
    log_point = st.distributions.gumbel_log_softmax(logits, key, 0.5)

    def precise(logits):
        return [
            st.distributions.gumbels(logits, key),
            st.distributions.conditional_gumbels(logits, jnp.array([1]), key),
            st.distributions.log_density(log_point, logits, 0.5),
            st.distributions.log_probability(logits, jnp.array([1])),
            st.distributions.entropy(logits),
        ]

    assert {str(each.dtype) for each in (log_point, *jax.eval_shape(precise, logits))} == {"float32"}


def test_limits():
    mask = jnp.array([True, True, False, True])
    logits = st.distributions.masked(jax.random.normal(jax.random.key(2), (1000, 4)), mask)
    key = jax.random.key(3)
    spread = np.asarray(st.distributions.gumbels(logits, key))[:, np.asarray(mask)]
    largest, second = np.sort(spread, axis=1)[:, [-1, -2]].T
    one_hot = jax.nn.one_hot(gumbel_max(logits, key), 4)
    # softmax of n numbers is within (n - 1) exp(-gap / T) of the one-hot, and within range / T of the uniform.
    cold = np.abs(np.asarray(soft(logits, key, 1e-3)) - one_hot).max(axis=1)
    assert (cold <= 2 * np.exp(-(largest - second) / 1e-3 * (1 - 1e-3)) + 1e-6).all()
    warm = np.abs(np.asarray(soft(logits, key, 1e3)) - mask / 3).max(axis=1)
    assert (warm <= (spread.max(axis=1) - spread.min(axis=1)) / 1e3 + 1e-6).all()


@pytest.mark.parametrize("temperature", [0.3, 2.0])
def test_log_ratios_are_logistic(temperature):
    """`T (log y_i - log y_j) - (logits_i - logits_j)` is a difference of two Gumbels: logistic."""
    logits = np.array([1.0, -0.5, 0.0, 2.0])
    many = jnp.broadcast_to(jnp.array(logits, jnp.float32), (50_000, 4))
    points = np.asarray(st.distributions.gumbel_log_softmax(many, jax.random.key(4), temperature), float)
    np.testing.assert_allclose(np.exp(points), soft(many, jax.random.key(4), temperature), rtol=1e-4, atol=1e-30)
    noise = temperature * (points[:, :3] - points[:, 3:]) - (logits[:3] - logits[3])
    assert_no_alarm([stats.kstest(noise[:, i], "logistic").pvalue for i in range(3)], BUDGET / 2)


@pytest.mark.parametrize("kind", [jnp.bfloat16, pytest.param(jnp.float32, marks=pytest.mark.slow)])
def test_straight_through(kind):
    """Forward one-hot without rounding; backward the relaxed choice's, of first and second order."""
    logits = jnp.array([[0.0, 1.0, -jnp.inf, 0.5], [1e4, 1e4, -1e4, 9990.0]], kind)
    key, weights = jax.random.key(5), jnp.arange(8.0).reshape(2, 4).astype(kind)
    one_hot = jax.nn.one_hot(gumbel_max(logits, key), 4, dtype=kind)

    def derivatives(logits, temperature, hard):
        def total(given):
            return (weights * gumbel_softmax(given, key, temperature, hard=hard)).sum()

        return jax.grad(total)(logits), jax.hessian(total)(logits)

    derivatives = jax.jit(derivatives, static_argnames="hard")
    for temperature in (1e-3, 0.7, 1e3):
        np.testing.assert_array_equal(hard(logits, key, temperature), one_hot)
        np.testing.assert_array_equal(gumbel_softmax(logits, key, temperature, hard=True), one_hot)
        pairs = zip(
            derivatives(logits, temperature, hard=True), derivatives(logits, temperature, hard=False), strict=True
        )
        for of_hard, of_soft in pairs:
            np.testing.assert_array_equal(of_hard, of_soft)


def test_straight_through_of_ones_own():
    def rounded(x):
        return st.distributions.straight_through(jnp.round(x), x**2)

    value, slope = jax.value_and_grad(rounded)(1.3)
    assert (value, slope) == (1.0, jnp.float32(2.6))
    assert jax.grad(jax.grad(rounded))(1.3) == 2


def test_derivatives_by_finite_differences(double_precision):
    mask = jnp.array([True, False, True, True])

    def relaxed(logits, temperature):
        return gumbel_softmax(st.distributions.masked(logits, mask), jax.random.key(6), temperature)

    logits = jnp.array([0.3, 2.0, -0.4, 0.1])
    check_grads(jax.jit(relaxed), (logits, 0.5), order=2, modes=["rev"], rtol=1e-4)
    np.testing.assert_array_equal(jax.jit(jax.jacobian(relaxed))(logits, 0.5)[:, 1], 0)


def test_derivatives_map():
    """`jit`, `vmap` and `grad` in any order give what the plain call gives."""
    logits, keys = jax.random.normal(jax.random.key(7), (3, 4)), jax.random.split(jax.random.key(8), 3)

    def loss(logits, key, temperature):
        return (gumbel_softmax(logits, key, temperature, hard=True) ** 2 @ jnp.arange(4.0)).sum()

    one_by_one = np.stack([jax.grad(loss)(*each, 0.5) for each in zip(logits, keys, strict=True)])
    together = jax.jit(jax.vmap(jax.grad(loss), in_axes=(0, 0, None)))(logits, keys, 0.5)
    np.testing.assert_allclose(together, one_by_one, rtol=1e-5, atol=1e-7)
