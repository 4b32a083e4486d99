"""Masks: a category that may not be chosen has logit `-inf`.

The value `-inf` is harmless, but its derivatives are not: `0 * inf` is NaN, and a `where` around it does not help,
because JAX computes derivatives of both branches. So nothing here multiplies `-inf` or takes its exponential. Before
such a step `-inf` is replaced by a finite number, and afterwards the result is replaced. So all its derivatives are
zero.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Real

from seriatim.distributions._arguments import as_logits, check_shapes


def masked(logits: Real[ArrayLike, "*#batch c"], mask: Bool[ArrayLike, "*#batch #c"]) -> Float[Array, "*_ c"]:
    """Return the logits with `-inf` where the mask is False: inadmissible, with probability and derivative zero.

    The shapes broadcast. The number at an inadmissible place has no influence, even if it is NaN. Give logits and a
    mask rather than `log(p)` of a probability p that may be zero: the derivative of `log` is infinite there.

    Args:
        logits: of any real type.
        mask: True = admissible, as `Model.control_mask`.

    Raises:
        InputError: the shapes do not fit together.
    """
    given = as_logits(logits)
    check_shapes(logits=given.shape, mask=jnp.shape(mask))
    return jnp.where(jnp.asarray(mask), given, jnp.asarray(-jnp.inf, given.dtype))


def is_admissible(logits: Float[Array, "..."]) -> Bool[Array, "..."]:
    """Say which categories are admissible: all but `-inf`. NaN counts as admissible, so that a fault stays visible."""
    return ~jnp.isneginf(logits)


def without_masks(logits: Float[Array, "..."]) -> Float[Array, "..."]:
    """Replace `-inf` by the lowest finite number: exp(it - any other logit) is exactly 0, and so is its derivative."""
    return jnp.where(is_admissible(logits), logits, np.finfo(logits.dtype).min)


def centred(logits: Float[Array, "*batch c"]) -> Float[Array, "*batch c"]:
    """Shift every row so that its largest logit is zero: the distribution is the same, and noise is rounded less.

    Numbers near 1e4 are 0.001 apart in float32, so noise that is added to them would be rounded to multiples of that.
    Derivatives treat the shift as a constant, so a result that is computed from the row must not depend on it.
    """
    highest = jnp.max(logits, axis=-1, keepdims=True)
    return logits - jax.lax.stop_gradient(jnp.where(jnp.isneginf(highest), 0, highest))


def masked_softmax(logits: Float[Array, "*batch c"]) -> Float[Array, "*batch c"]:
    """Return the softmax over the admissible categories; zeros in a row without any."""
    return jnp.where(is_admissible(logits), jax.nn.softmax(without_masks(logits)), 0)


def masked_log_softmax(logits: Float[Array, "*batch c"], fill: Any = -jnp.inf) -> Float[Array, "*batch c"]:
    """Return the log-softmax over the admissible categories, and `fill` at the others."""
    return jnp.where(is_admissible(logits), jax.nn.log_softmax(without_masks(logits)), fill)
