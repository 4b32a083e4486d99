"""Policies and values made of networks: the agents' inputs, their memories, and their choices."""

from typing import TYPE_CHECKING

from seriatim._errors import require_extra

if not TYPE_CHECKING:  # what is missing is named before an import below fails
    require_extra("seriatim.networks", "equinox")

# isort: split
from seriatim.networks._classifier import Featured, policy_classifier, value_network
from seriatim.networks._decentralised import decentralised_policy, network_policy
from seriatim.networks._feasible_fallback import FeasibleFallback
from seriatim.networks._partition import clusters, partitioned
from seriatim.networks._with_memory import IgnoreMemory, WithMemory

__all__ = [
    "FeasibleFallback",
    "Featured",
    "IgnoreMemory",
    "WithMemory",
    "clusters",
    "decentralised_policy",
    "network_policy",
    "partitioned",
    "policy_classifier",
    "value_network",
]
