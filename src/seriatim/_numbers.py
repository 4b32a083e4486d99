"""Whole numbers, asked of users who may have no type checker."""

from numbers import Integral
from typing import Any


def is_whole(value: Any, least: int) -> bool:
    """Say whether a value is a whole number, NumPy's included, from `least` up; True and False are none."""
    return not isinstance(value, bool) and isinstance(value, Integral) and int(value) >= least
