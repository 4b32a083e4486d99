"""The mean of an unbiased estimator is the exact gradient, on random functions of several categorical variables.

False alarms: with a correct estimator every component's error is normal with its standard error. There are fewer than
1000 components in this file, each allowed 5.5 standard errors: a correct library fails once in 25,000 seeds.
"""

import functools

import functions
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from seriatim import gradients
from seriatim.gradients._control_variate import NeuralControlVariate

REPEATS = 20_000
SIGMAS = 5.5


CASES = {
    "one variable": ((4,), ()),
    # Three categories, a coin, a coin, and a variable that has no choice.
    "a grid of variables": ((2, 2, 3), (3, 8, 9, 11)),
}


def control_variate(shape):
    """A control variate with arbitrary weights: any leaves RELAX unbiased."""
    started = gradients.neural_control_variate(jax.random.key(1), shape)
    return NeuralControlVariate(started.hidden, started.shift + 0.3, jnp.linspace(-1.0, 1.0, 16), -0.5)


def with_settings(shape):
    return {
        **{name: each for name, each in gradients.ESTIMATORS.items() if each.unbiased},
        "baseline": functools.partial(gradients.estimator("score-function"), baseline=0.7),
        "leave-one-out of 5": functools.partial(gradients.estimator("leave-one-out"), num_samples=5),
        "REBAR, cold": functools.partial(gradients.estimator("rebar"), temperature=0.3, scale=0.6),
        "REBAR, warm": functools.partial(gradients.estimator("rebar"), temperature=3.0),
        "RELAX with a network": functools.partial(gradients.estimator("relax"), control_variate=control_variate(shape)),
    }


def assert_unbiased(found, truth):
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    off = np.abs(found.mean(axis=0) - truth)
    assert (off <= SIGMAS * error + 1e-6 * (1 + np.abs(truth))).all(), (off, error)
    return error


# At every test one case for each: the grid for estimators as they are, the single variable for other settings.
QUICK = {(name, sorted(CASES)[name not in gradients.ESTIMATORS]) for name in with_settings((2, 2))}


@pytest.mark.parametrize(
    ("name", "case"),
    [
        pytest.param(name, case, marks=[] if (name, case) in QUICK else pytest.mark.slow)
        for name in with_settings((2, 2))
        for case in CASES
    ],
)
def test_the_mean_is_the_exact_gradient(name, case):
    shape, masked = CASES[case]
    seed = sorted(CASES).index(case)
    function, logits = functions.wavy(shape, seed), functions.logits(shape, seed, masked)
    value, gradient = functions.exact(function, logits)
    values, found = functions.estimates(with_settings(shape)[name], function, logits, REPEATS)
    error = assert_unbiased(found, gradient)
    assert_unbiased(values, value)
    assert (found[:, list(masked)] == 0).all()
    # The errors are small enough for the test to mean something.
    assert np.linalg.norm(error) < 0.1 * np.linalg.norm(gradient)


@pytest.mark.parametrize(
    "name",
    [
        name if name == "gumbel-softmax" else pytest.param(name, marks=pytest.mark.slow)
        for name, each in gradients.ESTIMATORS.items()
        if not each.unbiased
    ],
)
def test_bias_is_found_where_there_is_some(name):
    function, logits = functions.wavy((3, 3), 0), functions.logits((3, 3), 0)
    found = functions.estimates(gradients.ESTIMATORS[name], function, logits, REPEATS)[1]
    with pytest.raises(AssertionError):
        assert_unbiased(found, functions.exact(function, logits)[1])


def test_straight_through_is_unbiased_on_multilinear_functions():
    function, logits = functions.table((3, 3), 5), functions.logits((3, 3), 5, (1,))
    truth = functions.exact(function, logits)[1]
    assert_unbiased(functions.estimates(gradients.estimator("straight-through"), function, logits, REPEATS)[1], truth)


def test_a_moving_baseline_leaves_it_unbiased_and_lowers_its_variance():
    function, logits = functions.table((3, 3), 1, offset=5.0), functions.logits((3, 3), 1)
    truth = functions.exact(function, logits)[1]

    def step(baseline, key):
        value, gradient = gradients.estimator("score-function")(function, logits, key, baseline=baseline.mean)
        return baseline.updated(value), gradient.ravel()

    keys = jax.random.split(jax.random.key(0), REPEATS)
    start = gradients.MovingBaseline(jnp.asarray(0.95), jnp.zeros(()), jnp.zeros(()))
    last, found = jax.jit(lambda keys: jax.lax.scan(step, start, keys))(keys)
    # Errors are martingale differences: uncorrelated, though not independent.
    assert_unbiased(np.asarray(found, np.float64), truth)
    plain = functions.estimates(gradients.estimator("score-function"), function, logits, REPEATS)[1]
    assert functions.total_variance(np.asarray(found, np.float64))[0] < 0.5 * functions.total_variance(plain)[0]
    assert float(last.mean) == pytest.approx(functions.exact(function, logits)[0], abs=1.5)


def test_the_first_mean_of_a_moving_baseline_is_the_first_value():
    fresh = gradients.MovingBaseline()
    assert float(fresh.mean) == 0.0
    assert float(fresh.updated(3.0).mean) == pytest.approx(3.0)
    assert float(fresh.updated(3.0).updated(5.0).mean) == pytest.approx((0.99 * 3 + 5) / 1.99)


def test_the_pathwise_gradient_of_gaussians_has_its_closed_form():
    """E[sum z^4] = sum mean^4 + 6 mean^2 std^2 + 3 std^4."""
    mean, std = jnp.array([0.5, -1.0]), jnp.array([0.3, 0.8])
    keys = jax.random.split(jax.random.key(0), REPEATS)
    run = jax.jit(jax.vmap(lambda key: gradients.estimator("pathwise")(lambda z: jnp.sum(z**4), (mean, std), key)))
    values, (by_mean, by_std) = jax.tree.map(lambda x: np.asarray(x, np.float64), run(keys))
    m, s = np.asarray(mean, np.float64), np.asarray(std, np.float64)
    assert_unbiased(values, np.sum(m**4 + 6 * m**2 * s**2 + 3 * s**4))
    assert_unbiased(by_mean, 4 * m**3 + 12 * m * s**2)
    assert_unbiased(by_std, 12 * m**2 * s + 12 * s**3)
