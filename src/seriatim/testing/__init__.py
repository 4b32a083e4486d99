"""Checks of the laws of your models, filters and policies, reported in sentences, and a count of compilations."""

from seriatim.testing._check_filter import check_filter
from seriatim.testing._check_model import check_model
from seriatim.testing._check_policy import check_policy
from seriatim.testing._compilations import count_compilations

__all__ = ["check_filter", "check_model", "check_policy", "count_compilations"]
