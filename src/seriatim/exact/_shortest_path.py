"""Stochastic shortest paths with rewards: discount 1, stage costs of both signs, policies that may never end.

The method is policy iteration from a policy that ends, or rests where nothing is paid. Each policy is evaluated exactly
and improves on the one before. So each policy ends or rests too, unless going round for ever is rewarded.

Theorem. Let a policy that ends exist at every state, and let every policy that does not end cost infinity. Then J* is
the only solution of J = T J, and policy iteration from a policy that ends finds it. Resting for nothing may be added:
J = T J is then the optimum if J <= 0 where one can rest (`_termination.escape` sees to it).

Proof that J = J_mu = T J is a lower bound: J <= T_pi^k J for every policy pi and all k. The costs of k stages of pi are
thus at least J - P_pi^k J, and the last term vanishes where pi ends and is at least 0 where pi rests. Going round for
ever costs at least 0 a stage on average, since p J <= p (g + P J) = p g + p J for its stationary distribution p. At
exactly 0 every row of it satisfies J = g + P J; where such rows pay and are paid in turn, the total has no limit, and
the problem is refused.

Sources: D. Bertsekas and J. Tsitsiklis, An Analysis of Stochastic Shortest Path Problems, Mathematics of Operations
Research 16(3), 1991; M. Guillot and G. Stauffer, The Stochastic Shortest Path Problem: A Polyhedral Combinatorics
Perspective, European Journal of Operational Research 285(1), 2020 (rests, and ways round that cost nothing).
"""

import math
import time
from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from seriatim._errors import InputError
from seriatim.exact._evaluation import chain_cost
from seriatim.exact._improvement import falls, keep_ties, rounding
from seriatim.exact._rows import Rows, as_sparse, backup, chain
from seriatim.exact._sweeps import Swept
from seriatim.exact._termination import Refuge, escape, fate, in_end_components, refuge


def shortest_path(rows: Rows, max_iterations: int, latest: float = math.inf) -> Swept:
    """Solve J = T J exactly but for rounding; infinite where no policy is sure to end or to rest.

    After the time `latest` on the monotonic clock no further policy is evaluated, except the first.

    Raises:
        InputError: going round for ever costs less than nothing, or pays and is paid in turn.
    """
    known = refuge(rows)
    stop = rows.costs.shape[1]
    # The first policy is sure to end or to rest. Where no policy is sure to, it takes the control that stops.
    swept = _iterated(_with_stop(rows, known), np.where(known.finite, known.choice, stop), max_iterations, latest)
    return swept._replace(
        cost_to_go=np.where(known.finite, swept.cost_to_go, np.inf),
        choice=np.where(known.finite, swept.choice, known.choice),
    )


def _with_stop(rows: Rows, known: Refuge) -> Rows:
    """Forbid controls that may lead to states from which no policy ends; add a control by which those states stop.

    Stopping costs nothing. The cost of those states is infinite, unless staying for ever is rewarded. In that case the
    iteration meets a policy that recurs for ever at negative cost, and refuses the problem.
    """
    s, n = rows.costs.shape
    lost = ~known.finite
    leads_there = (rows.transitions @ lost.astype(float) > 0).reshape(s, n)
    # Lost states keep their own controls, so that a reward for staying there is still found.
    costs = np.where(leads_there & known.finite[:, None], np.inf, rows.costs)
    matrix = as_sparse(rows.transitions)
    counts = np.diff(matrix.indptr).reshape(s, n)
    # The added rows have no entries, so the new matrix has the same entries and only other ends of rows.
    ends = np.concatenate([[0], np.cumsum(np.hstack([counts, np.zeros((s, 1), int)]))])
    wider = sparse.csr_array((matrix.data, matrix.indices, ends), shape=(len(ends) - 1, s))
    return Rows(np.hstack([costs, np.where(lost, 0.0, np.inf)[:, None]]), wider, rows.discount)


def _iterated(rows: Rows, choice: Int[np.ndarray, " s"], limit: int, latest: float) -> Swept:
    """Iterate policies from one of finite cost."""
    cost, iteration, found = chain_cost(chain(rows, choice)), 0, True
    while found and iteration < limit and time.monotonic() <= latest:
        iteration += 1
        found = False
        for better in _better(rows, choice, cost):
            after = cost if (better == choice).all() else chain_cost(chain(rows, better))
            # Sums are compared, so that rounding cannot let the iteration go in a circle.
            if falls(cost, after):
                choice, cost, found = better, after, True
                break
    # The last step still improved the policy: the limit or the time ended the loop, and nothing bounds the error.
    if found:
        return Swept(cost, choice, iteration, np.inf, False)
    # The check needs the optimum, because only there it is known which controls are tight.
    _check_rounds(rows, cost)
    return Swept(cost, choice, iteration, _rounding(chain(rows, choice), cost), True)


def _better(
    rows: Rows, choice: Int[np.ndarray, " s"], cost: Float[np.ndarray, " s"]
) -> Iterator[Int[np.ndarray, " s"]]:
    """Yield policies that may be better: first one stage improved, then rests in place of ends that cost something."""
    yield keep_ties(backup(rows, cost), choice)
    way = escape(rows, cost)
    yield np.where(way.stuck, way.choice, choice)


def _rounding(policy: Rows, cost: Float[np.ndarray, " s"]) -> float:
    """Return the most that ties that were kept can cost over all the stages to come."""
    # With a cost of 1 a stage, the policy's cost is the number of stages until it ends or rests.
    moving = ~fate(policy).free
    stages = chain_cost(policy._replace(costs=moving[:, None].astype(float)))
    return rounding(cost) * max(1.0, float(stages.max()))


def _check_rounds(rows: Rows, cost: Float[np.ndarray, " s"]) -> None:
    """Refuse ways round that pay and are paid in turn, and cost nothing on average."""
    q = backup(rows, cost)
    # Controls that are optimal but for rounding: only these can go round at no loss.
    tight: Bool[np.ndarray, "s n"] = np.isfinite(rows.costs) & (q - cost[:, None] <= rounding(q))
    odd = np.argwhere(in_end_components(rows, tight) & (rows.costs != 0))
    if odd.size:
        x, u = odd[0]
        raise InputError(
            f"State {x} can be returned to for ever at a mean cost of zero a stage, paying and being paid in "
            f"turn (stage cost {rows.costs[x, u]:g} there), so with discount 1 its total cost has no limit; give a "
            "discount below 1, or a number of stages (finite_horizon)."
        )
