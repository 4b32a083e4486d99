"""Policies and values made of networks: the agents' inputs, their memories, and their choices."""

from seriatim._extra import require_extra

require_extra("seriatim.networks", "equinox")

# isort: split
from seriatim.networks._classifier import NetworkValue, TeamNetwork, policy_classifier, value_network
from seriatim.networks._decentralised import DecentralisedPolicy, decentralised_policy, network_policy
from seriatim.networks._feasible_fallback import FeasibleFallback
from seriatim.networks._features import Featured
from seriatim.networks._network import AgentNetwork
from seriatim.networks._partition import NearestCentre, PartitionedPolicy, PartitionedValue, clusters, partitioned
from seriatim.networks._with_memory import IgnoreMemory, Remembered, WithMemory

__all__ = [
    "AgentNetwork",
    "DecentralisedPolicy",
    "FeasibleFallback",
    "Featured",
    "IgnoreMemory",
    "NearestCentre",
    "NetworkValue",
    "PartitionedPolicy",
    "PartitionedValue",
    "Remembered",
    "TeamNetwork",
    "WithMemory",
    "clusters",
    "decentralised_policy",
    "network_policy",
    "partitioned",
    "policy_classifier",
    "value_network",
]
