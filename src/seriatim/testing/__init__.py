"""Public laws: what every model and policy must satisfy, checked on yours and reported in sentences."""

from seriatim.testing._check_model import check_model
from seriatim.testing._check_policy import check_policy
from seriatim.testing._report import Finding, Report

__all__ = ["Finding", "Report", "check_model", "check_policy"]
