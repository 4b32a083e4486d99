"""Termination without discount: from which states a policy surely ends, rests without cost, or may pay for ever.

A policy is a Markov chain. With discount 1 its cost is finite at a state exactly if, from there, the chain surely ends
or settles where nothing is paid: every closed class of states that it may reach and that never ends must be free of
cost. In a class with costs of both signs, the mean cost of a stage decides: above zero the cost is infinite, otherwise
it is not defined. For all policies together the same questions are answered on the graph of transitions, whatever the
probabilities.

Sources: D. Bertsekas and J. Tsitsiklis, An Analysis of Stochastic Shortest Path Problems, Mathematics of Operations
Research 16(3), 1991; C. Baier and J.-P. Katoen, Principles of Model Checking, MIT Press, 2008, section 10.6 (almost
sure reachability).
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse
from scipy.sparse import csgraph, linalg

from seriatim._errors import InputError
from seriatim.exact._rows import Rows, as_sparse, leaks

# A mean cost of a stage below this share of the largest one is rounding: nothing is paid on average.
MEAN_ROUNDING = 1e-12


class Fate(NamedTuple):
    """The fate of a chain from each state: it surely ends or gets `free`, or may pay for ever."""

    free: Bool[np.ndarray, " s"]
    infinite: Bool[np.ndarray, " s"]


def fate(chain: Rows) -> Fate:
    """Classify the states of a policy's chain (one control a state) at discount 1.

    Raises:
        InputError: states recur for ever at a mean cost of zero or below, some of them at negative cost, so that the
            cost-to-go is no number above -infinity.
    """
    graph = as_sparse(chain.transitions)
    cost = chain.costs[:, 0]
    count, label = csgraph.connected_components(graph, directed=True, connection="strong")
    ends = np.zeros(count, bool)
    origin, to = graph.nonzero()
    # A class is not closed if a transition leads out of it, or if a row in it may end.
    ends[label[origin[label[origin] != label[to]]]] = True
    ends[label[leaks(chain)[:, 0]]] = True
    recurrent = ~ends[label]
    costly = np.zeros(count, bool)
    # A closed class is visited for ever, so one positive cost in it is paid for ever.
    costly[label[recurrent & (cost > 0)]] = True
    # In a class with negative costs the mean cost of a stage decides. A mean of zero or below is refused.
    for paid in np.unique(label[recurrent & (cost < 0)]):
        _require_costly(graph, cost, label == paid)
    return Fate(free=recurrent & ~costly[label], infinite=_reaching(graph, costly[label]))


def _require_costly(graph: sparse.csr_array, cost: Float[np.ndarray, " s"], recurring: Bool[np.ndarray, " s"]) -> None:
    """Refuse a closed class, some of whose costs are negative, unless its stages cost more than nothing on average."""
    states = np.flatnonzero(recurring)
    mean = float(_stationary(graph[states][:, states]) @ cost[states])
    if mean > MEAN_ROUNDING * np.abs(cost[states]).max():
        return
    worst = states[cost[states].argmin()]
    total = "has no limit" if mean > -MEAN_ROUNDING * np.abs(cost[states]).max() else "is minus infinity"
    raise InputError(
        f"State {worst} recurs for ever under a policy at stage cost {cost[worst]:g} and discount 1, where a stage "
        f"costs {mean:.3g} on average, so that its cost-to-go {total}; give a discount below 1, a number of stages "
        "(finite_horizon), or let the problem end there."
    )


def _stationary(chain: sparse.csr_array) -> Float[np.ndarray, " s"]:
    """Return the share of stages that an irreducible chain spends in each state: p = p P, sum p = 1."""
    n = chain.shape[0]
    if n == 1:
        return np.ones(1)
    system = sparse.lil_array(sparse.eye_array(n) - chain.T)
    # One of the n equations follows from the others; sum p = 1 takes its place.
    system[n - 1] = np.ones(n)
    share: Float[np.ndarray, " s"] = linalg.spsolve(sparse.csc_array(system), np.eye(n)[n - 1])
    return share


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
    """The states where some policy has finite cost, its joint control, and the states where nothing need be paid."""

    finite: Bool[np.ndarray, " s"]
    free: Bool[np.ndarray, " s"]
    choice: Int[np.ndarray, " s"]


def refuge(rows: Rows) -> Refuge:
    """Find, at discount 1, the states from which some policy surely ends, or reaches states where it can stay for free.

    Their optimal cost is finite, unless some policy is rewarded for ever. `choice` is such a policy: it stays in the
    free states, and elsewhere moves one step closer to an end with positive probability, never leaving the set of
    finite states. Its cost is finite there, though seldom least.
    """
    usable = np.isfinite(rows.costs)
    free, choice = _where_one_can_stay(rows, usable & (rows.costs == 0))
    may_end = usable & leaks(rows)
    # The set begins with all states. It shrinks to the largest set in which a policy can end without leaving it.
    finite = np.ones(len(free), bool)
    while True:
        staying = usable & ~_touches(rows, ~finite)
        closer, steps = _attracted(rows, free, staying, may_end, choice)
        if (closer == finite).all():
            return Refuge(finite, free, np.where(finite, steps, usable.argmax(axis=1)))
        finite = closer


class Escape(NamedTuple):
    """The states at which to leave a policy that no single stage can improve, and the controls that leave it."""

    stuck: Bool[np.ndarray, " s"]
    choice: Int[np.ndarray, " s"]


def escape(rows: Rows, cost_to_go: Float[np.ndarray, " s"]) -> Escape:
    """Find the states where a policy of this cost pays for ever, or pays at all, though another policy need not.

    With discount 1 a cost-to-go can satisfy J = TJ without being the least: an infinite one, because a single stage
    that may lead back to infinity does not lower it, and one that pays to end where staying is free. Taking `choice` at
    all `stuck` states at once makes the cost finite there, or zero, and raises it nowhere: it leads to an end, to free
    states or to states of finite cost, which never lead back. Afterwards every policy that never ends pays for ever,
    and policy improvement ends at the optimum (Bertsekas and Tsitsiklis, 1991).

    With negative costs this holds too, unless going round for ever costs less than nothing. The resulting policy then
    has no defined cost, and its evaluation says so.

    With a discount below 1 nothing is stuck.
    """
    nobody = np.zeros(len(cost_to_go), bool)
    if rows.discount < 1:
        return Escape(nobody, nobody.astype(int))
    known = refuge(rows)
    stuck = known.finite & (np.isinf(cost_to_go) | (known.free & (cost_to_go > 0)))
    return Escape(stuck, known.choice)


def in_end_components(rows: Rows, usable: Bool[np.ndarray, "s n"]) -> Bool[np.ndarray, "s n"]:
    """Say which usable rows belong to end components: sets of states that a policy can stay in and pass through."""
    matrix = as_sparse(rows.transitions)
    s, n = rows.costs.shape
    # The row of each stored entry.
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    inside = (usable & ~leaks(rows)).ravel()
    while True:
        kept = inside[row]
        entries = matrix.data[kept], (row[kept] // n, matrix.indices[kept])
        graph: Any = sparse.coo_array(entries, shape=(s, s))
        _, label = csgraph.connected_components(graph, directed=True, connection="strong")
        leaving = np.zeros(len(inside), bool)
        # A control that leads to another component cannot be used for ever. Components may fall apart without it, so
        # they are computed again.
        leaving[row[label[row // n] != label[matrix.indices]]] = True
        if not (inside & leaving).any():
            found: Bool[np.ndarray, "s n"] = inside.reshape(usable.shape)
            return found
        inside &= ~leaving


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
        # Only new states get a control, and it leads to states reached before, so each control is a step closer.
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
