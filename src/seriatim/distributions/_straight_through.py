"""The straight-through derivative: the value of a discrete choice, the derivative of its relaxation.

The usual `soft + stop_gradient(hard - soft)` is off by rounding, so that a "one-hot" vector holds 0.99999994. Here the
value is passed on untouched, and only the rule of differentiation says otherwise.

Source: Y. Bengio, N. Leonard, A. Courville, Estimating or Propagating Gradients Through Stochastic Neurons for
Conditional Computation, 2013.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from seriatim._errors import InputError


def straight_through(hard: Float[Array, "*shape"], soft: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return `hard`, exactly, with the derivatives of `soft`, of all orders.

    As an estimate of the derivative of an expectation it is biased.

    Raises:
        InputError: the two are not of one shape and one type.
    """
    kinds = [f"{jnp.result_type(each)}{list(jnp.shape(each))}" for each in (hard, soft)]
    if kinds[0] != kinds[1]:
        raise InputError(f"hard is {kinds[0]} and soft is {kinds[1]}; give two of one shape and one floating type.")
    return _hard(hard, soft)


@jax.custom_jvp
def _hard(hard: Float[Array, "*shape"], soft: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    del soft
    return hard


@_hard.defjvp
def _derivative_of_soft(primals: tuple[Any, Any], tangents: tuple[Any, Any]) -> tuple[Any, Any]:
    return _hard(*primals), tangents[1]
