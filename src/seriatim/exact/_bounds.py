"""Bounds on the distance of an iterate from the optimum, from one application of the Bellman operator.

Let xi >= 1 satisfy xi >= 1 + a max_u P_u xi: an upper bound on the discounted number of stages still to come. With
d = TJ - J, lo = min(d, 0) and hi = max(d, 0) over all states,

    TJ + lo (xi - 1)  <=  J*  <=  J_mu  <=  TJ + hi (xi - 1),      mu greedy for J.

Proof of the left half: let J' = J + lo xi. Then TJ' >= TJ + lo a max_u P_u xi >= TJ + lo (xi - 1) >= J + lo xi = J',
because lo <= 0 and TJ >= J + lo. T is monotone, so J' <= TJ' <= T^2 J' <= ... -> J*, and TJ' is the bound. The right
half is the same for T_mu, with signs reversed.

Where discount < 1 and no row can end the problem, xi = 1/(1-a) satisfies the condition with equality. Then the signs of
lo and hi do not matter and `min d`, `max d` themselves may be used: the bounds of MacQueen (1966) and Odoni (1969),
whose distance is the span of d times a/(1-a). It falls at the rate of the second eigenvalue, often far below a. Where
rows can end the problem, that shift would be wrong; the clipped one above is right.

With discount 1 and every policy sure to end, xi is found by value iteration on the number of stages.

Sources: M. Puterman, Markov Decision Processes, Wiley, 1994, section 6.6; E. Porteus, Bounds and Transformations for
Discounted Finite Markov Decision Chains, Operations Research 23(4), 1975 (rows that end).
"""

import math
import time
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

from seriatim.exact._rows import FULL, Rows, backup

Stages: TypeAlias = float | Float[np.ndarray, " s"]

# The number of stages is over-estimated by at most 1/(1 - SLACK): a tenth, at a tenth of the work of exactness.
SLACK = 0.1
# Rounding of one backup, in units of the largest cost-to-go times the machine's precision.
ROUNDING = 8


class Horizon(NamedTuple):
    """The bound `xi` on the stages to come, and whether it holds with equality for every row."""

    stages: Stages
    equal: bool


class Bounds(NamedTuple):
    """Bounds on J* and J_mu, `TJ + lower` and `TJ + upper`; `gap` is their distance, `rounding` the error of sums."""

    lower: Stages
    upper: Stages
    gap: float
    rounding: float


def horizon(rows: Rows, max_iterations: int, latest: float = math.inf) -> Horizon:
    """Bound the stages to come under every policy.

    With discount 1 every policy must be sure to end. The bound is infinite if this is not seen within `max_iterations`
    sweeps and before the time `latest` on the monotonic clock.
    """
    usable = np.isfinite(rows.costs)
    if rows.discount < 1:
        total = rows.transitions @ np.ones(len(rows.costs))
        # The bound is exact for a row that cannot end the problem.
        full = bool(((total >= 1 - FULL) | ~usable.ravel()).all())
        return Horizon(1 / (1 - rows.discount), full)
    # Every stage counts 1, and the longest way is sought. Forbidden controls count -inf, so that none is ever taken.
    counting = Rows(np.where(usable, 1.0, -np.inf), rows.transitions, 1.0)
    stages = np.ones(len(rows.costs))
    for _ in range(max_iterations):
        after = backup(counting, stages).max(axis=1)
        left = float((after - stages).max())
        # after <= stages + left, so stages / (1 - left) satisfies the condition on xi.
        if left <= SLACK:
            return Horizon(stages / (1 - left), False)
        if time.monotonic() > latest:
            break
        stages = after
    return Horizon(np.inf, False)


def bounds(reach: Horizon, cost_to_go: Float[np.ndarray, " s"], after: Float[np.ndarray, " s"]) -> Bounds:
    """Bound J* and the cost of the greedy policy, given J and TJ."""
    difference = after - cost_to_go
    low, high = float(difference.min()), float(difference.max())
    # With equality the bounds hold whatever the signs, and the unclipped ones are closer.
    if not reach.equal:
        low, high = min(low, 0.0), max(high, 0.0)
    longest = float(np.max(reach.stages))
    precision = ROUNDING * float(np.finfo(np.float64).eps)
    # The rounding of one backup adds up over the stages to come.
    rounding = precision * float(np.abs(after).max()) * longest
    if not np.isfinite(longest):
        return Bounds(0.0, 0.0, np.inf, 0.0)
    rest = reach.stages - 1
    return Bounds(low * rest, high * rest, (high - low) * (longest - 1), rounding)
