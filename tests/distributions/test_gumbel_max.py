"""Gumbel-max is the categorical distribution, exactly. False-alarm budget of this file: 1e-6, 2.5e-7 a test."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from goodness_of_fit import assert_no_alarm, chi_square, softmax

import seriatim as st

BUDGET = 2.5e-7
gumbel_max = jax.jit(st.distributions.gumbel_max)


def counts(logits, key, draws):
    """How often each category is drawn, `[..., c]`, for rows of logits."""
    logits = jnp.asarray(logits)
    many = gumbel_max(jnp.broadcast_to(logits, (draws, *logits.shape)), key)
    return np.sum(np.asarray(many)[..., None] == np.arange(logits.shape[-1]), axis=0)


def random_logits(seed, rows, categories):
    """Flat and peaked rows, some with equal logits, some with masks."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(rows, categories)) * generator.choice([0.1, 1, 3], size=(rows, 1))
    tied = np.where(generator.random((rows, 1)) < 0.3, np.round(logits), logits)
    mask = generator.random((rows, categories)) < generator.choice([0.5, 1], size=(rows, 1))
    mask[np.arange(rows), generator.integers(categories, size=rows)] = True
    return np.where(mask, tied, -np.inf).astype(np.float32)


@pytest.mark.parametrize("rows", [50, pytest.param(200, marks=pytest.mark.slow)])
def test_drawn_in_proportion_to_the_softmax(rows):
    logits = random_logits(0, rows, categories=6)
    drawn = counts(logits, jax.random.key(1), 10_000)
    assert_no_alarm([chi_square(*pair) for pair in zip(drawn, softmax(logits), strict=True)], BUDGET)


@pytest.mark.parametrize("given", [jnp.bfloat16, jnp.float16, jnp.float32, jnp.int32, jnp.float64])
def test_in_every_type(given, double_precision):
    logits = jnp.array([[0, 0, 0, 0], [2, 1, 0, -1], [3, 3, -2, 0]], given)
    drawn = counts(logits, jax.random.key(2), 100_000)
    judge = softmax(np.asarray(logits, float))
    assert_no_alarm([chi_square(*pair) for pair in zip(drawn, judge, strict=True)], BUDGET / 5)


def test_the_test_would_notice_probabilities_off_by_two_percent():
    wrong = jnp.log(jnp.array([0.26, 0.25, 0.245, 0.245]))
    assert chi_square(counts(wrong, jax.random.key(3), 400_000), [0.25] * 4) < BUDGET / 200


def test_rows_of_one_draw_are_independent():
    logits = np.array([[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]], np.float32)
    first, second = np.asarray(gumbel_max(jnp.broadcast_to(logits, (200_000, 2, 3)), jax.random.key(4))).T
    pairs = np.bincount(3 * first + second, minlength=9)
    assert_no_alarm([chi_square(pairs, np.outer(*softmax(logits)).ravel())], BUDGET)


def test_keys_are_independent():
    keys = jax.random.split(jax.random.key(5), 100_000)
    drawn = jax.jit(jax.vmap(st.distributions.gumbel_max, in_axes=(None, 0)))(jnp.array([0.0, 1.0, -1.0]), keys)
    assert_no_alarm([chi_square(np.bincount(drawn), softmax([0, 1, -1]))], BUDGET)


@pytest.mark.parametrize("shift", [-(2.0**14), 2.0**13, 2.0**14])
def test_a_shift_of_all_logits_changes_no_choice(shift):
    logits = jax.random.randint(jax.random.key(6), (10_000, 5), -2, 3) / 4  # shifted without rounding
    keys = jax.random.split(jax.random.key(7), 10)
    for key in keys:
        np.testing.assert_array_equal(gumbel_max(logits + shift, key), gumbel_max(logits, key))


def test_a_lower_precision_of_the_logits_is_not_one_of_the_noise():
    logits = jax.random.normal(jax.random.key(8), (1000, 7), jnp.bfloat16)
    key = jax.random.key(9)
    np.testing.assert_array_equal(gumbel_max(logits, key), gumbel_max(logits.astype(jnp.float32), key))


def test_noise_has_almost_no_ties():
    noise = np.asarray(st.distributions.gumbels(jnp.zeros((300, 300), jnp.bfloat16), jax.random.key(10)))
    assert noise.dtype == np.float32
    # A birthday problem: some 1e7 values of the type are in reach of 9e4 draws, so about 500 pairs agree.
    assert len(np.unique(noise)) > 0.95 * noise.size


def test_where_nothing_is_admissible_nothing_is_chosen():
    logits = jnp.array([[-jnp.inf, -jnp.inf], [-jnp.inf, 0.0]])
    np.testing.assert_array_equal(gumbel_max(logits, jax.random.key(0)), [-1, 1])


def test_masked_places_have_no_influence():
    logits = jnp.array([jnp.nan, 1e4, 0.0, 3.0])
    mask = jnp.array([False, False, True, True])
    values = st.distributions.masked(logits, mask)
    np.testing.assert_array_equal(values, [-jnp.inf, -jnp.inf, 0, 3])
    slope = jax.grad(lambda given: st.distributions.entropy(st.distributions.masked(given, mask)))(logits)
    assert np.isfinite(slope).all()
    np.testing.assert_array_equal(slope[:2], 0)


def test_a_mask_broadcasts_in_both_directions():
    masked = st.distributions.masked
    assert masked(jnp.zeros(3), jnp.ones((2, 3), bool)).shape == (2, 3)
    assert masked(jnp.zeros((2, 3)), jnp.ones(3, bool)).shape == (2, 3)
    assert masked(np.zeros((2, 3), int), np.ones((2, 1), bool)).dtype == jnp.float32


@pytest.mark.parametrize("logits", [0.5, 3, np.zeros((2, 0)), np.zeros(2, complex)])
def test_what_cannot_be_logits_is_refused(logits, without_type_checks):
    with pytest.raises(st.InputError, match="give"):
        without_type_checks(lambda: st.distributions.gumbel_max(logits, jax.random.key(0)))
