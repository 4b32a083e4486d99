"""Partial observation: beliefs, filters, planning over beliefs, and exact solutions to judge it by."""

from typing import TYPE_CHECKING

from seriatim._moved import moved_names
from seriatim.beliefs._belief_model import BeliefModel
from seriatim.beliefs._exact_filter import ExactFilter
from seriatim.beliefs._factored_filter import FactoredBelief, FactoredFilter, FactoredModel
from seriatim.beliefs._filter import Filter
from seriatim.beliefs._hidden import CertaintyEquivalent, HiddenModel, HiddenState, on_belief
from seriatim.beliefs._observe import observe
from seriatim.beliefs._particle_filter import ParticleFilter
from seriatim.beliefs.decentralised._agent_filter import AgentFilter, ExactAgentFilter
from seriatim.beliefs.decentralised._finite_team import centralised_bounds, centralised_value, decentralised_value
from seriatim.beliefs.decentralised._independent_planning import IndependentPlanning
from seriatim.beliefs.decentralised._information import InformationModel
from seriatim.beliefs.decentralised._per_agent_filter import PerAgentFilter
from seriatim.beliefs.solvers._blind import blind_policies
from seriatim.beliefs.solvers._bounds import bounds
from seriatim.beliefs.solvers._incremental_pruning import incremental_pruning
from seriatim.beliefs.solvers._informed import fast_informed_bound, qmdp
from seriatim.beliefs.solvers._tree_search import TreeSearch

__all__ = [
    "AgentFilter",
    "BeliefModel",
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
    "InformationModel",
    "ParticleFilter",
    "PerAgentFilter",
    "TreeSearch",
    "blind_policies",
    "bounds",
    "centralised_bounds",
    "centralised_value",
    "decentralised_value",
    "fast_informed_bound",
    "incremental_pruning",
    "observe",
    "on_belief",
    "qmdp",
]

if not TYPE_CHECKING:  # a type checker would take every name for one that is there
    __getattr__ = moved_names(__name__)
