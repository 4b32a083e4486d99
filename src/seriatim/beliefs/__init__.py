"""Partial observation: beliefs, filters, planning over beliefs, and exact solutions to judge it by."""

from seriatim.beliefs._agent_filter import AgentFilter, TeamFilter
from seriatim.beliefs._alpha_vectors import AlphaPolicy, AlphaValue, AlphaVectors
from seriatim.beliefs._belief_model import BeliefDisturbance, BeliefModel
from seriatim.beliefs._blind import blind_policies
from seriatim.beliefs._bounds import Bounds, bounds
from seriatim.beliefs._certainty_equivalent import CertaintyEquivalent
from seriatim.beliefs._exact_filter import ExactFilter
from seriatim.beliefs._factored_filter import FactoredBelief, FactoredFilter, FactoredModel
from seriatim.beliefs._filter import Belief, Filter
from seriatim.beliefs._finite_horizon import (
    CentralisedBounds,
    centralised_bounds,
    centralised_value,
    decentralised_value,
)
from seriatim.beliefs._hidden import HiddenModel, HiddenState, on_belief
from seriatim.beliefs._information import Information, InformationModel
from seriatim.beliefs._informed import fast_informed_bound, qmdp
from seriatim.beliefs._observe import observe
from seriatim.beliefs._own_filter import OwnFilter
from seriatim.beliefs._own_plans import OwnPlans
from seriatim.beliefs._particle_filter import ParticleBelief, ParticleFilter
from seriatim.beliefs._sawtooth import SawtoothValue
from seriatim.beliefs._tree_search import TreeSearch
from seriatim.beliefs._value_iteration import value_iteration

__all__ = [
    "AgentFilter",
    "AlphaPolicy",
    "AlphaValue",
    "AlphaVectors",
    "Belief",
    "BeliefDisturbance",
    "BeliefModel",
    "Bounds",
    "CentralisedBounds",
    "CertaintyEquivalent",
    "ExactFilter",
    "FactoredBelief",
    "FactoredFilter",
    "FactoredModel",
    "Filter",
    "HiddenModel",
    "HiddenState",
    "Information",
    "InformationModel",
    "OwnFilter",
    "OwnPlans",
    "ParticleBelief",
    "ParticleFilter",
    "SawtoothValue",
    "TeamFilter",
    "TreeSearch",
    "blind_policies",
    "bounds",
    "centralised_bounds",
    "centralised_value",
    "decentralised_value",
    "fast_informed_bound",
    "observe",
    "on_belief",
    "qmdp",
    "value_iteration",
]
