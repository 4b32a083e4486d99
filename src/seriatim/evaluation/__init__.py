"""How good a policy is, with its error: estimates, and paired comparisons on common random numbers; how punctual."""

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
