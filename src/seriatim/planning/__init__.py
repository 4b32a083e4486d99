"""Planners: a base policy in, a better policy out, by simulating what follows each candidate control."""

from seriatim.planning._many import decide_many
from seriatim.planning._one_at_a_time import OneAtATimeRollout
from seriatim.planning._proposals import Proposal
from seriatim.planning._q_factors import q_samples
from seriatim.planning._signalling import SignallingRollout
from seriatim.planning._simulation import Simulation
from seriatim.planning._standard import StandardRollout

__all__ = [
    "OneAtATimeRollout",
    "Proposal",
    "SignallingRollout",
    "Simulation",
    "StandardRollout",
    "decide_many",
    "q_samples",
]
