"""The score-function estimator, also called REINFORCE or the likelihood-ratio method.

    grad E[f(z)] = E[(f(z) - b) grad log p(z)]     for every b that does not depend on z.

It needs nothing but values of f. Its variance is the trouble, and the baseline b is the remedy.

Sources: R. Williams, Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement Learning, 1992;
W. Kool, H. van Hoof, M. Welling, Buy 4 REINFORCE Samples, Get a Baseline for Free!, 2019.

Of one sample, the moving average of past values is a baseline (Williams); of several, the mean of the others is.
"""

import functools

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from jaxtyping import Array, Float

from seriatim._arguments import require_real
from seriatim._errors import InputError
from seriatim._record import record
from seriatim.gradients._checks import check_count
from seriatim.gradients._estimator import Function, Logits, Scalar, from_surrogate
from seriatim.gradients._parts import log_probability, mixed, sample, slope, value_at, values_at
from seriatim.model import Key


@from_surrogate(unbiased=True, needs_gradient=False)
def score_function(function: Function, logits: Logits, key: Key, *, baseline: Float[Array, ""] | float = 0.0) -> Scalar:
    """Estimate with one sample: `(f(z) - baseline) grad log p(z)`.

    Unbiased. Needs values only. One evaluation. R. Williams, 1992.

    Args:
        function: one-hot choices `[*variables, c]` to a scalar.
        logits: of independent categorical variables; `-inf` is never chosen and has gradient 0.
        key: decides the sample.
        baseline: a number that does not depend on this sample, near `E[f(z)]`: of past samples
            (`MovingBaseline`), or of a network that has not seen `z`.

    Raises:
        InputError: `baseline` is not one number.
    """
    if jnp.ndim(baseline) != 0:
        raise InputError(f"baseline has shape {jnp.shape(baseline)}; give one number, such as its mean.")
    index, choices = sample(logits, key)
    value = value_at(function, choices)
    with mixed():
        # The first `value` keeps its derivative by the variables that the function closes over; the weight has none.
        return value + (stop_gradient(value) - baseline) * slope(log_probability(logits, index))


@from_surrogate(unbiased=True, needs_gradient=False)
def leave_one_out(function: Function, logits: Logits, key: Key, *, num_samples: int = 2) -> Scalar:
    """Estimate with n samples, each having the mean of the others as its baseline.

        1/n sum_i (f(z_i) - 1/(n-1) sum_{j != i} f(z_j)) grad log p(z_i)

    Unbiased, since the others are independent of `z_i`. Needs values only. `num_samples` evaluations. Kool, van Hoof,
    Welling, 2019; the same baseline in A. Mnih, D. Rezende, Variational Inference for Monte Carlo Objectives, 2016.

    Args:
        function: one-hot choices `[*variables, c]` to a scalar.
        logits: of independent categorical variables; `-inf` is never chosen and has gradient 0.
        key: decides the samples.
        num_samples: n, at least 2.

    Raises:
        InputError: `num_samples` is less than 2.
    """
    check_count("num_samples", num_samples, 2, "the baseline of a sample is the mean of the others")
    index, choices = jax.vmap(functools.partial(sample, logits))(jax.random.split(key, num_samples))
    values = values_at(function, choices)
    # The difference to the mean of the others is n/(n-1) times that to the mean of all; the outer 1/n takes n away.
    advantage = (values - jnp.mean(values)) / (num_samples - 1)
    scores = jax.vmap(functools.partial(log_probability, logits))(index)
    with mixed():
        return jnp.mean(values) + jnp.sum(stop_gradient(advantage) * slope(scores))


@record
class MovingBaseline:
    """The exponentially weighted mean of the values seen so far, as state that is handed on.

        value, gradient = estimator("score-function")(function, logits, key, baseline=baseline.mean)
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
