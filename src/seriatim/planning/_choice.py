"""The rule of choice: leave the reference control only for a gain that the samples can show.

Let `d_s = Q_s(reference) - Q_s(alternative)`, sample by sample, under the same disturbances. The gain is the mean of
`d`, its standard error `std(d) / sqrt(N)`. An alternative is eligible if it is allowed and

    gain > significance * standard_error      (and more than rounding),

and the eligible one with the least Q-factor is chosen; without one, the reference stays. Ties therefore go to the
reference. With one sample, or an exact expectation, there is no standard error and the plain comparison decides.

Infinite costs: whatever is finite is better than infinity, and infinity worse than what is finite. A cost of minus
infinity is no gain but a mistake, as nan is (an overflow, the logarithm of 0): nothing is compared with it.

The minimum of noisy Q-factors is biased towards luck: with few samples the plain minimum can be worse than the base.
The threshold is the remedy, and costs little where there are many samples.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from seriatim._compile import unknown


class Choice(NamedTuple):
    """Which alternative was chosen, -1 for the reference; Q-factors of all alternatives, and errors of their gains.

    `incomparable` counts the allowed alternatives whose gain is no number: a cost was nan or minus infinity, or both
    were infinite.
    """

    best: Int[Array, ""]
    q_factors: Float[Array, " n"]
    errors: Float[Array, " n"]
    incomparable: Int[Array, ""]


def gain(
    reference: Float[Array, " samples"], alternative: Float[Array, "*n samples"]
) -> tuple[Float[Array, "*n"], Float[Array, "*n"]]:
    """Return the mean paired gain over the reference and its standard error (nan for one sample)."""
    samples = reference.shape[-1]
    paired = jnp.broadcast_to(reference, alternative.shape) - alternative
    mean = jnp.mean(paired, axis=-1)
    if samples == 1:
        return mean, jnp.full_like(mean, unknown())
    return mean, jnp.std(paired, axis=-1, ddof=1) / np.sqrt(samples)


def choose(
    reference: Float[Array, " samples"],
    alternatives: Float[Array, "n samples"],
    allowed: Bool[Array, " n"],
    significance: Float[Array, ""] | float,
) -> Choice:
    """Choose among alternatives to a reference by their paired samples. An infinite reference is always left."""
    mean, error = gain(reference, alternatives)
    costs = jnp.mean(alternatives, axis=-1)
    compared = are_comparable(mean, jnp.mean(reference), costs)
    q = jnp.where(allowed, costs, jnp.inf)
    # Equal costs summed in another order differ by rounding; that is a tie, and no reason to leave the reference.
    rounding = 8 * float(np.finfo(q.dtype).eps) * jnp.abs(jnp.where(jnp.isfinite(q), q, 0.0))
    threshold = jnp.where(jnp.isfinite(error), significance * error, 0.0) + rounding
    eligible = allowed & compared & (mean > threshold)
    best = jnp.argmin(jnp.where(eligible, q, jnp.inf))
    chosen = jnp.where(jnp.any(eligible), best, -1).astype(jnp.int32)
    return Choice(chosen, q, error, jnp.sum(allowed & ~compared, dtype=jnp.int32))


def are_comparable(
    gains: Float[Array, " n"], reference: Float[Array, ""], alternatives: Float[Array, " n"]
) -> Bool[Array, " n"]:
    """Say which alternatives can be compared with the reference, from their gains and the mean costs of both."""
    return ~jnp.isnan(gains) & (reference > -jnp.inf) & (alternatives > -jnp.inf)
