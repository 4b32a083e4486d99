"""The straight-through derivative: the value of a discrete choice, the derivative of its relaxation.

The usual `soft + stop_gradient(hard - soft)` is off by rounding, so that a "one-hot" vector holds 0.99999994. Here the
value is passed on untouched, and only the rule of differentiation says otherwise.

Source: Y. Bengio, N. Leonard, A. Courville, Estimating or Propagating Gradients Through Stochastic Neurons for
Conditional Computation, 2013.
"""

from typing import Any

import jax
from jaxtyping import Array, Float


@jax.custom_jvp
def straight_through(hard: Float[Array, "*shape"], soft: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return `hard`, exactly, with the derivatives of `soft`, of all orders.

    As an estimate of the derivative of an expectation it is biased. The two have one shape and one type.
    """
    del soft
    return hard


@straight_through.defjvp
def _derivative_of_soft(primals: tuple[Any, Any], tangents: tuple[Any, Any]) -> tuple[Any, Any]:
    return straight_through(*primals), tangents[1]
