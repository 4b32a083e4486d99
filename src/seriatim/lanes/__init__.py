"""Lanes: natural code for one state, run on many at the speed of code written for many."""

from seriatim.lanes._folds import kept
from seriatim.lanes._interpret import lanes

__all__ = ["kept", "lanes"]
