"""Evaluation: estimates of a policy's cost with their error, paired comparisons, and how punctual planners are."""

from seriatim.evaluation._compare import Comparison, Difference, Interrupted, Row, compare
from seriatim.evaluation._deadlines import Timing, time_decisions
from seriatim.evaluation._estimate import Estimate
from seriatim.evaluation._evaluate import evaluate

__all__ = [
    "Comparison",
    "Difference",
    "Estimate",
    "Interrupted",
    "Row",
    "Timing",
    "compare",
    "evaluate",
    "time_decisions",
]
