"""A baseline for the score function: the moving average of past values, as Williams (1992) has it."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from seriatim._arguments import require_real
from seriatim._record import record


@record
class MovingBaseline:
    """The exponentially weighted mean of the values seen so far, as state that is handed on.

        value, gradient = score_function(function, logits, key, baseline=baseline.mean)
        baseline = baseline.updated(value)

    In this order the baseline never depends on the sample it is subtracted from, and the estimate stays unbiased.

    The values may be arrays, a baseline for each of their elements (one a stage, say).

    Attributes:
        decay: weight of the past, in [0, 1); 0.99 remembers about a hundred values.
        total: weighted sum of the values seen.
        weight: sum of their weights, so that the first values count in full.

    Raises:
        InputError: `decay` is out of range.
    """

    decay: Float[Array, ""] | float = 0.99
    total: Float[Array, "*shape"] | float = 0.0
    weight: Float[Array, ""] | float = 0.0

    def __post_init__(self) -> None:
        require_real("decay", self.decay, "the weight of the past, from 0 to below 1", least=0, below=1)

    @property
    def mean(self) -> Float[Array, "*shape"]:
        """The baseline: the weighted mean of the values seen, 0 before the first."""
        weight = jnp.asarray(self.weight, float)
        return jnp.where(weight > 0, self.total / jnp.where(weight > 0, weight, 1.0), 0.0)

    def updated(self, value: Float[Array, "*shape"] | float) -> "MovingBaseline":
        """Take one more value in."""
        return MovingBaseline(
            self.decay,
            self.decay * jnp.asarray(self.total, float) + (1 - self.decay) * value,
            self.decay * jnp.asarray(self.weight, float) + (1 - self.decay),
        )
