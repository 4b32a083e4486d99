"""Inversion of a cumulative sum: a categorical draw as a function of one uniform number.

    K = min {k : p_1 + ... + p_k > w},   w ~ Uniform[0, 1),   so that P(K = k) = p_k.

Source: L. Devroye, Non-Uniform Random Variate Generation, Springer, 1986, section III.2.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def inverse(probability: Float[Array, " k"], uniform: Float[Array, ""]) -> Int[Array, ""]:
    """Return the first outcome whose cumulative probability exceeds `uniform`, never one of probability 0.

    Cumulative sums round. Multiplying by the total and skipping impossible outcomes keeps both ends safe.
    """
    possible = probability > 0
    cumulative = jnp.cumsum(probability)
    beyond = possible & (cumulative > uniform * cumulative[-1])
    last = probability.shape[0] - 1 - jnp.argmax(possible[::-1])
    return jnp.where(jnp.any(beyond), jnp.argmax(beyond), last).astype(jnp.int32)
