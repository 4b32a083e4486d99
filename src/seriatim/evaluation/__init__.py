"""How good a policy is, with its error: estimates, and paired comparisons on common random numbers."""

from seriatim.evaluation._compare import Comparison, Difference, Row, compare
from seriatim.evaluation._estimate import Estimate
from seriatim.evaluation._evaluate import evaluate

__all__ = ["Comparison", "Difference", "Estimate", "Row", "compare", "evaluate"]
