"""Estimates from independent episodes, with the weight of stages cut off, which standard errors do not show."""

import math

import numpy as np
from jaxtyping import Bool, Float, Int

from seriatim._record import record


def mean_and_error(values: Float[np.ndarray, " episodes"]) -> tuple[float, float]:
    """Return the mean and its standard error, std / sqrt(n); the error of a single value is nan."""
    n = len(values)
    # ddof=1 makes the estimate of the variance unbiased.
    error = float(np.std(values, ddof=1)) / math.sqrt(n) if n > 1 else math.nan
    return float(np.mean(values)), error


@record
class Estimate:
    """The expected discounted cost of a policy, estimated from episodes.

    Attributes:
        mean: mean cost of an episode.
        standard_error: of `mean`.
        truncated: share of the episodes that were cut at the horizon. Their cost lacks what would have followed, so
            compare policies by cost only where this is 0, or where `tail_weight` is small.
        tail_weight: weight of the stages that were cut off: the mean over episodes of `a**T` if truncated, else 0. The
            bias of `mean` is `tail_weight` times the mean cost-to-go at the states where episodes were cut.
        costs: of each episode.
        stages: played in each episode.
        horizon: the stage at which episodes were cut, T.
        incomparable: the share of a planner's decisions in which candidates could not be compared, since simulated
            costs were nan or infinite (`Decision.num_incomparable`); 0 for other policies.
    """

    mean: float
    standard_error: float
    truncated: float
    tail_weight: float
    costs: Float[np.ndarray, " episodes"]
    stages: Int[np.ndarray, " episodes"]
    horizon: int
    incomparable: float = 0.0

    def __str__(self) -> str:
        cut = f", {self.truncated:.0%} truncated at {self.horizon} stages" if self.truncated else ""
        blind = ""
        if self.incomparable:
            blind = f", {self.incomparable:.2%} of decisions met costs that are nan or infinite"
        return f"{self.mean:.4g} ± {self.standard_error:.2g} ({len(self.costs)} episodes{cut}{blind})"


def estimate(
    costs: Float[np.ndarray, " episodes"],
    stages: Int[np.ndarray, " episodes"],
    terminated: Bool[np.ndarray, " episodes"],
    *,
    horizon: int,
    discount: float,
    incomparable: float = 0.0,
) -> Estimate:
    """Summarise episodes."""
    mean, error = mean_and_error(costs)
    truncated = float(np.mean(~terminated))
    # All truncated episodes were cut at the same stage T, so their weights a**T are equal.
    return Estimate(mean, error, truncated, truncated * discount**horizon, costs, stages, horizon, incomparable)
