"""Gumbels given their argmax: the noise that could have led to a choice already made.

Given that `argmax(logits + G) = k`, the largest perturbed logit is still `logsumexp(logits) + G_k`, and each other is a
Gumbel truncated there:

    z_k = logsumexp(logits) + G_k,     z_i = -log(exp(-(logits_i + G_i)) + exp(-z_k)),  i != k.

Control variates (REBAR, RELAX) and Rao-Blackwellised derivatives (Gumbel-Rao) average over this noise.

Sources: C. Maddison, D. Tarlow, T. Minka, A* Sampling, NeurIPS 2014; G. Tucker, A. Mnih, C. Maddison, D. Lawson,
J. Sohl-Dickstein, REBAR, NeurIPS 2017, appendix; M. Paulus, C. Maddison, A. Krause, Rao-Blackwellizing the
Straight-Through Gumbel-Softmax Gradient Estimator, ICLR 2021.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int, Real

from seriatim.distributions._arguments import as_logits, check_shapes, precise
from seriatim.distributions._gumbel import standard_gumbels
from seriatim.distributions._masks import is_admissible, without_masks
from seriatim.model import Key


def conditional_gumbels(
    logits: Real[ArrayLike, "*batch c"], index: Int[ArrayLike, "*batch"], key: Key
) -> Float[Array, "*batch c"]:
    """Draw perturbed logits given that their argmax is `index`; `-inf` where inadmissible; float32 at least.

    With `index` drawn by `gumbel_max` under another key, they are distributed as `gumbels(logits, ...)`. They are
    differentiable in the logits, at fixed index and noise. The entry at `index` is strictly the largest, rounding
    included. As with `gumbels`, shift large logits first, or the noise is lost in rounding.

    Args:
        logits: of any real type.
        index: an admissible category for each row. Given any other the result is finite where admissible, but means
            nothing.
        key: decides the noise; not the key that `index` was drawn with.
    """
    given = as_logits(logits)
    check_shapes(logits=given.shape[:-1], index=jnp.shape(index))
    given = given.astype(precise(given))
    finite = without_masks(given)
    noise = standard_gumbels(key, given)
    chosen = jax.nn.one_hot(index, given.shape[-1], dtype=bool)
    shared = jax.nn.logsumexp(finite, axis=-1, keepdims=True)
    top = shared + jnp.sum(jnp.where(chosen, noise, 0), axis=-1, keepdims=True)
    # A finite number stands at inadmissible places: derivatives are taken there too, before they are dropped.
    free = jnp.where(is_admissible(given), given, top) + noise
    others = _strictly_below(-jnp.logaddexp(-free, -top), top)
    return jnp.where(is_admissible(given), jnp.where(chosen, top, others), -jnp.inf)


def _strictly_below(values: Float[Array, "*batch c"], top: Float[Array, "*batch 1"]) -> Float[Array, "*batch c"]:
    """Undo rounding up to the top, where the argmax would be the first of two; derivatives stay those of the values."""
    below = top - np.finfo(top.dtype).eps * jnp.maximum(jnp.abs(top), 1)
    return values + jax.lax.stop_gradient(jnp.minimum(values, below) - values)
