"""Policy iteration, joint and one agent at a time, and multiagent value iteration.

Policy iteration evaluates a policy exactly and improves it, until nothing changes. Costs fall or stay at every state.
If all agents are improved at once, the last policy is optimal. If one agent is improved at a time, the last policy is
*agent-by-agent optimal*: no agent can improve on its own. Such a policy need not be optimal.

Multiagent value iteration replaces the evaluation by a sweep for each agent in turn:

    J <- min over u_i of Q(x, (mu_1, ..., u_i, ..., mu_m)),     mu_i <- the minimiser,    i = 1, ..., m, 1, ...

From J = J_mu (or any J >= T_mu J) the costs fall in a chain, J_0 >= J_1 >= ..., each bounded below by the cost of the
policy at hand.

Source: D. Bertsekas, Multiagent Value Iteration Algorithms in Dynamic Programming and Reinforcement Learning, Results
in Control and Optimization 1, 2020; Multiagent Reinforcement Learning: Rollout and Policy Iteration, IEEE/CAA JAS 8(2),
2021.
"""

import time
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from seriatim import _optional
from seriatim._errors import InputError
from seriatim.exact._bounds import bounds, horizon
from seriatim.exact._checks import check_iterations, check_limits, latest_of, team_order, warn_not_converged
from seriatim.exact._evaluation import chain_cost, policy_chain
from seriatim.exact._improvement import Improvement, escaped, falls, improved, one_turn
from seriatim.exact._policies import policy_control
from seriatim.exact._rows import Source
from seriatim.exact._solution import Solution
from seriatim.exact._sources import Problem, controls_of, source
from seriatim.exact._termination import may_go_on, refuge


def policy_iteration(
    problem: Problem,
    *,
    improvement: Improvement = "joint",
    initial: Any = None,
    max_iterations: int = 10_000,
    order: tuple[int, ...] | None = None,
    max_seconds: float | int | None = None,
) -> Solution:
    """Evaluate and improve until no agent, or no team, can do better.

    `history[k]` is the cost of the k-th policy, non-increasing in k at every state. With "joint" the last is optimal,
    with "one-at-a-time" agent-by-agent optimal, both up to rounding; see `agent_by_agent` for how far that is from
    optimal. "one-at-a-time" evaluates m*c joint controls a state and never all c**m.

    Every policy is evaluated by a direct sparse solution, slow and large where thousands of states lead to states all
    over; `modified_policy_iteration` only sweeps.

    With discount 1 the first policy may have infinite cost. Where stage costs may be negative, going round for ever
    must cost more than zero on average; the problem is refused if a policy is met for which it does not.

    Args:
        problem: a finite model, or `Tables`.
        improvement: "joint" or "one-at-a-time".
        initial: where to start: a policy or an array of controls `[s, m]`. By default the model's base policy, or a
            policy of finite cost.
        max_iterations: improvements after which it warns (`NotConverged`) and stops.
        order: the agents in their turn; by default 0, 1, ...
        max_seconds: seconds after which it warns and stops too; None is no limit. A step that is under way, such as
            the solution of a linear system, is finished.

    Raises:
        InputError: the problem is not finite, or an argument is out of range.
    """
    check_iterations(max_iterations)
    latest = latest_of(max_seconds)
    found = source(problem, latest)
    order = team_order(order, found.num_agents)
    control = _first(found, problem, initial)
    history = [chain_cost(policy_chain(found, control))]
    converged = False
    for _ in range(max_iterations):
        if time.monotonic() > latest:
            break
        better, cost = _next(found, control, history[-1], improvement, order)
        converged = not falls(history[-1], cost)
        if converged:
            break
        control = better
        history.append(cost)
    if not converged:
        over = time.monotonic() > latest
        reached = "the time was over" if over else "the last policy can still be improved"
        warn_not_converged("policy_iteration", len(history) - 1 if over else max_iterations, reached)
    error = 0.0 if converged else np.inf
    return Solution(history[-1], control, np.stack(history), len(history) - 1, error, converged, problem)


def _next(
    found: Source,
    control: Int[np.ndarray, "s m"],
    cost: Float[np.ndarray, " s"],
    improvement: Improvement,
    order: tuple[int, ...],
) -> tuple[Int[np.ndarray, "s m"], Float[np.ndarray, " s"]]:
    """Return the next policy and its cost: an improved one or, where no single stage improves it, an escape from it."""
    for step in (improved, escaped):
        better = step(found, control, cost, improvement, order)
        # A policy that did not change need not be evaluated again.
        after = cost if (better == control).all() else chain_cost(policy_chain(found, better))
        if falls(cost, after):
            return better, after
    return control, cost


def multiagent_value_iteration(
    problem: Problem,
    *,
    initial: Any = None,
    tolerance: float = 1e-6,
    max_iterations: int = 100_000,
    order: tuple[int, ...] | None = None,
) -> Solution:
    """Sweep for one agent after the other, with the cost-to-go refreshed between agents.

    `history[k]` is the cost-to-go after k sweeps, one a turn, non-increasing in k at every state. On return the control
    is one that no agent changed in its last turn, and `cost_to_go` is within `tolerance / 2` of that control's cost.

    Args:
        problem: a finite model, or `Tables`.
        initial: where to start, as in `policy_iteration`.
        tolerance: in cost units.
        max_iterations: sweeps after which it warns (`NotConverged`) and stops.
        order: the agents in their turn; by default 0, 1, ...

    Raises:
        InputError: the problem is not finite, an argument is out of range, or the initial policy's cost is infinite.
    """
    check_limits(tolerance, max_iterations)
    found = source(problem)
    order = team_order(order, found.num_agents)
    control = _first(found, problem, initial)
    cost = chain_cost(policy_chain(found, control))
    if not np.isfinite(cost).all():
        raise InputError(
            f"The initial policy's cost is infinite at state {np.argmax(~np.isfinite(cost))}; start from a policy that "
            "ends, or give a discount below 1."
        )
    return _swept_in_turn(found, problem, control, cost, tolerance, max_iterations, order)


def _swept_in_turn(
    found: Source,
    problem: Problem,
    control: Int[np.ndarray, "s m"],
    cost: Float[np.ndarray, " s"],
    tolerance: float,
    max_iterations: int,
    order: tuple[int, ...],
) -> Solution:
    history, unchanged, error = [cost], 0, np.inf
    for sweep in range(max_iterations):
        chosen, after = one_turn(found, control, history[-1], order[sweep % len(order)])
        unchanged = unchanged + 1 if (chosen == control).all() else 0
        # A tied control that is kept may cost more by rounding. The minimum lets the costs fall nevertheless.
        after = np.minimum(after, history[-1])
        control = chosen
        history.append(after)
        if unchanged >= len(order):
            chain = policy_chain(found, control)
            # The bound is computed only when no agent changes, since it takes sweeps of its own.
            limits = bounds(horizon(chain, max_iterations), history[-2], after)
            error = (limits.gap + limits.rounding) / 2
            if 2 * error <= tolerance:
                final = after + (np.asarray(limits.lower) + limits.upper) / 2
                return Solution(final, control, np.stack(history), sweep + 1, error, True, problem)
    warn_not_converged("multiagent_value_iteration", max_iterations, "the last sweep still changed the cost-to-go")
    return Solution(history[-1], control, np.stack(history), max_iterations, error, False, problem)


def _first(found: Source, problem: Any, initial: Any) -> Int[np.ndarray, "s m"]:
    """Return the control to start from: the user's, the base policy's, or one of finite cost where there is one."""
    if initial is not None:
        return policy_control(found, initial)
    heuristic = _optional.base_policy(problem)
    if heuristic is not None:
        return policy_control(found, heuristic())
    rows = found.joint_rows()
    # If every policy is sure to end, any admissible one has a finite cost and can be the first.
    sure_to_end = rows.discount < 1 or ((rows.costs < 0).any() and not may_go_on(rows).any())
    choice = np.isfinite(rows.costs).argmax(axis=1) if sure_to_end else refuge(rows).choice
    return controls_of(found, choice)
