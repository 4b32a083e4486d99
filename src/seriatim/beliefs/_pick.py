"""Drawing from weights by inverting their cumulative sum: the same uniform number, near beliefs, near draws."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def pick(weights: Float[Array, " k"], uniform: Float[Array, ""]) -> Int[Array, ""]:
    """Return the first place whose cumulative weight exceeds `uniform` of the total, never one of weight 0.

    Cumulative sums round. Multiplying by the total and passing over weights of 0 keeps both ends safe. Without any
    weight it is the last place.
    """
    possible = weights > 0
    cumulative = jnp.cumsum(weights)
    beyond = possible & (cumulative > uniform * cumulative[-1])
    last = weights.shape[0] - 1 - jnp.argmax(possible[::-1])
    return jnp.where(jnp.any(beyond), jnp.argmax(beyond), last).astype(jnp.int32)
