"""The order of variances that the literature reports, each difference beyond its error.

False alarms: a difference of total variances must exceed 5 standard errors where theory says that it is positive; where
it says "no larger", it may not be larger by 5. Ten comparisons: once in 300,000 seeds.
"""

import functools
import math

import functions
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from seriatim import gradients

REPEATS = 20_000


def below(better, worse, function, logits):
    """By how many standard errors the total variance of one estimator is below another's."""
    low, high = (functions.estimates(each, function, logits, REPEATS, n)[1] for n, each in enumerate((better, worse)))
    return falls(low, high)


def falls(better, worse):
    (low, low_error), (high, high_error) = functions.total_variance(better), functions.total_variance(worse)
    return (high - low) / math.hypot(low_error, high_error)


def mean_of(estimator, count):
    """The mean of independent estimates: as many evaluations as one estimate of another kind."""

    def estimate(function, logits, key):
        values, found = jax.vmap(lambda key: estimator(function, logits, key))(jax.random.split(key, count))
        return jnp.mean(values), jnp.mean(found, axis=0)

    return estimate


@pytest.mark.parametrize("num_samples", [2, pytest.param(8, marks=pytest.mark.slow)])
def test_leave_one_out_is_below_as_many_plain_samples_where_costs_are_positive(num_samples):
    leave_one_out = functools.partial(gradients.estimator("leave-one-out"), num_samples=num_samples)
    plain = mean_of(gradients.estimator("score-function"), num_samples)
    function, logits = functions.table((3, 3), 4, offset=4.0), functions.logits((3, 3), 4)
    assert below(leave_one_out, plain, function, logits) > 5


@pytest.mark.slow
def test_leave_one_out_gains_from_samples_more_than_their_mean():
    """Its baseline gets better, too."""
    function, logits = functions.table((3, 3), 4, offset=4.0), functions.logits((3, 3), 4)
    eight = functools.partial(gradients.estimator("leave-one-out"), num_samples=8)
    assert below(eight, mean_of(gradients.estimator("leave-one-out"), 4), function, logits) > 5


@pytest.mark.parametrize("temperature", [0.1, pytest.param(1.0, marks=pytest.mark.slow)])
def test_rao_blackwell_is_below_straight_through_gumbel_softmax(temperature):
    """And its mean is the same: within 5.5 standard errors in each of 6 components."""
    function, logits = functions.wavy((2, 3), 0), functions.logits((2, 3), 0)
    averaged = functools.partial(gradients.estimator("gumbel-rao"), temperature=temperature, num_samples=10)
    single = functools.partial(gradients.estimator("straight-through-gumbel-softmax"), temperature=temperature)
    found = [functions.estimates(each, function, logits, REPEATS, n)[1] for n, each in enumerate((averaged, single))]
    assert falls(*found) > 5
    means = [each.mean(axis=0) for each in found]
    errors = [each.std(axis=0) / math.sqrt(REPEATS) for each in found]
    assert (np.abs(means[0] - means[1]) < 5.5 * np.hypot(*errors)).all()


def test_one_sample_of_gumbel_rao_is_straight_through_gumbel_softmax_in_distribution():
    function, logits = functions.wavy((2, 3), 0), functions.logits((2, 3), 0)
    one = functools.partial(gradients.estimator("gumbel-rao"), num_samples=1)
    assert abs(below(one, gradients.estimator("straight-through-gumbel-softmax"), function, logits)) < 5


@pytest.mark.parametrize("log_odds", [1.0, pytest.param(3.0, marks=pytest.mark.slow)])
def test_rebar_is_below_the_score_function_on_the_toy_problem(log_odds):
    logits = jnp.array([0.0, log_odds])
    rebar = functools.partial(gradients.estimator("rebar"), temperature=4.0)
    assert below(rebar, gradients.estimator("score-function"), functions.toy, logits) > 5


def test_an_antithetic_pair_is_below_two_independent_samples_on_the_toy_problem():
    logits = jnp.array([0.0, 1.0])
    assert below(gradients.estimator("disarm"), gradients.estimator("leave-one-out"), functions.toy, logits) > 5


def test_at_even_odds_an_antithetic_pair_of_one_coin_is_exact():
    """Both sides are always seen, each with its weight."""
    logits = jnp.zeros(2)
    found = functions.estimates(gradients.estimator("disarm"), functions.toy, logits, 100)[1]
    np.testing.assert_allclose(found, np.tile(functions.exact(functions.toy, logits)[1], (100, 1)), atol=1e-7)


def descend(estimator, settings, logits, rate, steps=300, batch=64):
    """Lower the variance of an estimator on the toy problem by its settings."""

    def step(settings, key):
        slopes = jax.vmap(lambda key: gradients.variance_gradient(estimator, functions.toy, logits, key, settings))(
            jax.random.split(key, batch)
        )
        return jax.tree.map(lambda x, slope: x - rate * jnp.mean(slope, axis=0), settings, slopes), None

    keys = jax.random.split(jax.random.key(3), steps)
    return jax.jit(lambda settings: jax.lax.scan(step, settings, keys)[0])(settings)


def test_settings_learned_from_the_variance_lower_it():
    logits = jnp.array([0.0, 1.0])
    start = {"temperature": jnp.asarray(2.0), "scale": jnp.asarray(0.0)}
    learned = descend(gradients.estimator("rebar"), start, logits, rate=3.0)
    assert (
        below(
            functools.partial(gradients.estimator("rebar"), **learned),
            gradients.estimator("score-function"),
            functions.toy,
            logits,
        )
        > 5
    )


@pytest.mark.slow
def test_relax_with_a_learned_network_is_below_the_score_function():
    logits = jnp.array([0.0, 1.0])
    start = {"control_variate": gradients.neural_control_variate(jax.random.key(0), (2,))}
    learned = descend(gradients.estimator("relax"), start, logits, rate=0.3)
    assert (
        below(
            functools.partial(gradients.estimator("relax"), **learned),
            gradients.estimator("score-function"),
            functions.toy,
            logits,
        )
        > 5
    )


def test_the_variance_gradient_is_the_derivative_of_the_variance():
    """Under common keys, by finite differences: exact but for rounding."""
    function, logits, keys = functions.wavy((2, 3), 3), functions.logits((2, 3), 3), jax.random.key(5)
    keys = jax.random.split(keys, 50)

    @jax.jit
    def mean_square(scale):
        found = jax.vmap(lambda key: gradients.estimator("rebar")(function, logits, key, scale=scale)[1])(keys)
        return jnp.sum(found**2) / 50

    @jax.jit
    def slope(scale):
        settings = {"scale": scale}
        slopes = jax.vmap(
            lambda key: gradients.variance_gradient(gradients.estimator("rebar"), function, logits, key, settings)
        )
        return jnp.mean(slopes(keys)["scale"])

    assert float(slope(0.7)) == pytest.approx(float(mean_square(0.75) - mean_square(0.65)) / 0.1, rel=1e-3)
