"""The test for agent-by-agent optimality, and the distance from the optimum.

A policy is agent-by-agent optimal (person-by-person optimal in team theory, a Nash equilibrium of agents with one cost)
if no agent can lower the cost by changing its own control at any state, the others as they are. Policy iteration one
agent at a time ends there.

Source: D. Bertsekas, Multiagent Reinforcement Learning: Rollout and Policy Iteration, IEEE/CAA JAS 8(2), 2021.
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Int

from seriatim._record import record
from seriatim.exact._evaluation import chain_cost, policy_chain
from seriatim.exact._improvement import alternatives, rounding
from seriatim.exact._policies import policy_control
from seriatim.exact._rows import Source, backup, least
from seriatim.exact._solution import Solution
from seriatim.exact._sources import Problem, source
from seriatim.exact._termination import escape
from seriatim.exact._value_iteration import modified_policy_iteration


@record
class AgentByAgent:
    """The test of a policy for agent-by-agent optimality, and its distance from the optimum. Print it to read it.

    Attributes:
        control: of the policy, `[s, m]`.
        cost_to_go: of the policy, `[s]`.
        optimal: J*, `[s]`.
        gain: the most that one agent alone can gain, `[s]`: by another control at one stage or, with discount 1, by
            controls that end an infinite cost or stay where nothing is paid.
        tolerance: differences up to this count as none; in cost units.
    """

    control: Int[np.ndarray, "s m"]
    cost_to_go: Float[np.ndarray, " s"]
    optimal: Float[np.ndarray, " s"]
    gain: Float[np.ndarray, " s"]
    tolerance: float

    @property
    def is_agent_by_agent_optimal(self) -> bool:
        """Whether no agent can gain alone."""
        return bool((self.gain <= self.tolerance).all())

    @property
    def gap(self) -> Float[np.ndarray, " s"]:
        """The cost above the optimum, `[s]`."""
        equal = self.cost_to_go == self.optimal  # inf - inf is nan, and here no gap
        return np.where(equal, 0.0, self.cost_to_go - np.where(equal, 0.0, self.optimal))

    @property
    def is_optimal(self) -> bool:
        """Whether the cost is the least there is."""
        return bool((self.gap <= self.tolerance).all())

    def __str__(self) -> str:
        if self.is_optimal:
            return "The policy is optimal, and so agent-by-agent optimal."
        worst = int(np.argmax(self.gap))
        share = np.mean(self.gap > self.tolerance)
        costs = f"it costs {self.cost_to_go[worst]:.6g} where {self.optimal[worst]:.6g} is the least"
        place = f"At state {worst} {costs}; it is above the optimum at {share:.0%} of the states."
        if self.is_agent_by_agent_optimal:
            return f"The policy is agent-by-agent optimal, but not optimal: no agent can gain alone. {place}"
        gainer = int(np.argmax(self.gain))
        return (
            f"The policy is not agent-by-agent optimal: at state {gainer} one agent alone can gain "
            f"{self.gain[gainer]:.6g}. {place}"
        )


def agent_by_agent(problem: Problem, policy: Any, *, tolerance: float = 1e-6) -> AgentByAgent:
    """Examine a policy: every deviation of every single agent at every state, and the joint optimum.

    Args:
        problem: a finite model, or `Tables`.
        policy: a policy, an array of controls `[s, m]`, or a `Solution`.
        tolerance: differences up to this count as none; in cost units.

    Raises:
        InputError: the problem is not finite or has too many joint controls, or the policy is not admissible.
    """
    found = source(problem)
    control = policy_control(found, policy.control if isinstance(policy, Solution) else policy)
    cost = chain_cost(policy_chain(found, control))
    gain = np.max([_gain_alone(found, control, cost, agent) for agent in range(found.num_agents)], axis=0)
    # Well within the tolerance, so that the optimum's own error does not decide.
    optimal = modified_policy_iteration(problem, tolerance=tolerance / 4).cost_to_go
    return AgentByAgent(control, cost, optimal, np.maximum(gain - rounding(cost), 0.0), tolerance)


def _gain_alone(
    found: Source, control: Int[np.ndarray, "s m"], cost: Float[np.ndarray, " s"], agent: int
) -> Float[np.ndarray, " s"]:
    """Return the most that one agent gains at each state, in one stage or, at discount 1, by an escape."""
    rows = found.rows(alternatives(found, control, agent))
    best, _ = least(backup(rows, cost))
    # Where every control of this agent leaves the cost infinite, it gains nothing; inf - inf would be nan.
    in_vain = np.isinf(best)
    gain = np.where(in_vain, 0.0, cost - np.where(in_vain, 0.0, best))
    return np.where(escape(rows, cost).stuck, cost, gain)
