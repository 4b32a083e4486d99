"""Functions of several categorical variables, and what the tests of estimators do with them.

Random functions are data: those of one kind and shape, and all estimates of them, share a program.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from seriatim import gradients


def _numbers(shape, seed, offset):
    *variables, c = shape
    n = int(np.prod(variables, dtype=int))
    return jnp.asarray(np.random.default_rng(seed).normal(size=(c,) * n) + offset, jnp.float32)


def _weights(shape, seed):
    return jnp.asarray(np.random.default_rng(seed + 1).normal(size=shape), jnp.float32)


def _table(numbers, choices):
    left = numbers.astype(choices.dtype)
    for choice in choices.reshape(numbers.ndim, numbers.shape[0]):
        left = jnp.tensordot(choice, left, axes=1)
    return left


def _wavy(numbers, weights, choices):
    return _table(numbers, choices) + jnp.sin(2 * jnp.sum(weights * choices)) + jnp.sum(weights * choices**2)


def _quadratic(numbers, weights, choices):
    return _table(numbers, choices) + jnp.sum(weights * choices**2)


def _humped(numbers, choices):
    return 0.2 * _table(numbers, choices) + 4 * jnp.sum(1 - jnp.sum(choices**2, axis=-1))


def table(shape, seed, offset=0.0):
    """A random number for each joint choice, and between them the multilinear extension."""
    return Partial(_table, _numbers(shape, seed, offset))


def wavy(shape, seed):
    """A table, bent: not linear in any choice, so that relaxed choices and corners disagree."""
    return Partial(_wavy, _numbers(shape, seed, 0.0), _weights(shape, seed))


def quadratic(shape, seed):
    """Quadratic in the choice of each variable, the others fixed."""
    return Partial(_quadratic, _numbers(shape, seed, 0.0), _weights(shape, seed))


def humped(shape, seed):
    """A table with a hump inside the simplex, which vanishes at the corners: relaxed choices see what is not there."""
    return Partial(_humped, _numbers(shape, seed, 0.0))


def logits(shape, seed, masked=()):
    """Random logits; the flat places in `masked` are inadmissible."""
    drawn = np.random.default_rng(seed + 2).normal(size=shape)
    drawn.flat[list(masked)] = -np.inf
    return jnp.asarray(drawn, jnp.float32)


def exact(function, logits):
    """The exact value and gradient, in double precision, the gradient as one row."""
    value, gradient = _exact(_as_data(function), logits)
    return float(value), np.asarray(gradient, np.float64).ravel()


def toy(choices):
    """E[(b - 0.45)^2] of Tucker et al. (2017): b is one where the second of two categories is chosen."""
    return jnp.sum((choices[..., 1] - 0.45) ** 2)


def estimates(estimator, function, logits, repeats, seed=0):
    """Many values and gradients, one row an estimate, in double precision."""
    keys = jax.random.split(jax.random.key(seed), repeats)
    values, gradients = _estimates(estimator, _as_data(function), logits, keys)
    return np.asarray(values, np.float64), np.asarray(gradients, np.float64).reshape(repeats, -1)


def total_variance(gradients):
    """The variance of an estimate, summed over components, and its standard error."""
    squares = np.sum((gradients - gradients.mean(axis=0)) ** 2, axis=1)
    return squares.mean(), squares.std(ddof=1) / np.sqrt(len(squares))


def _as_data(function):
    return function if isinstance(function, Partial) else Partial(function)


@jax.jit
def _exact(function, logits):
    return gradients.estimator("exact")(function, logits, None)


@functools.partial(jax.jit, static_argnums=0)
def _estimates(estimator, function, logits, keys):
    return jax.vmap(lambda key: estimator(function, logits, key))(keys)
