"""Which policies end: what a total cost without discount depends on.

A policy is a Markov chain. With discount 1 its cost is finite at a state exactly if, from there, the chain surely ends
or settles where nothing is paid: every closed class of states that it may reach and that never ends must be free of
cost. For all policies together the same questions are answered on the graph of transitions, whatever the probabilities.

Sources: D. Bertsekas and J. Tsitsiklis, An Analysis of Stochastic Shortest Path Problems, Mathematics of Operations
Research 16(3), 1991; C. Baier and J.-P. Katoen, Principles of Model Checking, MIT Press, 2008, section 10.6 (almost
sure reachability).
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse
from scipy.sparse import csgraph

from seriatim._errors import InputError
from seriatim.exact._rows import Rows, as_sparse, leaks


class Fate(NamedTuple):
    """What becomes of a chain from each state: it surely ends or gets `free`, or may pay for ever."""

    free: Bool[np.ndarray, " s"]
    infinite: Bool[np.ndarray, " s"]


def fate(chain: Rows) -> Fate:
    """Classify the states of a policy's chain (one control a state) at discount 1.

    Raises:
        InputError: a state recurs for ever at negative cost, so that the cost-to-go is no number above -infinity.
    """
    graph = as_sparse(chain.transitions)
    cost = chain.costs[:, 0]
    count, label = csgraph.connected_components(graph, directed=True, connection="strong")
    ends = np.zeros(count, bool)
    origin, to = graph.nonzero()
    ends[label[origin[label[origin] != label[to]]]] = True
    ends[label[leaks(chain)[:, 0]]] = True
    recurrent = ~ends[label]
    negative = np.flatnonzero(recurrent & (cost < 0))
    if negative.size:
        raise InputError(
            f"State {negative[0]} recurs for ever under the policy at stage cost {cost[negative[0]]:g} and discount 1, "
            "so its cost-to-go is not defined; give a discount below 1, or let the problem end there."
        )
    costly = np.zeros(count, bool)
    costly[label[recurrent & (cost > 0)]] = True
    return Fate(free=recurrent & ~costly[label], infinite=_reaching(graph, costly[label]))


def _reaching(graph: sparse.csr_array, targets: Bool[np.ndarray, " s"]) -> Bool[np.ndarray, " s"]:
    """Say from which states a path leads to a target: search backwards from one node that stands for all targets."""
    s = len(targets)
    to_targets = sparse.csr_array(targets[None].astype(float))
    backwards: Any = sparse.block_array([[None, to_targets], [sparse.csr_array((s, 1)), graph.T]], format="csr")
    found = csgraph.breadth_first_order(backwards, 0, directed=True, return_predecessors=False)
    reached = np.zeros(s + 1, bool)
    reached[found] = True
    return reached[1:]


def may_go_on(rows: Rows) -> Bool[np.ndarray, " s"]:
    """Say from which states some policy never ends: the largest set in which one can stay without leaking."""
    return _where_one_can_stay(rows, np.isfinite(rows.costs) & ~leaks(rows))[0]


class Refuge(NamedTuple):
    """Where some policy has finite cost, a joint control that leads there, and where nothing need be paid at all."""

    finite: Bool[np.ndarray, " s"]
    free: Bool[np.ndarray, " s"]
    choice: Int[np.ndarray, " s"]


def refuge(rows: Rows) -> Refuge:
    """Find, for costs that are not negative at discount 1, the states whose optimal cost is finite.

    From them a policy surely ends, or gets to a place where it can stay without paying. `choice` is such a policy: it
    stays in the free place, and elsewhere moves one step closer to an end with positive probability, never leaving the
    set of finite states. Its cost is finite there, though seldom least.
    """
    usable = np.isfinite(rows.costs)
    free, choice = _where_one_can_stay(rows, usable & (rows.costs == 0))
    may_end = usable & leaks(rows)
    finite = np.ones(len(free), bool)
    while True:
        staying = usable & ~_touches(rows, ~finite)
        closer, steps = _attracted(rows, free, staying, may_end, choice)
        if (closer == finite).all():
            return Refuge(finite, free, np.where(finite, steps, usable.argmax(axis=1)))
        finite = closer


class Escape(NamedTuple):
    """Where one should leave a policy that no single stage can improve, and how."""

    stuck: Bool[np.ndarray, " s"]
    choice: Int[np.ndarray, " s"]


def escape(rows: Rows, cost_to_go: Float[np.ndarray, " s"]) -> Escape:
    """Find where a policy of this cost pays for ever and need not, or pays anything and need not.

    With discount 1 a cost-to-go can satisfy J = TJ without being the least: an infinite one, because a single stage
    that may lead back to infinity does not lower it, and one that pays to end where staying is free. Taking `choice` at
    all `stuck` states at once makes the cost finite there, or zero, and raises it nowhere: it leads to an end, to free
    states or to states of finite cost, which never lead back. Afterwards every policy that never ends pays for ever,
    and policy improvement ends at the optimum (Bertsekas and Tsitsiklis, 1991).

    With a discount below 1 nothing is stuck. Nor is anything reported where costs may be negative.
    """
    nobody = np.zeros(len(cost_to_go), bool)
    if rows.discount < 1 or (rows.costs < 0).any():
        return Escape(nobody, nobody.astype(int))
    known = refuge(rows)
    stuck = known.finite & (np.isinf(cost_to_go) | (known.free & (cost_to_go > 0)))
    return Escape(stuck, known.choice)


def _where_one_can_stay(
    rows: Rows, usable: Bool[np.ndarray, "s n"]
) -> tuple[Bool[np.ndarray, " s"], Int[np.ndarray, " s"]]:
    """Return the largest set of states with a usable control that cannot leave the set, and that control."""
    inside = np.asarray(usable.any(axis=1))
    while True:
        staying = usable & ~_touches(rows, ~inside)
        if (staying.any(axis=1) == inside).all():
            return inside, staying.argmax(axis=1)
        inside = np.asarray(staying.any(axis=1))


def _attracted(
    rows: Rows,
    targets: Bool[np.ndarray, " s"],
    staying: Bool[np.ndarray, "s n"],
    may_end: Bool[np.ndarray, "s n"],
    choice: Int[np.ndarray, " s"],
) -> tuple[Bool[np.ndarray, " s"], Int[np.ndarray, " s"]]:
    """Return the states from which staying controls may reach an end or a target, and the control for the next step."""
    reached = targets.copy()
    choice = choice.copy()
    while True:
        closer = staying & (may_end | _touches(rows, reached))
        new = closer.any(axis=1) & ~reached
        if not new.any():
            return reached, choice
        choice[new] = closer[new].argmax(axis=1)
        reached |= new


def _touches(rows: Rows, states: Bool[np.ndarray, " s"]) -> Bool[np.ndarray, "s n"]:
    """Say which joint controls lead into `states` with positive probability."""
    if not states.any():
        return np.zeros(rows.costs.shape, bool)
    chance = rows.transitions @ states.astype(float)
    positive: Bool[np.ndarray, "s n"] = (chance > 0).reshape(rows.costs.shape)
    return positive
