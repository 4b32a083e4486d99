"""Planners: they make a better policy of a base policy, by simulating the future after each joint control."""

from typing import TYPE_CHECKING

from seriatim._moved import moved_names
from seriatim.planning._anytime import Anytime
from seriatim.planning._candidates import Proposal, Sampled
from seriatim.planning._contest import Halving, Uniform
from seriatim.planning._many import decide_many
from seriatim.planning._one_at_a_time import OneAtATimeRollout
from seriatim.planning._schedule import BestFirst, InTurn, Speculative
from seriatim.planning._signalling import SignallingRollout
from seriatim.planning._standard import StandardRollout

__all__ = [
    "Anytime",
    "BestFirst",
    "Halving",
    "InTurn",
    "OneAtATimeRollout",
    "Proposal",
    "Sampled",
    "SignallingRollout",
    "Speculative",
    "StandardRollout",
    "Uniform",
    "decide_many",
]

if not TYPE_CHECKING:  # a type checker would take every name for one that is there
    __getattr__ = moved_names(__name__)
