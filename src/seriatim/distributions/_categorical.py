"""The categorical distribution `p = softmax(logits)`: log-probabilities and entropy, for gradients and regularisers."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int, Real

from seriatim.distributions._arguments import as_logits, check_shapes, precise, require_whole_numbers
from seriatim.distributions._masks import is_admissible, masked_log_softmax, masked_softmax


def log_probability(logits: Real[ArrayLike, "*batch c"], index: Int[ArrayLike, "*batch"]) -> Float[Array, "*batch"]:
    """Return `log softmax(logits)[index]`, in float32 at least; its derivative is the score `onehot(index) - p`.

    A category that is inadmissible or does not exist has `-inf`, with derivative zero. Making no choice (-1) where
    nothing is admissible is certain: 0, so that absent agents drop out of sums.

    Raises:
        InputError: `index` is no array of whole numbers, or the shapes do not fit together.
    """
    given = as_logits(logits)
    require_whole_numbers("index", index)
    check_shapes(logits=given.shape[:-1], index=jnp.shape(index))
    given = given.astype(precise(given))
    chosen = jax.nn.one_hot(index, given.shape[-1], dtype=bool) & is_admissible(given)
    # The row is summed, not indexed: so the derivative is zero in a row in which nothing was chosen.
    found = jnp.sum(jnp.where(chosen, masked_log_softmax(given, fill=0), 0), axis=-1)
    nothing = (jnp.asarray(index) == -1) & ~jnp.any(is_admissible(given), axis=-1)
    return jnp.where(jnp.any(chosen, axis=-1) | nothing, found, -jnp.inf)


def entropy(logits: Real[ArrayLike, "*batch c"]) -> Float[Array, "*batch"]:
    """Return `-sum_i p_i log p_i` in nats, from 0 to log c, in float32 at least; inadmissible categories add 0."""
    given = as_logits(logits)
    given = given.astype(precise(given))
    return jnp.sum(masked_softmax(given) * -masked_log_softmax(given, fill=0), axis=-1)
