"""Masks: a category that may not be chosen has logit `-inf`.

The trouble with `-inf` is not the value but the derivative: `0 * inf` is NaN, and a `where` around it does not help,
because JAX computes derivatives of both branches. So nothing here multiplies `-inf` or takes its exponential: it is
replaced by a finite number before, and the result is replaced after, which makes its derivatives zero, of every order.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Real

from seriatim.distributions._arguments import as_logits, check_shapes


def masked(logits: Real[ArrayLike, "*#batch c"], mask: Bool[ArrayLike, "*#batch #c"]) -> Float[Array, "*_ c"]:
    """Return the logits with `-inf` where the mask is False: inadmissible, with probability and derivative zero.

    The shapes broadcast. Whatever number stands at an inadmissible place, NaN included, has no influence. Give logits
    and a mask rather than `log(p)` of a probability p that may be zero: the derivative of `log` is infinite there.

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
    """Say which categories have a probability above zero; NaN is no mask and must remain to be seen."""
    return ~jnp.isneginf(logits)


def without_masks(logits: Float[Array, "..."]) -> Float[Array, "..."]:
    """Replace `-inf` by the lowest finite number: exp(it - any other logit) is exactly 0, and so is its derivative."""
    return jnp.where(is_admissible(logits), logits, np.finfo(logits.dtype).min)


def centred(logits: Float[Array, "*batch c"]) -> Float[Array, "*batch c"]:
    """Shift every row such that its largest logit is zero: the same distribution, with room for noise in the mantissa.

    Floats near 1e4 are 0.001 apart in float32; noise added to them would be rounded to that. The shift is a constant
    to derivatives: what is computed from the result must not depend on it.
    """
    highest = jnp.max(logits, axis=-1, keepdims=True)
    return logits - jax.lax.stop_gradient(jnp.where(jnp.isneginf(highest), 0, highest))


def masked_softmax(logits: Float[Array, "*batch c"]) -> Float[Array, "*batch c"]:
    """Softmax over the admissible; zeros where nothing is."""
    return jnp.where(is_admissible(logits), jax.nn.softmax(without_masks(logits)), 0)


def masked_log_softmax(logits: Float[Array, "*batch c"], fill: Any = -jnp.inf) -> Float[Array, "*batch c"]:
    """Log-softmax over the admissible, `fill` elsewhere."""
    return jnp.where(is_admissible(logits), jax.nn.log_softmax(without_masks(logits)), fill)
