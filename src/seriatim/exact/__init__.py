"""Exact dynamic programming for finite models: the yardstick of everything approximate."""

from seriatim.exact._agent_by_agent import agent_by_agent
from seriatim.exact._checks import NotConverged
from seriatim.exact._evaluation import cost_to_go
from seriatim.exact._finite_horizon import finite_horizon, finite_horizon_cost
from seriatim.exact._improvement import improve
from seriatim.exact._policy_iteration import multiagent_value_iteration, policy_iteration
from seriatim.exact._solution import Solution, TableValue
from seriatim.exact._tables import Tables
from seriatim.exact._tabulate import bellman, tabulate
from seriatim.exact._value_iteration import modified_policy_iteration, value_iteration

__all__ = [
    "NotConverged",
    "Solution",
    "TableValue",
    "Tables",
    "agent_by_agent",
    "bellman",
    "cost_to_go",
    "finite_horizon",
    "finite_horizon_cost",
    "improve",
    "modified_policy_iteration",
    "multiagent_value_iteration",
    "policy_iteration",
    "tabulate",
    "value_iteration",
]
