"""Gradients of expected values over discrete choices, behind one interface, and the exact gradient to judge them."""

from seriatim.gradients._compare import EstimatorComparison, EstimatorRow, compare_estimators
from seriatim.gradients._control_variate import NeuralControlVariate, neural_control_variate, variance_gradient
from seriatim.gradients._disarm import disarm
from seriatim.gradients._estimator import Estimator, estimator
from seriatim.gradients._evaluations import count_evaluations
from seriatim.gradients._exact import exact
from seriatim.gradients._gumbel_rao import gumbel_rao
from seriatim.gradients._gumbel_softmax import gumbel_softmax, straight_through_gumbel_softmax
from seriatim.gradients._list import CHOICES, ESTIMATORS
from seriatim.gradients._moving_baseline import MovingBaseline
from seriatim.gradients._pathwise import pathwise
from seriatim.gradients._relax import rebar, relax
from seriatim.gradients._score_function import leave_one_out, score_function
from seriatim.gradients._straight_through import straight_through

__all__ = [
    "CHOICES",
    "ESTIMATORS",
    "Estimator",
    "EstimatorComparison",
    "EstimatorRow",
    "MovingBaseline",
    "NeuralControlVariate",
    "compare_estimators",
    "count_evaluations",
    "disarm",
    "estimator",
    "exact",
    "gumbel_rao",
    "gumbel_softmax",
    "leave_one_out",
    "neural_control_variate",
    "pathwise",
    "rebar",
    "relax",
    "score_function",
    "straight_through",
    "straight_through_gumbel_softmax",
    "variance_gradient",
]
