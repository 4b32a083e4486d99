"""Logits of +-1e4, masks, absent variables, temperatures from 1e-3 to 1e3, short floats: never NaN, and still right."""

import inspect

import functions
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from seriatim import gradients
from seriatim.gradients._control_variate import NeuralControlVariate

INF = float("inf")
EXTREMES = jnp.array(
    [
        [1e4, -1e4, 0.0],
        [1e4, 1e4, -INF],
        [-1e4, -INF, -1e4],
        [-INF, 3.0, -INF],
        [0.0, 1.0, 2.0],
        [-INF, -INF, -INF],  # nobody there: no choice
    ]
)


def smooth(choices):
    return jnp.sum(jnp.sin(choices * jnp.arange(1.0, 4.0))) + jnp.sum(choices[0] * choices[4]) ** 2


def temperatures(name):
    """The coldest and the warmest, of an estimator that has a temperature."""
    has_one = "temperature" in inspect.signature(gradients.ESTIMATORS[name]).parameters
    return [{"temperature": jnp.float32(t)} for t in (1e-3, 1e3)] if has_one else [{}]


# In short floats at every test: one that compares values, one that relaxes choices, one that does both.
QUICK = ("score-function", "gumbel-rao", "rebar")
SHORT = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in gradients.ESTIMATORS]


def assert_finite_and_zero_where_masked(name, dtype):
    logits, keys = EXTREMES.astype(dtype), jax.random.split(jax.random.key(0), 50)
    estimator = gradients.ESTIMATORS[name]
    run = jax.jit(jax.vmap(lambda key, settings: estimator(smooth, logits, key, **settings), (0, None)))
    for settings in temperatures(name):
        values, found = run(keys, settings)
        assert found.dtype == dtype
        assert np.isfinite(np.asarray(values, np.float64)).all()
        assert np.isfinite(np.asarray(found, np.float64)).all()
        assert (np.asarray(found, np.float64)[:, np.isneginf(np.asarray(EXTREMES))] == 0).all()


@pytest.mark.parametrize("name", gradients.ESTIMATORS)
def test_gradients_are_finite_and_zero_where_masked(name):
    assert_finite_and_zero_where_masked(name, jnp.float32)


@pytest.mark.parametrize("name", SHORT)
def test_gradients_of_short_floats_are_finite_and_zero_where_masked(name):
    assert_finite_and_zero_where_masked(name, jnp.bfloat16)


def learned_rebar(temperature):
    return {"temperature": temperature, "scale": 0.7}


def learned_relax(temperature):
    started = gradients.neural_control_variate(jax.random.key(1), EXTREMES.shape)
    return {"control_variate": NeuralControlVariate(started.hidden, started.shift, jnp.ones(16), jnp.log(temperature))}


@pytest.mark.parametrize(
    ("estimator", "settings"),
    [(gradients.estimator("rebar"), learned_rebar), (gradients.estimator("relax"), learned_relax)],
)
def test_settings_are_learned_where_categories_are_masked(estimator, settings):
    """A temperature divides logits of -inf, and its derivative multiplies them."""

    def slopes(key, temperature):
        return gradients.variance_gradient(estimator, smooth, EXTREMES, key, settings(temperature))

    run = jax.jit(jax.vmap(slopes, in_axes=(0, None)))
    for temperature in (1e-3, 1.0, 1e3):
        found = run(jax.random.split(jax.random.key(0), 20), jnp.float32(temperature))
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))


def test_exact_is_finite_and_zero_where_masked():
    for dtype in (jnp.float32, jnp.bfloat16):
        value, gradient = jax.jit(lambda logits: gradients.estimator("exact")(smooth, logits, None))(
            EXTREMES.astype(dtype)
        )
        assert np.isfinite(float(value))
        assert np.isfinite(np.asarray(gradient, np.float64)).all()
        assert (np.asarray(gradient)[np.isneginf(np.asarray(EXTREMES))] == 0).all()


def test_exact_ignores_what_the_function_is_where_it_cannot_be():
    logits = jnp.array([0.3, -INF, 0.9])
    value, gradient = functions.exact(lambda z: jnp.where(z[1] > 0, jnp.nan, z[2]), logits)
    assert value == pytest.approx(1 / (1 + np.exp(0.3 - 0.9)))
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("name", gradients.ESTIMATORS)
def test_absent_variables_change_nothing_and_choose_nothing(name):
    """Its row of choices is zeros, and the others' gradient is unbiased as ever."""
    logits = jnp.array([[0.2, -0.4, 1.0], [-INF, -INF, -INF]])

    def function(choices):
        return choices[0] @ jnp.array([1.0, 2.0, 4.0]) + 100 * jnp.sum(choices[1])

    values, found = functions.estimates(gradients.ESTIMATORS[name], function, logits, 100)
    assert (values < 5).all()
    assert (found[:, 3:] == 0).all()


def test_the_exact_gradient_leaves_absent_variables_out():
    logits, costs = jnp.array([[0.2, -0.4, 1.0], [-INF, -INF, -INF]]), jnp.array([1.0, 2.0, 4.0])
    value, gradient = functions.exact(lambda z: z[0] @ costs + 100 * jnp.sum(z[1]), logits)
    alone = functions.exact(lambda z: z @ costs, logits[0])
    assert value == pytest.approx(alone[0])
    assert gradient == pytest.approx(np.append(alone[1], [0, 0, 0]))


def test_double_precision_in_double_precision_out():
    with jax.enable_x64(True):
        logits = jnp.zeros((2, 3), jnp.float64)
        for estimator in gradients.ESTIMATORS.values():
            value, gradient = jax.eval_shape(lambda key: estimator(smooth_pair, logits, key), jax.random.key(0))  # noqa: B023
            assert (value.dtype, gradient.dtype) == (jnp.float64, jnp.float64)


def smooth_pair(choices):
    return jnp.sum(jnp.sin(choices))
