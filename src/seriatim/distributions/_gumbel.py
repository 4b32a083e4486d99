"""The Gumbel-max trick: a categorical sample as a fixed function of logits and noise.

    argmax_i (logits_i + G_i)  is distributed as  softmax(logits),     G_i independent standard Gumbel,

and the k largest, in falling order, are k draws without replacement, each in proportion to the softmax among those that
remain (Plackett-Luce).

Precision. Noise comes from `jax.random.gumbel(mode="high")`, which uses two uniform numbers for each. So the upper
tail, which decides in favour of unlikely categories, is resolved down to probabilities of 1e-14 in float32 (the default
mode ends at 1e-7). Rows are shifted to a largest logit of zero before noise is added. So logits of 1e4 lose no more
precision than their own type does. Two perturbed logits tie with a probability of about 1e-7 (float32); ties go to the
first.

Sources: E. Gumbel, Statistical Theory of Extreme Values and Some Practical Applications, 1954; J. Yellott, The
Relationship between Luce's Choice Axiom, Thurstone's Theory of Comparative Judgment, and the Double Exponential
Distribution, Journal of Mathematical Psychology 15(2), 1977; W. Kool, H. van Hoof, M. Welling, Stochastic Beams and
Where to Find Them, ICML 2019.

Conditional Gumbels are noise that would have led to a choice already made. Given `argmax(logits + G) = k`, the largest
perturbed logit is still distributed as `logsumexp(logits) + G_k`, and each other is a Gumbel truncated there:

    z_k = logsumexp(logits) + G_k,     z_i = -log(exp(-(logits_i + G_i)) + exp(-z_k)),  i != k.

Control variates (REBAR, RELAX) and Rao-Blackwellised derivatives (Gumbel-Rao) average over this noise.

Sources: C. Maddison, D. Tarlow, T. Minka, A* Sampling, NeurIPS 2014; G. Tucker, A. Mnih, C. Maddison, D. Lawson,
J. Sohl-Dickstein, REBAR, NeurIPS 2017, appendix; M. Paulus, C. Maddison, A. Krause, Rao-Blackwellizing the
Straight-Through Gumbel-Softmax Gradient Estimator, ICLR 2021.
"""

import operator
from typing import Any, SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int, Real

from seriatim._errors import InputError
from seriatim._preconditions import require_key
from seriatim.distributions._arguments import as_logits, check_shapes, precise
from seriatim.distributions._masks import centred, is_admissible, without_masks
from seriatim.model import Key


def gumbels(logits: Real[ArrayLike, "*batch c"], key: Key) -> Float[Array, "*batch c"]:
    """Return the perturbed logits `logits + G`, `-inf` where inadmissible, in float32 at least.

    Their derivative by the logits is one. The largest of a row is distributed as `logsumexp(logits) + G`, independently
    of its index. `gumbel_max`, `gumbel_softmax` and `gumbel_top_k` use the same noise under the same key, but shift
    each row first, so that the noise is not lost in rounding when it is added to large logits. To choose among the
    perturbed logits of this function, shift logits beyond 100 in the same way: `logits - max(logits)`.
    """
    given = as_logits(logits)
    given = given.astype(precise(given))
    return jnp.where(is_admissible(given), given + standard_gumbels(key, given), -jnp.inf)


def gumbel_max(logits: Real[ArrayLike, "*batch c"], key: Key) -> Int[Array, "*batch"]:
    """Draw from the categorical `softmax(logits)`, exactly: `argmax(logits + G)`; -1 where nothing is admissible.

    The result has no derivative by the logits: see `gumbel_softmax`.
    """
    return choice_among(perturbed(logits, key))


def gumbel_top_k(logits: Real[ArrayLike, "*batch c"], key: Key, k: SupportsIndex) -> Int[Array, "*batch k"]:
    """Draw `k` different categories in the order drawn, each from the softmax over those that remain (Plackett-Luce).

        P(i_1, ..., i_k) = prod_j  p_{i_j} / (1 - p_{i_1} - ... - p_{i_{j-1}}),     p = softmax(logits).

    The first category is that of `gumbel_max` under the same key, and a smaller `k` gives the first of those of a
    larger one. If fewer than `k` categories are admissible, all of them are drawn, and the remaining places are -1.

    Args:
        logits: of any real type.
        key: decides the noise.
        k: a constant from 1 to c.

    Raises:
        InputError: there are not as many as `k` categories, or `k` is below 1.
    """
    values = perturbed(logits, key)
    try:
        count = operator.index(k)
    except TypeError:  # no whole number, or a traced one
        count = 0
    if not 1 <= count <= values.shape[-1]:
        raise InputError(
            f"k={k}: give a constant whole number from 1 to the {values.shape[-1]} categories that the logits have."
        )
    largest, index = jax.lax.top_k(values, count)
    return jnp.where(is_admissible(largest), index, -1)


def standard_gumbels(key: Key, like: Float[Array, "*batch c"]) -> Float[Array, "*batch c"]:
    """Draw standard Gumbel noise, the same for all functions here under the same key."""
    require_key(key)
    return jax.random.gumbel(key, like.shape, like.dtype, mode="high")


def perturbed(logits: Any, key: Key) -> Float[Array, "*batch c"]:
    """Return perturbed logits of rows shifted to a largest logit of zero, from which all choices are made."""
    given = as_logits(logits)
    return gumbels(centred(given.astype(precise(given))), key)


def choice_among(values: Float[Array, "*batch c"]) -> Int[Array, "*batch"]:
    """Return the index of the largest value, -1 if all are `-inf`."""
    return jnp.where(jnp.any(is_admissible(values), axis=-1), jnp.argmax(values, axis=-1), -1)


def conditional_gumbels(
    logits: Real[ArrayLike, "*batch c"], index: Int[ArrayLike, "*batch"], key: Key
) -> Float[Array, "*batch c"]:
    """Draw perturbed logits given that their argmax is `index`; `-inf` where inadmissible; float32 at least.

    With `index` drawn by `gumbel_max` under another key, they are distributed as `gumbels(logits, ...)`. They are
    differentiable in the logits, at fixed index and noise. The entry at `index` is strictly the largest, even with
    rounding. As with `gumbels`, shift large logits first, or the noise is lost in rounding.

    Args:
        logits: of any real type.
        index: an admissible category for each row. For any other index the result is finite where admissible, but has
            no meaning.
        key: decides the noise; not the key that `index` was drawn with.
    """
    given = as_logits(logits)
    check_shapes(logits=given.shape[:-1], index=jnp.shape(index))
    given = given.astype(precise(given))
    finite = without_masks(given)
    noise = standard_gumbels(key, given)
    # `top` is the largest perturbed logit, logsumexp(logits) + G_k, with the noise of the chosen entry.
    chosen = jax.nn.one_hot(index, given.shape[-1], dtype=bool)
    shared = jax.nn.logsumexp(finite, axis=-1, keepdims=True)
    top = shared + jnp.sum(jnp.where(chosen, noise, 0), axis=-1, keepdims=True)
    # Inadmissible places hold a finite number, because JAX computes derivatives there too before it drops them.
    free = jnp.where(is_admissible(given), given, top) + noise
    others = _strictly_below(-jnp.logaddexp(-free, -top), top)
    return jnp.where(is_admissible(given), jnp.where(chosen, top, others), -jnp.inf)


def _strictly_below(values: Float[Array, "*batch c"], top: Float[Array, "*batch 1"]) -> Float[Array, "*batch c"]:
    """Move values that were rounded up to the top below it, so that the argmax is unique; keep their derivatives."""
    below = top - np.finfo(top.dtype).eps * jnp.maximum(jnp.abs(top), 1)
    return values + jax.lax.stop_gradient(jnp.minimum(values, below) - values)
