"""QMDP and the fast informed bound: lower bounds on the optimal cost-to-go of beliefs, by teams that know more.

QMDP lets the team see the state from the next stage on; the fast informed bound lets it see the state it came from, one
stage late:

    Q(x, u) = g(x, u) + a sum_x' P(x'|x, u) min_v Q(x', v)                                        (QMDP)
    Q(x, u) = g(x, u) + a sum_o min_v sum_x' P(x'|x, u) P(o|x', u) Q(x', v)                       (fast informed)

Theorem. min_u sum_x b(x) Q(x, u) is a lower bound on the optimal cost-to-go at every belief b, and the fast informed
bound is never below QMDP. As policies both are heuristics: neither values looking for its own sake beyond the next
stage.

Sources: M. Littman, A. Cassandra and L. Kaelbling, Learning Policies for Partially Observable Environments: Scaling Up,
ICML 1995; M. Hauskrecht, Value-Function Approximations for Partially Observable Markov Decision Processes, Journal of
Artificial Intelligence Research 13, 2000.
"""

import time
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from seriatim._arguments import require_real, require_whole
from seriatim._errors import InputError
from seriatim.beliefs._tables import likelihood_table, motion_rows
from seriatim.beliefs.solvers._alpha_vectors import AlphaVectors
from seriatim.controls import joint_controls

MAX_SWEEPS = 100_000
# Stages of a problem with a last one: each takes a sweep.
MOST_STAGES = 1_000_000
# Numbers that one block of the fast informed bound may hold, and that all blocks may keep from sweep to sweep.
BLOCK, KEPT = 2**22, 2**26
# Columns of Q that a block reckons with, and those after which no more are pruned.
WIDEST, MOST_KEPT = 4096, 256

Q: TypeAlias = Float[np.ndarray, "s a"]
# A right-hand side; None if the time was over before it was computed.
Sweep: TypeAlias = Callable[[Q], Q | None]


def qmdp(model: Any, *, horizon: int | None = None, tolerance: float = 1e-6) -> AlphaVectors:
    """Return the Q-factors of the problem whose state can be seen, as alpha vectors: one for each joint control.

    Args:
        model: a finite observed model; its observations need not be listed.
        horizon: stages to go; by default the problem has no last stage.
        tolerance: without a horizon, sweeps stop when they change less than this, in cost units; from below, so that
            the bound holds whenever stage costs are at least 0 or the discount is below 1.

    Raises:
        InputError: the model is not finite, an argument is out of range, or sweeps do not converge (discount 1 and
            policies that never end).
    """
    _check(horizon, tolerance)
    costs, transitions = motion_rows(model)
    discount = float(model.discount)
    q = swept("qmdp", qmdp_sweep(costs, transitions, discount), from_below(costs, discount), horizon, tolerance)
    return as_vectors(model, q)


def fast_informed_bound(model: Any, *, horizon: int | None = None, tolerance: float = 1e-6) -> AlphaVectors:
    """Return the Q-factors of the fast informed bound, as alpha vectors: one for each joint control.

    Args:
        model: a finite observed model with `observations()`.
        horizon: stages to go; by default the problem has no last stage.
        tolerance: as in `qmdp`.

    Raises:
        InputError: as `qmdp`, or the model does not list its observations.
    """
    _check(horizon, tolerance)
    costs, transitions = motion_rows(model)
    discount = float(model.discount)
    sweep = informed_sweep(costs, transitions, likelihood_table(model, transitions), discount)
    q = swept("fast_informed_bound", sweep, from_below(costs, discount), horizon, tolerance)
    return as_vectors(model, q)


def _check(horizon: int | None, tolerance: float) -> None:
    if horizon is not None:
        require_stages(horizon, " of stages, or None for no last stage")
    require_real("tolerance", tolerance, "a positive number, in the units of the stage cost", above=0)


def require_stages(horizon: Any, advice: str = " of stages") -> None:
    """Refuse a number of stages that sweeps cannot come to the end of.

    Raises:
        InputError: it is no whole number from 1 to `MOST_STAGES`.
    """
    require_whole("horizon", horizon, 1, MOST_STAGES, advice=advice)


def qmdp_sweep(costs: Q, transitions: sparse.csr_array, discount: float) -> Callable[[Q], Q]:
    """Make the right-hand side of QMDP."""

    def sweep(q: Q) -> Q:
        after: Q = costs + discount * (transitions @ q.min(axis=1)).reshape(costs.shape)
        return after

    return sweep


def informed_sweep(
    costs: Q,
    transitions: sparse.csr_array,
    likelihood: Float[np.ndarray, "a s o"],
    discount: float,
    latest: float = np.inf,
) -> Sweep:
    """Make the right-hand side of the fast informed bound, by blocks of rows.

    Work and memory grow with the transitions of positive probability, times the observations possible after each.
    """
    (num_rows, _), a, count = transitions.shape, costs.shape[1], likelihood.shape[2]
    # A row of a block needs room for its next states and, in the product, for the columns of Q.
    widest = max(transitions.nnz // num_rows, min(a, WIDEST), 1)
    size = max(1, BLOCK // (count * widest))
    spans = [(first, min(first + size, num_rows)) for first in range(0, num_rows, size)]

    keep = transitions.nnz * count <= KEPT
    kept: dict[int, sparse.csr_array] = {}

    def block(first: int, last: int) -> sparse.csr_array:
        if first in kept:
            return kept[first]
        made = _seen_next(transitions[first:last], np.arange(first, last), likelihood, a)
        # Blocks are the same in every sweep, but are kept only if all of them fit.
        if keep:
            kept[first] = made
        return made

    def sweep(q: Q) -> Q | None:
        # The minimum over controls is the same without columns that others undercut, and the product is smaller.
        best, parts = q[:, undominated_columns(q)], []
        for span in spans:
            if time.monotonic() > latest:
                return None
            worth = _expected(block(*span), best)
            # The control is chosen after the observation: least within each, then summed over them.
            parts.append(worth.min(axis=1).reshape(-1, count).sum(axis=1))
        after: Q = costs + discount * np.concatenate(parts).reshape(costs.shape)
        return after

    return sweep


def _seen_next(
    rows: sparse.csr_array, numbers: Int[np.ndarray, " n"], likelihood: Float[np.ndarray, "a s o"], a: int
) -> sparse.csr_array:
    """Return P(x'|x, u) P(o|x', u) as a matrix: a row for each (x, u) and observation, in this order."""
    row = np.repeat(np.arange(len(numbers)), np.diff(rows.indptr))
    # Rows are numbered x * a + u.
    joint = rows.data[:, None] * likelihood[numbers[row] % a, rows.indices]
    entry, seen = np.nonzero(joint)
    count = likelihood.shape[2]
    places = row[entry] * count + seen, rows.indices[entry]
    return sparse.csr_array(sparse.coo_array((joint[entry, seen], places), (len(numbers) * count, rows.shape[1])))


def _expected(matrix: sparse.csr_array, values: Float[np.ndarray, "s n"]) -> Float[np.ndarray, "rows n"]:
    """Return the product, in which 0 times infinity is 0."""
    infinite = np.isinf(values)
    if not infinite.any():
        return np.asarray(matrix @ values)
    worth = matrix @ np.where(infinite, 0.0, values)
    return np.where(matrix @ infinite.astype(float) > 0, np.inf, worth)


def undominated_columns(q: Q) -> Int[np.ndarray, " kept"]:
    """Return the columns that minima may need: those that no other column undercuts or equals at every state."""
    # By sums: a column comes after all that undercut it. For infinity stands a number whose sums stay finite.
    rest = np.argsort(np.where(np.isfinite(q), q, np.finfo(np.float64).max / q.size).sum(axis=0), kind="stable")
    kept: list[Any] = []
    while rest.size and len(kept) < MOST_KEPT:
        kept.append(rest[0])
        rest = rest[1:][(q[:, rest[1:]] < q[:, rest[:1]]).any(axis=0)]
    # Columns beyond the limit were not compared, and are all kept.
    return np.sort(np.concatenate([kept, rest])).astype(int)


def from_below(costs: Q, discount: float) -> Q:
    """Return a first Q that is too low everywhere: the least stage cost for ever. With discount 1, zero."""
    least = float(np.min(costs))
    first = least / (1 - discount) if discount < 1 else 0.0
    return np.where(np.isfinite(costs), first, np.inf)


def swept(name: str, sweep: Sweep, first: Q, horizon: int | None, tolerance: float, latest: float = np.inf) -> Q:
    """Repeat a sweep: as many times as there are stages or, from below, until nothing changes or the time is over."""
    # With a last stage nothing is paid after it; without one, the sweeps rise from below.
    q = first if horizon is None else np.where(np.isfinite(first), 0.0, np.inf)
    for _ in range(horizon or MAX_SWEEPS):
        after = sweep(q)
        if after is None or time.monotonic() > latest:
            # From below every iterate is a bound, so an early end only makes it weaker.
            return q if after is None else after
        before, q = q, after
        known = np.isfinite(q)
        if horizon is None and np.abs(q[known] - before[known]).max() <= tolerance:
            return q
    if horizon is None:
        raise InputError(
            f"{name} did not converge in {MAX_SWEEPS:,} sweeps; give a discount below 1, a horizon, or let every "
            "policy end the problem."
        )
    return q


def as_vectors(model: Any, q: Q) -> AlphaVectors:
    """Return Q-factors as alpha vectors, without controls that may nowhere be chosen."""
    usable = np.isfinite(q).any(axis=0)
    controls = joint_controls(model.num_agents, model.num_controls)
    return AlphaVectors(model, np.ascontiguousarray(q.T[usable]), controls[usable])
