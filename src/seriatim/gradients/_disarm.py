"""DisARM for categorical variables, by stick breaking: an antithetic pair of choices, and no derivative of f.

A categorical variable is a row of coins: at category j, stop with the probability of j given that none before it was
chosen. Coin j has log-odds `phi_j = logit_j - logsumexp(logits after j)`. For independent coins with logistic noise e,

    b = [phi + e > 0],   b' = [phi - e > 0],   1/2 (f(b) - f(b')) (b_j - b'_j) sigmoid(|phi_j|)

is an unbiased estimate of the derivative by phi_j: ARM (Yin, Zhou 2019) with the uniform variable averaged out. The two
choices are each distributed as they should, and as far apart as can be. Coins after both have stopped change nothing,
and their terms, of mean zero, are left out. With two categories this is DisARM itself.

Why not the others: ARM costs the same and has no less variance; ARSM (Yin et al., 2019) needs of the order of c**2
evaluations. The price here is that the order of the categories matters a little to the variance.

Sources: Z. Dong, A. Mnih, G. Tucker, DisARM: An Antithetic Gradient Estimator for Binary Latent Variables, 2020; the
same, Coupled Gradient Estimators for Discrete Latent Variables, 2021 (stick breaking).
"""

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from jaxtyping import Array, Bool, Float, Int

from seriatim.gradients._estimator import Function, Logits, Scalar, from_surrogate
from seriatim.gradients._parts import finite, mixed, one_hot, slope, value_at
from seriatim.model import Key


@from_surrogate(unbiased=True, needs_gradient=False)
def disarm(function: Function, logits: Logits, key: Key) -> Scalar:
    """Estimate with the difference of `f` at two antithetic choices.

    Unbiased. Needs values only. Two evaluations. Dong, Mnih, Tucker, 2020 and 2021.

    Args:
        function: one-hot choices `[*variables, c]` to a scalar.
        logits: of independent categorical variables; `-inf` is never chosen and has gradient 0.
        key: decides the pair.
    """
    log_odds = stick_breaking(logits)
    noise = jax.random.logistic(key, log_odds.shape, log_odds.dtype)
    heads, opposite = log_odds + noise > 0, log_odds - noise > 0
    present = jnp.any(~jnp.isneginf(logits), axis=-1)
    stop, opposite_stop = (jnp.where(present, _first(coins), -1) for coins in (heads, opposite))
    value = value_at(function, one_hot(stop, logits))
    other = value_at(function, one_hot(opposite_stop, logits))
    reached = jnp.arange(log_odds.shape[-1]) <= jnp.maximum(stop, opposite_stop)[..., None]
    signs = jnp.where(reached, heads.astype(log_odds.dtype) - opposite.astype(log_odds.dtype), 0)
    with mixed():
        weights = 0.5 * (value - other) * signs * jax.nn.sigmoid(jnp.abs(log_odds))
        # The value is the mean of both choices; the sum is zero, and has the estimate as its derivative.
        return 0.5 * (value + other) + jnp.sum(stop_gradient(weights) * slope(log_odds))


def stick_breaking(logits: Logits) -> Float[Array, "*variables c-1"]:
    """Return the log-odds of stopping at each category but the last, given that none before it was chosen."""
    given = finite(logits)
    later = jax.lax.cumlogsumexp(given, axis=given.ndim - 1, reverse=True)
    return given[..., :-1] - later[..., 1:]


def _first(heads: Bool[Array, "*variables coins"]) -> Int[Array, "*variables"]:
    """Return the first coin that shows heads: the category; the last category where none does."""
    last = jnp.ones_like(heads, shape=(*heads.shape[:-1], 1))
    return jnp.argmax(jnp.concatenate([heads, last], axis=-1), axis=-1)
