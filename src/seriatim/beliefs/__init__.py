"""Partial observation: beliefs, filters, and planning over beliefs."""

from seriatim.beliefs._belief_model import BeliefDisturbance, BeliefModel
from seriatim.beliefs._exact_filter import ExactFilter
from seriatim.beliefs._filter import Belief, Filter, observe
from seriatim.beliefs._hidden import HiddenModel, HiddenState, on_belief
from seriatim.beliefs._particle_filter import ParticleBelief, ParticleFilter

__all__ = [
    "Belief",
    "BeliefDisturbance",
    "BeliefModel",
    "ExactFilter",
    "Filter",
    "HiddenModel",
    "HiddenState",
    "ParticleBelief",
    "ParticleFilter",
    "observe",
    "on_belief",
]
