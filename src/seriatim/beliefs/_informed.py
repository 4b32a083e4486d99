"""Bounds on the optimal cost-to-go of beliefs by teams that know more: QMDP and the fast informed bound.

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

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from seriatim._errors import InputError
from seriatim.beliefs._alpha_vectors import AlphaVectors
from seriatim.beliefs._tables import ObservedTables, motion, observed_tables
from seriatim.controls import joint_controls

MAX_SWEEPS = 100_000


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
    costs, transitions = motion(model)

    def sweep(q: Float[np.ndarray, "s a"]) -> Float[np.ndarray, "s a"]:
        best = q.min(axis=1)
        after: Float[np.ndarray, "s a"] = costs + float(model.discount) * np.einsum("axy,y->xa", transitions, best)
        return after

    q = _swept("qmdp", sweep, _from_below(costs, float(model.discount)), horizon, tolerance)
    return _as_vectors(model, q)


def fast_informed_bound(model: Any, *, horizon: int | None = None, tolerance: float = 1e-6) -> AlphaVectors:
    """Return the Q-factors of the fast informed bound, as alpha vectors: one for each joint control.

    Args:
        model: a finite observed model with `observations()`.
        horizon: stages to go; by default the problem has no last stage.
        tolerance: as in `qmdp`.

    Raises:
        InputError: as `qmdp`, or the model does not list its observations.
    """
    tables = observed_tables(model)
    q = _swept(
        "fast_informed_bound",
        lambda q: informed_sweep(tables, q),
        _from_below(tables.costs, tables.discount),
        horizon,
        tolerance,
    )
    return _as_vectors(model, q)


def informed_sweep(tables: ObservedTables, q: Float[np.ndarray, "s a"]) -> Float[np.ndarray, "s a"]:
    """Return the right-hand side of the fast informed bound."""
    after = np.empty_like(q)
    # Infinite Q-factors stay out of the product: 0 times infinity is no number.
    finite = np.where(np.isfinite(q), q, 0.0)
    for u in range(q.shape[1]):
        joint = tables.transitions[u][:, :, None] * tables.likelihood[u][None]  # [x, x', o]
        worth = np.einsum("xyo,yv->xov", joint, finite)
        lost = np.einsum("xyo,yv->xov", joint, (~np.isfinite(q)).astype(float)) > 0
        after[:, u] = tables.costs[:, u] + tables.discount * np.where(lost, np.inf, worth).min(axis=2).sum(axis=1)
    return after


def _from_below(costs: Float[np.ndarray, "s a"], discount: float) -> Float[np.ndarray, "s a"]:
    """Return a first Q that is too low everywhere: the least stage cost for ever. With discount 1, zero."""
    least = float(np.min(costs))
    first = least / (1 - discount) if discount < 1 else 0.0
    return np.where(np.isfinite(costs), first, np.inf)


def _swept(
    name: str,
    sweep: Callable[[Float[np.ndarray, "s a"]], Float[np.ndarray, "s a"]],
    first: Float[np.ndarray, "s a"],
    horizon: int | None,
    tolerance: float,
) -> Float[np.ndarray, "s a"]:
    if horizon is not None and horizon < 1:
        raise InputError(f"horizon={horizon}: give a whole number of stages from 1 up, or None for no last stage.")
    if not tolerance > 0:
        raise InputError(f"tolerance={tolerance}: give a positive number, in the units of the stage cost.")
    q = first if horizon is None else np.where(np.isfinite(first), 0.0, np.inf)
    for _ in range(horizon or MAX_SWEEPS):
        before, q = q, sweep(q)
        known = np.isfinite(q)
        if horizon is None and np.abs(q[known] - before[known]).max() <= tolerance:
            return q
    if horizon is None:
        raise InputError(
            f"{name} did not converge in {MAX_SWEEPS:,} sweeps; give a discount below 1, a horizon, or let every "
            "policy end the problem."
        )
    return q


def _as_vectors(model: Any, q: Float[np.ndarray, "s a"]) -> AlphaVectors:
    usable = np.isfinite(q).any(axis=0)
    controls = joint_controls(model.num_agents, model.num_controls)
    return AlphaVectors(model, np.ascontiguousarray(q.T[usable]), controls[usable])
