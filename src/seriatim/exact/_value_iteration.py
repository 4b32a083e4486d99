"""Value iteration and modified policy iteration: the optimum by sweeps, to a stated tolerance.

With discount 1 and stage costs that are not negative, value iteration from J = 0 rises to J*. Some policies may never
end. Where every policy pays for ever, J* is infinite; where a policy can stay without paying, J* is zero. Both sets of
states are found on the graph of transitions beforehand. At the other states an iterate is a lower bound, and the greedy
policy's cost an upper bound. With negative stage costs too, each sweep is followed by the exact cost of its greedy
policy (`_shortest_path`).

Sources: M. Puterman, Markov Decision Processes, Wiley, 1994, sections 6.3, 6.5 and 6.6; M. Puterman and M. Shin,
Modified Policy Iteration Algorithms for Discounted Markov Decision Problems, Management Science 24(11), 1978.
"""

import time

import numpy as np
from jaxtyping import Float, Int

from seriatim._arguments import require_whole
from seriatim.exact._checks import check_limits, latest_of, warn_not_converged
from seriatim.exact._evaluation import chain_cost, within
from seriatim.exact._rows import Rows, backup, chain, least
from seriatim.exact._shortest_path import shortest_path
from seriatim.exact._solution import Solution
from seriatim.exact._sources import Problem, controls_of, source
from seriatim.exact._sweeps import Swept, sweep
from seriatim.exact._termination import may_go_on, refuge

# Value iteration from below evaluates its greedy policy after so many sweeps, then after twice as many, and so on.
FIRST_EVALUATION = 16


def value_iteration(
    problem: Problem,
    *,
    tolerance: float = 1e-6,
    max_iterations: int = 1_000_000,
    max_seconds: float | int | None = None,
) -> Solution:
    """Solve J = T J by repeating J <- T J.

    It stops when bounds on J* meet (from the span of TJ - J, where that is sound), and returns their middle.

    Args:
        problem: a finite model, or `Tables`.
        tolerance: on return `|cost_to_go - J*| <= tolerance / 2`, and `control` costs at most `tolerance` more than J*,
            at every state; in cost units.
        max_iterations: sweeps after which it warns (`NotConverged`) and stops.
        max_seconds: seconds after which it warns and returns the result so far, whose `Solution.error_bound` holds;
            None is no limit. A step that is under way, such as a sweep or the solution of a linear system, is finished.

    Raises:
        InputError: the problem is not finite, has too many joint controls, or no optimum (discount 1, and going round
            for ever costs nothing or less on average, some of it at negative cost).
    """
    return _solved("value_iteration", problem, tolerance, max_iterations, 0, latest_of(max_seconds))


def modified_policy_iteration(
    problem: Problem,
    *,
    tolerance: float = 1e-6,
    max_iterations: int = 1_000_000,
    evaluations: int | None = None,
    max_seconds: float | int | None = None,
) -> Solution:
    """Solve J = T J by full sweeps, each followed by sweeps of the greedy policy alone.

    A full sweep costs `c**m` times what one of a policy costs, so most of the work is done on the policy. The result,
    its tolerance and its errors are those of `value_iteration`.

    Args:
        problem: a finite model, or `Tables`.
        tolerance: as in `value_iteration`.
        max_iterations: full sweeps.
        evaluations: sweeps of the greedy policy after each full one; None lets their progress decide.
        max_seconds: as in `value_iteration`.
    """
    if evaluations is not None:
        require_whole("evaluations", evaluations, 0, advice=", or None")
    return _solved("modified_policy_iteration", problem, tolerance, max_iterations, evaluations, latest_of(max_seconds))


def _solved(
    method: str, problem: Problem, tolerance: float, max_iterations: int, evaluations: int | None, latest: float
) -> Solution:
    check_limits(tolerance, max_iterations)
    found = source(problem, latest)
    swept = _optimum(found.joint_rows(), tolerance, max_iterations, evaluations, latest)
    if not swept.converged:
        reached = f"the cost-to-go is within {swept.error_bound / 2:.3g} of the optimum, not within {tolerance / 2:g}"
        warn_not_converged(method, swept.iterations, reached)
    return Solution(
        cost_to_go=swept.cost_to_go,
        control=controls_of(found, swept.choice),
        history=np.zeros((0, found.num_states)),
        iterations=swept.iterations,
        error_bound=swept.error_bound / 2,
        converged=swept.converged,
        problem=problem,
    )


def _optimum(rows: Rows, tolerance: float, max_iterations: int, evaluations: int | None, latest: float) -> Swept:
    # Every policy ends or is discounted, so sweeps contract and their span bounds the error.
    if rows.discount < 1 or not may_go_on(rows).any():
        return sweep(rows, tolerance=tolerance, max_iterations=max_iterations, evaluations=evaluations, latest=latest)
    # With costs of both signs, iterates from zero need neither rise nor fall, so they bound nothing.
    if np.nanmin(np.where(np.isfinite(rows.costs), rows.costs, np.nan)) < 0:
        return shortest_path(rows, max_iterations, latest)
    return _around_refuge(rows, tolerance, max_iterations, evaluations, latest)


def _around_refuge(rows: Rows, tolerance: float, max_iterations: int, evaluations: int | None, latest: float) -> Swept:
    """Solve at the states whose optimum is finite and above zero; elsewhere it is known to be infinite or zero."""
    known = refuge(rows)
    inside = known.finite & ~known.free
    cost = np.where(known.finite, 0.0, np.inf)
    if not inside.any():
        return Swept(cost, known.choice, 0, 0.0, True)
    # A control that may lead to states of infinite cost has an infinite Q-factor itself.
    lost = (rows.transitions @ (~known.finite).astype(float) > 0).reshape(rows.costs.shape)
    # A step out of these states leads to a free state, from where nothing more is paid. So it ends the problem.
    part = within(rows._replace(costs=np.where(lost, np.inf, rows.costs)), inside)
    if may_go_on(part).any():
        swept = _from_below(part, known.choice[inside], tolerance, max_iterations, latest)
    else:
        swept = sweep(part, tolerance=tolerance, max_iterations=max_iterations, evaluations=evaluations, latest=latest)
    cost[inside] = swept.cost_to_go
    choice = known.choice.copy()
    choice[inside] = swept.choice
    return swept._replace(cost_to_go=cost, choice=choice)


def _from_below(
    rows: Rows, proper: Int[np.ndarray, " s"], tolerance: float, max_iterations: int, latest: float
) -> Swept:
    """Sweep from zero; the best policy met, evaluated exactly, bounds J* from above."""
    lower = np.zeros(len(rows.costs))
    best, upper = proper, chain_cost(chain(rows, proper))
    due = FIRST_EVALUATION
    for iteration in range(1, max_iterations + 1):
        after, greedy = least(backup(rows, lower))
        still, lower = bool((after == lower).all()), after
        # The exact cost of a policy takes a linear system, many times the work of a sweep, so it is computed seldom.
        if iteration in (due, max_iterations) or still:
            due *= 2
            best, upper = _better(rows, best, upper, greedy)
            if float((upper - lower).max()) <= tolerance:
                break
        if time.monotonic() > latest:
            break
    error = float((upper - lower).max())
    return Swept((upper + lower) / 2, best, iteration, error, error <= tolerance)


def _better(
    rows: Rows, best: Int[np.ndarray, " s"], upper: Float[np.ndarray, " s"], greedy: Int[np.ndarray, " s"]
) -> tuple[Int[np.ndarray, " s"], Float[np.ndarray, " s"]]:
    """Take the greedy policy if the sum of its costs is less; with an infinite cost it never is."""
    cost = chain_cost(chain(rows, greedy))
    return (greedy, cost) if cost.sum() < upper.sum() else (best, upper)
