"""Lanes: natural code for one state, run on many at the speed of code written for many."""

from seriatim.lanes._folds import kept
from seriatim.lanes._interpret import lanes
from seriatim.lanes._side_by_side import side_by_side
from seriatim.lanes._spacing import spaced

__all__ = ["kept", "lanes", "side_by_side", "spaced"]
