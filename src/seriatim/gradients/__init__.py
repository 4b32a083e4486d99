"""Gradients of expected values over discrete choices, behind one interface, and the exact gradient to judge them."""

from typing import TYPE_CHECKING

from seriatim._moved import moved_names
from seriatim.gradients._compare import compare_estimators
from seriatim.gradients._control_variate import neural_control_variate, variance_gradient
from seriatim.gradients._estimator import Estimator, from_surrogate
from seriatim.gradients._list import ESTIMATORS, estimator
from seriatim.gradients._score_function import MovingBaseline

__all__ = [
    "ESTIMATORS",
    "Estimator",
    "MovingBaseline",
    "compare_estimators",
    "estimator",
    "from_surrogate",
    "neural_control_variate",
    "variance_gradient",
]

if not TYPE_CHECKING:  # a type checker would take every name for one that is there
    __getattr__ = moved_names(__name__)
