"""Lanes: natural code for one state, run on many at the speed of code written for many."""

from typing import TYPE_CHECKING

from seriatim._moved import moved_names
from seriatim.lanes._folds import materialise
from seriatim.lanes._interpret import lanes
from seriatim.lanes._map_lanes import map_lanes, padded_lane_count

__all__ = ["lanes", "map_lanes", "materialise", "padded_lane_count"]

if not TYPE_CHECKING:  # a type checker would take every name for one that is there
    __getattr__ = moved_names(__name__)
