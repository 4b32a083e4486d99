"""Relaxed estimators tend to the exact gradient as the temperature falls, where theory says so, and only there.

The bias of an estimator on a fixed set of functions is the length of (mean gradients - exact gradients), all in one
row; its error is the standard error of that row. False alarms: biases must fall by 2 errors, and do fall by 6 or more,
so that a correct library fails once in 30,000 seeds at each of the steps.
"""

import functools
import math

import functions
import jax
import numpy as np
import pytest

from seriatim import gradients

SHAPE = (2, 3)
SEEDS = range(3)
REPEATS = {"gumbel-softmax": 30_000, "gumbel-rao": 10_000, "straight-through-gumbel-softmax": 10_000}
SIGMAS = 2


@functools.partial(jax.jit, static_argnums=0)
def many(name, function, logits, keys, temperature):
    """Gradients under many keys; functions of a kind and temperatures are data."""
    estimator = gradients.ESTIMATORS[name]
    return jax.vmap(lambda key: estimator(function, logits, key, temperature=temperature)[1].ravel())(keys)


@functools.cache
def bias(name, kind, temperature):
    """The length of the bias over the set of functions, and its error."""
    squares = variance = 0.0
    for seed in SEEDS:
        function, logits = kind(SHAPE, seed), functions.logits(SHAPE, seed)
        keys = jax.random.split(jax.random.key(seed), REPEATS[name])
        found = np.asarray(many(name, function, logits, keys, temperature), np.float64)
        squares += np.sum((found.mean(axis=0) - functions.exact(function, logits)[1]) ** 2)
        variance += np.sum(np.var(found, axis=0)) / REPEATS[name]
    return math.sqrt(squares), math.sqrt(variance)


@pytest.mark.parametrize(
    ("name", "kind", "warm", "cold"),
    [
        ("gumbel-softmax", functions.humped, 1.0, 0.3),
        ("gumbel-softmax", functions.humped, 0.3, 0.1),
        ("gumbel-rao", functions.quadratic, 1.0, 0.3),
    ],
)
def test_the_bias_falls_with_the_temperature(name, kind, warm, cold):
    (high, high_error), (low, low_error) = bias(name, kind, warm), bias(name, kind, cold)
    assert high - low > SIGMAS * math.hypot(high_error, low_error), (high, high_error, low, low_error)


def test_straight_through_gumbel_softmax_keeps_a_bias_where_a_function_is_not_quadratic():
    """It tends to the trapezoidal rule along the edges of the simplex, not to the difference of values."""
    left, error = bias("straight-through-gumbel-softmax", functions.wavy, 0.3)
    assert left > bias("gumbel-softmax", functions.wavy, 1.0)[0] + SIGMAS * error
