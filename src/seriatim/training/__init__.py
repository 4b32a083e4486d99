"""Policies that are trained: networks that see what one agent sees, and the descent of their expected cost."""

from seriatim.training._decentralised import DecentralisedPolicy, decentralised_policy, network_policy
from seriatim.training._network import AgentNetwork
from seriatim.training._policy_gradient import TRAJECTORY_ESTIMATORS, PolicyGradient, PolicyGradientState
from seriatim.training._remembering import Remembered, Remembering, Unremembering

__all__ = [
    "TRAJECTORY_ESTIMATORS",
    "AgentNetwork",
    "DecentralisedPolicy",
    "PolicyGradient",
    "PolicyGradientState",
    "Remembered",
    "Remembering",
    "Unremembering",
    "decentralised_policy",
    "network_policy",
]
