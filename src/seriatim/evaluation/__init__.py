"""Evaluation: estimates of a policy's cost with their error, paired comparisons, and times under deadlines."""

from seriatim.evaluation._compare import Comparison, Interrupted, compare
from seriatim.evaluation._deadlines import time_decisions
from seriatim.evaluation._estimate import Estimate
from seriatim.evaluation._evaluate import evaluate

__all__ = [
    "Comparison",
    "Estimate",
    "Interrupted",
    "compare",
    "evaluate",
    "time_decisions",
]
