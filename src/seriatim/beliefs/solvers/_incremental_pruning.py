"""Exact dynamic programming over beliefs, for a number of stages: incremental pruning.

The cost-to-go of t stages is the least of finitely many linear functions. From those of t - 1 stages, for each joint
control u and observation o,

    alpha_{u,o}(x) = a sum_x' P(x'|x, u) P(o|x', u) alpha(x'),

and a plan takes one of them for each observation: alpha_u = g(., u) + sum_o alpha_{u,o}. The sums are formed one
observation at a time, and pruned each time, so that few of the many combinations are ever made.

Theorem. The result is the optimal cost-to-go at every belief, but for rounding and, if asked for, `tolerance`.

Pruning leaves out the vectors that are nowhere the least. A vector v is needed if some belief b has b.v < b.w for all
others w. Whether there is one is a linear program:

    maximise d   subject to   b.(w - v) >= d for all w kept,   b >= 0,   sum b = 1.

Vectors that another one undercuts at every state are found without; the rest is Lark's filter: whenever a belief is
found where v is needed, the vector that is least there joins those kept.

Sources: A. Cassandra, M. Littman and N. Zhang, Incremental Pruning: A Simple, Fast, Exact Method for Partially
Observable Markov Decision Processes, UAI 1997; C. White, A Survey of Solution Techniques for the Partially Observed
Markov Decision Process, Annals of Operations Research 32, 1991.
"""

import functools
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linprog

from seriatim._arguments import require_real
from seriatim._errors import InputError
from seriatim.beliefs._tables import ObservedTables, observed_tables
from seriatim.beliefs.solvers._alpha_vectors import AlphaVectors
from seriatim.beliefs.solvers._informed import require_stages

# Vectors whose combinations would be more than this are refused: the sets grow too fast for this problem.
MAX_COMBINATIONS = 1_000_000


def incremental_pruning(model: Any, *, horizon: int, tolerance: float = 0.0) -> tuple[AlphaVectors, ...]:
    """Return the optimal cost-to-go of 1, 2, ..., `horizon` stages; nothing is paid after the last.

    Args:
        model: a finite observed model with `observations()`; a joint control must be admissible everywhere or nowhere.
        horizon: stages.
        tolerance: the most that all pruning may add to the cost-to-go, in cost units; 0 is exact but for rounding.

    Returns:
        One set of vectors a stage: the last is the cost-to-go of all `horizon` stages, and its policy the first
        control; with t stages to go, entry t - 1 tells the control.

    Raises:
        InputError: the model is not finite or observed, an argument is out of range, or the sets of vectors grow too
            large.
    """
    require_stages(horizon)
    require_real("tolerance", tolerance, "a number from 0 up, in cost units", least=0)
    tables = usable(observed_tables(model), type(model).__name__)
    each = _share(tables, horizon, tolerance)
    vectors, found = np.zeros((1, tables.costs.shape[0])), []
    for _ in range(horizon):
        vectors, choice = _stage(tables, vectors, each)
        found.append(AlphaVectors(model, vectors, tables.controls[choice]))
    return tuple(found)


def usable(tables: ObservedTables, name: str) -> ObservedTables:
    """Leave out joint controls that are nowhere admissible; refuse those that are in some states only."""
    finite = np.isfinite(tables.costs)
    odd = np.flatnonzero(finite.any(axis=0) & ~finite.all(axis=0))
    if odd.size:
        u, x = odd[0], int(np.argmin(finite[:, odd[0]]))
        raise InputError(
            f"{name} admits joint control {tables.controls[u].tolist()} in some states and not in state number {x}; "
            "vectors over beliefs need it admitted everywhere, at a high cost where it should not be chosen."
        )
    keep = finite.all(axis=0)
    return ObservedTables(
        costs=tables.costs[:, keep],
        transitions=tables.transitions[keep],
        likelihood=tables.likelihood[keep],
        prior=tables.prior,
        controls=tables.controls[keep],
        discount=tables.discount,
    )


def _share(tables: ObservedTables, horizon: int, tolerance: float) -> float:
    """Share the tolerance out to all prunings: one for each observation's vectors, one for each sum, one at the end."""
    prunings = 2 * tables.likelihood.shape[2] + 1
    # The error of one stage's prunings is discounted by the stages before it.
    weight = sum(tables.discount**t for t in range(horizon))
    return tolerance / float(prunings * weight)


def _stage(
    tables: ObservedTables, vectors: Float[np.ndarray, "k s"], tolerance: float
) -> tuple[Float[np.ndarray, "n s"], Int[np.ndarray, " n"]]:
    """Return the vectors of one more stage, and the joint control of each."""
    parts = [_plans(tables, u, vectors, tolerance) for u in range(len(tables.controls))]
    every = np.concatenate(parts)
    choice = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    kept = pruned(every, tolerance)
    return every[kept], choice[kept]


def _plans(
    tables: ObservedTables, u: int, vectors: Float[np.ndarray, "k s"], tolerance: float
) -> Float[np.ndarray, "n s"]:
    """Return the vectors of plans that begin with joint control `u`, pruned."""
    parts = []
    for seen in tables.likelihood[u].T:
        # An observation that control u never brings asks for no plan.
        if seen.any():
            own = tables.discount * (vectors * seen) @ tables.transitions[u].T
            parts.append(own[pruned(own, tolerance)])
    if not parts:
        return tables.costs[:, u][None]
    combined = functools.reduce(functools.partial(_summed, tolerance=tolerance), parts)
    plans: Float[np.ndarray, "n s"] = tables.costs[:, u] + combined
    return plans


def _summed(
    one: Float[np.ndarray, "j s"], other: Float[np.ndarray, "k s"], tolerance: float
) -> Float[np.ndarray, "n s"]:
    """Return all sums of a vector of each, pruned."""
    if len(one) * len(other) > MAX_COMBINATIONS:
        raise InputError(
            f"A stage would combine {len(one):,} vectors with {len(other):,}; give a shorter horizon or a tolerance, "
            "or use beliefs.bounds, which works from one belief."
        )
    # Pruned at once, so that the next observation combines few vectors.
    sums = (one[:, None] + other[None]).reshape(-1, one.shape[1])
    kept: Float[np.ndarray, "n s"] = sums[pruned(sums, tolerance)]
    return kept


# A vector must be the least by more than this share of the vectors' size: less is rounding.
ROUNDING = 1e-9


def pruned(vectors: Float[np.ndarray, "k s"], tolerance: float = 0.0) -> Int[np.ndarray, " kept"]:
    """Return the places of vectors that attain the minimum somewhere, in increasing order.

    Args:
        vectors: costs by state, finite.
        tolerance: vectors that lower the minimum by no more than this are left out too, in cost units.
    """
    slack = max(tolerance, ROUNDING * (1.0 + float(np.abs(vectors).max())))
    candidates = _undominated(vectors, slack)
    # A first set that is sure to be needed, found without a linear program.
    kept = _at_corners(vectors, candidates)
    rest = [k for k in candidates if k not in set(kept)]
    while rest:
        belief = _where_needed(vectors[rest[-1]], vectors[kept], slack)
        if belief is None:
            rest.pop()
            continue
        # Not the vector asked about, which need not be the least at this belief.
        best = rest[int((vectors[rest] @ belief).argmin())]
        kept.append(best)
        rest.remove(best)
    return np.array(sorted(kept), int)


def _undominated(vectors: Float[np.ndarray, "k s"], slack: float) -> list[int]:
    """Drop every vector that a kept one undercuts at every state, but for rounding; of equals the first is kept."""
    kept: list[int] = []
    # A vector that undercuts another has the smaller sum, so it comes first.
    for k in np.argsort(vectors.sum(axis=1), kind="stable"):
        if not kept or not (vectors[kept] <= vectors[k] + slack).all(axis=1).any():
            kept.append(int(k))
    return kept


def _at_corners(vectors: Float[np.ndarray, "k s"], candidates: list[int]) -> list[int]:
    """Return the vectors that are least where the state is known: no program is needed for them."""
    least = vectors[candidates].argmin(axis=0)
    return [candidates[k] for k in dict.fromkeys(least.tolist())]


def _where_needed(
    vector: Float[np.ndarray, " s"], others: Float[np.ndarray, "k s"], slack: float
) -> Float[np.ndarray, " s"] | None:
    """Return a belief at which `vector` is less than all others, or None."""
    s = len(vector)
    program = linprog(
        c=np.append(np.zeros(s), -1.0),
        A_ub=np.hstack([vector - others, np.ones((len(others), 1))]),
        b_ub=np.zeros(len(others)),
        A_eq=np.append(np.ones(s), 0.0)[None],
        b_eq=np.ones(1),
        # The margin d may be negative, or the program would have no solution where the vector is not needed.
        bounds=[(0, None)] * s + [(None, None)],
        method="highs",
    )
    if program.x is None or program.x[s] <= slack:
        return None
    # The solver keeps to bounds but for its tolerance.
    belief: Float[np.ndarray, " s"] = np.maximum(program.x[:s], 0.0)
    return belief
