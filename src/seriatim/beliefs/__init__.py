"""Partial observation: beliefs, filters, planning over beliefs, and exact solutions to judge it by."""

from seriatim.beliefs._belief_model import BeliefDisturbance, BeliefModel
from seriatim.beliefs._certainty_equivalent import CertaintyEquivalent
from seriatim.beliefs._exact_filter import ExactFilter
from seriatim.beliefs._factored_filter import FactoredBelief, FactoredFilter, FactoredModel
from seriatim.beliefs._filter import Belief, Filter
from seriatim.beliefs._hidden import HiddenModel, HiddenState, on_belief
from seriatim.beliefs._observe import observe
from seriatim.beliefs._particle_filter import ParticleBelief, ParticleFilter
from seriatim.beliefs.decentralised._agent_filter import AgentFilter, ExactAgentFilter
from seriatim.beliefs.decentralised._finite_team import (
    CentralisedBounds,
    centralised_bounds,
    centralised_value,
    decentralised_value,
)
from seriatim.beliefs.decentralised._independent_planning import IndependentPlanning
from seriatim.beliefs.decentralised._information import Information, InformationModel
from seriatim.beliefs.decentralised._per_agent_filter import PerAgentFilter
from seriatim.beliefs.solvers._alpha_vectors import AlphaPolicy, AlphaValue, AlphaVectors
from seriatim.beliefs.solvers._blind import blind_policies
from seriatim.beliefs.solvers._bounds import Bounds, bounds
from seriatim.beliefs.solvers._informed import fast_informed_bound, qmdp
from seriatim.beliefs.solvers._sawtooth import SawtoothValue
from seriatim.beliefs.solvers._tree_search import TreeSearch
from seriatim.beliefs.solvers._value_iteration import value_iteration

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
    "ExactAgentFilter",
    "ExactFilter",
    "FactoredBelief",
    "FactoredFilter",
    "FactoredModel",
    "Filter",
    "HiddenModel",
    "HiddenState",
    "IndependentPlanning",
    "Information",
    "InformationModel",
    "ParticleBelief",
    "ParticleFilter",
    "PerAgentFilter",
    "SawtoothValue",
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
