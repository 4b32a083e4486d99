"""Policy improvement: all agents at once, or one after the other.

    joint:            mu'(x) = argmin_u Q(x, u)
    one at a time:    u_i    = argmin_v Q(x, (u_1, ..., u_{i-1}, v, mu_{i+1}(x), ..., mu_m(x))),  i = 1, ..., m

Q is computed with the cost-to-go of mu. Both improvements give Q(x, mu'(x)) <= Q(x, mu(x)) = J_mu(x) at every state, so
J_mu' <= J_mu. Joint improvement compares c**m controls at a state. One at a time compares m*c: this is exact
one-agent-at-a-time rollout.

Source: D. Bertsekas, Multiagent Reinforcement Learning: Rollout and Policy Iteration, IEEE/CAA Journal of Automatica
Sinica 8(2), 2021.
"""

from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from seriatim._errors import InputError
from seriatim.exact._checks import check_cost_to_go, team_order
from seriatim.exact._policies import policy_control
from seriatim.exact._rows import Source, backup, least
from seriatim.exact._sources import Problem, controls_of, joint_number, source
from seriatim.exact._termination import escape

Improvement = Literal["joint", "one-at-a-time"]

# Gains below this part of the largest cost are rounding. They count as ties, and ties keep the present control.
TIE = 1e-12


def improve(
    problem: Problem,
    policy: Any,
    cost_to_go: Any,
    *,
    improvement: Improvement = "joint",
    order: tuple[int, ...] | None = None,
) -> Int[np.ndarray, "s m"]:
    """Return an improved control for each state, `[s, m]`; ties keep the present one.

    Args:
        problem: a finite model, or `Tables`.
        policy: to improve: a policy, or an array of controls `[s, m]`.
        cost_to_go: the cost after the first stage, `[s]`. Improvement is guaranteed if it is the policy's own.
        improvement: "joint" or "one-at-a-time".
        order: the agents in their turn; by default 0, 1, ...

    Raises:
        InputError: an argument is out of range or of the wrong shape.
    """
    found = source(problem)
    control = policy_control(found, policy)
    return improved(
        found, control, check_cost_to_go(found, cost_to_go), improvement, team_order(order, found.num_agents)
    )


def improved(
    found: Source,
    control: Int[np.ndarray, "s m"],
    cost_to_go: Float[np.ndarray, " s"],
    improvement: Improvement,
    order: tuple[int, ...],
) -> Int[np.ndarray, "s m"]:
    """Improve a control that has been checked already."""
    if improvement == "one-at-a-time":
        for agent in order:
            # Each agent already sees the new controls of those before it.
            control, _ = one_turn(found, control, cost_to_go, agent)
        return control
    if improvement != "joint":
        raise InputError(f"improvement={improvement!r}: give 'joint' or 'one-at-a-time'.")
    q = backup(found.joint_rows(), cost_to_go)
    present = joint_number(control, found.num_controls)
    return controls_of(found, keep_ties(q, present))


def one_turn(
    found: Source, control: Int[np.ndarray, "s m"], cost_to_go: Float[np.ndarray, " s"], agent: int
) -> tuple[Int[np.ndarray, "s m"], Float[np.ndarray, " s"]]:
    """Let one agent improve its control at every state, the others as they are; also return the least Q-factors."""
    q = backup(found.rows(alternatives(found, control, agent)), cost_to_go)
    choice = keep_ties(q, control[:, agent])
    return with_control(control, agent, choice), q[np.arange(len(q)), choice]


def escaped(
    found: Source,
    control: Int[np.ndarray, "s m"],
    cost_to_go: Float[np.ndarray, " s"],
    improvement: Improvement,
    order: tuple[int, ...],
) -> Int[np.ndarray, "s m"]:
    """Leave a policy of discount 1 that no single stage improves (see `escape`); only the first agent that can does."""
    if found.discount < 1:
        return control
    if improvement == "joint":
        way = escape(found.joint_rows(), cost_to_go)
        return np.where(way.stuck[:, None], controls_of(found, way.choice), control)
    for agent in order:
        # The escape uses this agent's controls alone: the others keep theirs.
        way = escape(found.rows(alternatives(found, control, agent)), cost_to_go)
        if way.stuck.any():
            return with_control(control, agent, np.where(way.stuck, way.choice, control[:, agent]))
    return control


def alternatives(found: Source, control: Int[np.ndarray, "s m"], agent: int) -> Int[np.ndarray, "s c m"]:
    """List the joint controls at each state in which one agent takes each of its controls in turn."""
    each = np.repeat(control[:, None, :], found.num_controls, axis=1)
    each[:, :, agent] = np.arange(found.num_controls)
    return each


def with_control(control: Int[np.ndarray, "s m"], agent: int, choice: Int[np.ndarray, " s"]) -> Int[np.ndarray, "s m"]:
    """Return the team's control with one agent's replaced."""
    chosen = control.copy()
    chosen[:, agent] = choice
    return chosen


def keep_ties(q: Float[np.ndarray, "s n"], present: Int[np.ndarray, " s"]) -> Int[np.ndarray, " s"]:
    """Return the place of the least Q-factor of each state; the present place, unless another is less than its own."""
    now = q[np.arange(len(q)), present]
    smallest, place = least(q)
    # The difference must exceed rounding, or policy iteration could go in a circle among ties.
    return np.where(smallest + rounding(q) < now, place, present)


def rounding(costs: Float[np.ndarray, "..."]) -> float:
    """Return the difference below which costs of this size are equal."""
    return TIE * float(np.abs(costs[np.isfinite(costs)]).max(initial=0.0))


def falls(before: Float[np.ndarray, "..."], after: Float[np.ndarray, "..."]) -> bool:
    """Say whether the sum of a cost is less. A sequence whose sums fall never returns to an earlier cost."""
    (lost, total), (lost_after, total_after) = map(_infinite_and_sum, (before, after))
    # The number of infinite costs decides first, because sums with infinities cannot be compared.
    return lost_after < lost or (lost_after == lost and total_after < total)


def _infinite_and_sum(cost: Float[np.ndarray, "..."]) -> tuple[int, float]:
    infinite = np.isinf(cost)
    return int(infinite.sum()), float(cost[~infinite].sum())
