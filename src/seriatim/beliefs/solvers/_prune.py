"""Pruning: leaving out the alpha vectors that are nowhere the least.

A vector v is needed if some belief b has b.v < b.w for all others w. Whether there is one is a linear program:

    maximise d   subject to   b.(w - v) >= d for all w kept,   b >= 0,   sum b = 1.

Vectors that another one undercuts at every state are found without; the rest is Lark's filter: whenever a belief is
found where v is needed, the vector that is least there joins those kept.

Source: C. White, A Survey of Solution Techniques for the Partially Observed Markov Decision Process, Annals of
Operations Research 32, 1991.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linprog

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
