"""Sweeps over all states until the bounds meet: the engine of value iteration and of modified policy iteration.

    J <- T J, then J <- T_mu J a number of times, mu greedy.       (zero times: value iteration)

A full sweep touches all s*a rows, an evaluation sweep only the policy's s. Evaluation goes on until the distance of the
policy's own bounds is a small part of the distance after the last full sweep.

The iteration converges from every start, because T and T_mu are monotone contractions in a (weighted) maximum norm:
D. Bertsekas, Abstract Dynamic Programming, Athena Scientific, 2nd ed. 2018, section 2.5.1. Only the bounds of `_bounds`
end it.
"""

import math
import time
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from seriatim.exact._bounds import Bounds, Horizon, bounds, horizon
from seriatim.exact._rows import Rows, backup, chain, least

# Evaluation sweeps stop when their own bounds are this part of the gap of the last full sweep, or this many are done.
EVALUATED = 0.001
MOST_EVALUATIONS = 200


class Swept(NamedTuple):
    """The last iterate, its greedy choice and how far both may be from optimal."""

    cost_to_go: Float[np.ndarray, " s"]
    choice: Int[np.ndarray, " s"]
    iterations: int
    error_bound: float
    converged: bool


def sweep(
    rows: Rows, *, tolerance: float, max_iterations: int, evaluations: int | None = 0, latest: float = math.inf
) -> Swept:
    """Iterate until the optimum is known to within `tolerance`.

    On return, |cost_to_go - J*| <= error_bound / 2 and J_mu - J* <= error_bound at every state. It is converged if
    `error_bound <= tolerance`.

    Args:
        rows: of all joint controls that may be chosen; with one at each state, a policy is evaluated.
        tolerance: in cost units.
        max_iterations: full sweeps.
        evaluations: sweeps of the greedy policy after each full one; None lets their progress decide.
        latest: the time on the monotonic clock after which no further sweep is begun; one is always made.
    """
    reach = horizon(rows, max_iterations, latest)
    cost_to_go = np.zeros(len(rows.costs))
    for iteration in range(1, max_iterations + 1):
        after, choice = least(backup(rows, cost_to_go))
        limits = bounds(reach, cost_to_go, after)
        # Once the gap is below the rounding of the sums, no further sweep makes progress.
        finished = limits.gap + limits.rounding <= tolerance or limits.gap <= limits.rounding
        if finished or iteration == max_iterations or time.monotonic() > latest:
            break
        cost_to_go = after
        if evaluations != 0:
            cost_to_go = _evaluated(chain(rows, choice), after, limits, reach, tolerance, evaluations, latest)
    error = limits.gap + limits.rounding
    return Swept(
        # The middle of the bounds has the least distance to the farthest value that J* can have.
        cost_to_go=after + (np.asarray(limits.lower) + limits.upper) / 2,
        choice=choice,
        iterations=iteration,
        error_bound=error,
        converged=error <= tolerance,
    )


def _evaluated(
    policy: Rows,
    cost_to_go: Float[np.ndarray, " s"],
    limits: Bounds,
    reach: Horizon,
    tolerance: float,
    evaluations: int | None,
    latest: float,
) -> Float[np.ndarray, " s"]:
    """Apply T_mu the given number of times or until its bounds are close, but not beyond the time."""
    enough = max(EVALUATED * limits.gap, tolerance / 2)
    for _ in range(MOST_EVALUATIONS if evaluations is None else evaluations):
        after = backup(policy, cost_to_go)[:, 0]
        gap = bounds(reach, cost_to_go, after).gap if evaluations is None else np.inf
        cost_to_go = after
        if gap <= enough or time.monotonic() > latest:
            break
    return cost_to_go
