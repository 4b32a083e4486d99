"""Blind policies: the same joint control for ever, whatever is seen.

    J_u(x) = g(x, u) + a sum_x' P(x'|x, u) J_u(x').

Theorem. min_u sum_x b(x) J_u(x) is an upper bound on the optimal cost-to-go at every belief b: it is what the best
blind policy costs. The policy that takes the best blind control anew at every belief costs no more: one stage of it,
followed by the bound, never exceeds the bound.

Source: M. Hauskrecht, Value-Function Approximations for Partially Observable Markov Decision Processes, Journal of
Artificial Intelligence Research 13, 2000.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.sparse import csgraph, csr_array

from seriatim._errors import InputError
from seriatim.beliefs._alpha_vectors import AlphaVectors
from seriatim.beliefs._tables import motion
from seriatim.controls import joint_controls


def blind_policies(model: Any, *, horizon: int | None = None) -> AlphaVectors:
    """Return the exact cost of each constant joint control, as alpha vectors.

    A control that may reach a state where it is inadmissible costs infinity from where it may; with discount 1, so does
    one that may never end the problem. Controls that cost infinity everywhere are left out.

    Args:
        model: a finite observed model; its observations need not be listed.
        horizon: stages to go; by default the problem has no last stage.

    Raises:
        InputError: the model is not finite, `horizon` is out of range, or no blind policy has finite cost.
    """
    if horizon is not None and horizon < 1:
        raise InputError(f"horizon={horizon}: give a whole number of stages from 1 up, or None for no last stage.")
    costs, transitions = motion(model)
    discount = float(model.discount)
    found = np.array([_cost(c, p, discount, horizon) for c, p in zip(costs.T, transitions, strict=True)])
    usable = np.isfinite(found).any(axis=1)
    if not usable.any():
        raise InputError(
            f"No constant joint control of {type(model).__name__} has finite cost from any state; give a horizon, or "
            "a discount below 1 and controls that are admissible everywhere."
        )
    return AlphaVectors(model, found[usable], joint_controls(model.num_agents, model.num_controls)[usable])


def _cost(
    cost: Float[np.ndarray, " s"], transition: Float[np.ndarray, "s s"], discount: float, horizon: int | None
) -> Float[np.ndarray, " s"]:
    """Return the cost of one control for ever, or for so many stages."""
    lost = _reaches(transition, ~np.isfinite(cost))
    if horizon is None and discount == 1:
        ends = transition.sum(axis=1) < 1 - 1e-9
        lost |= _reaches(transition, ~_reaches(transition, ends))
    kept = ~lost
    part, own = transition[np.ix_(kept, kept)], np.where(kept, cost, 0.0)[kept]
    total = np.full(len(cost), np.inf)
    if horizon is None:
        total[kept] = np.linalg.solve(np.eye(len(own)) - discount * part, own)
        return total
    still = np.zeros_like(own)
    for _ in range(horizon):
        still = own + discount * part @ still
    total[kept] = still
    return total


def _reaches(transition: Float[np.ndarray, "s s"], targets: Bool[np.ndarray, " s"]) -> Bool[np.ndarray, " s"]:
    """Say from which states a path leads to a target, of length 0 at least."""
    if not targets.any():
        return np.zeros(len(targets), bool)
    distance = csgraph.dijkstra(
        csr_array(transition.T), indices=np.flatnonzero(targets), min_only=True, unweighted=True
    )
    return np.isfinite(distance)
