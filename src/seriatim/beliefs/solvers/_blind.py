"""Blind policies: the same joint control for ever, whatever the observations.

    J_u(x) = g(x, u) + a sum_x' P(x'|x, u) J_u(x').

Theorem. min_u sum_x b(x) J_u(x) is an upper bound on the optimal cost-to-go at every belief b: it is the cost of the
best blind policy. The policy that takes the best blind control anew at every belief costs no more: one stage of it,
followed by the bound, never exceeds the bound.

Source: M. Hauskrecht, Value-Function Approximations for Partially Observable Markov Decision Processes, Journal of
Artificial Intelligence Research 13, 2000.
"""

import time
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csgraph, csr_array

from seriatim._errors import InputError
from seriatim.beliefs._tables import motion
from seriatim.beliefs.solvers._alpha_vectors import AlphaVectors
from seriatim.beliefs.solvers._informed import require_stages
from seriatim.controls import joint_controls

# With more states than this a linear system takes seconds, and iteration is stopped at changes below this share.
LARGE, CLOSE = 1000, 1e-9


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
    if horizon is not None:
        require_stages(horizon, " of stages, or None for no last stage")
    costs, transitions = motion(model)
    vectors = blind_costs(costs, transitions, float(model.discount), horizon)
    usable = np.isfinite(vectors).any(axis=1)
    if not usable.any():
        raise InputError(
            f"No constant joint control of {type(model).__name__} has finite cost from any state; give a horizon, or "
            "a discount below 1 and controls that are admissible everywhere."
        )
    return AlphaVectors(model, vectors[usable], joint_controls(model.num_agents, model.num_controls)[usable])


def blind_costs(
    costs: Float[np.ndarray, "s a"],
    transitions: Float[np.ndarray, "a s s"],
    discount: float,
    horizon: int | None,
    order: Int[np.ndarray, " a"] | None = None,
    latest: float = np.inf,
) -> Float[np.ndarray, "a s"]:
    """Return the cost of each constant joint control; infinity for those that the time did not suffice for.

    Args:
        costs: expected stage costs.
        transitions: probabilities that the problem goes on in each state.
        discount: in (0, 1].
        horizon: stages to go; None is no last stage.
        order: the joint controls, the first of them first; the very first is always evaluated.
        latest: the time, on the monotonic clock, after which no further control is begun. With many states, the cost
            is then bounded from above by iteration until that time.
    """
    found = np.full((costs.shape[1], costs.shape[0]), np.inf)
    # A linear system cannot be stopped in between, an iteration can.
    hurried = np.isfinite(latest) and len(costs) > LARGE and discount < 1 and horizon is None
    for number, u in enumerate(range(len(found)) if order is None else order):
        if number and time.monotonic() > latest:
            break
        if hurried and np.isfinite(costs[:, u]).all():
            found[u] = _from_above(costs[:, u], transitions[u], discount, latest)
        else:
            found[u] = _cost(costs[:, u], transitions[u], discount, horizon)
    return found


def _from_above(
    cost: Float[np.ndarray, " s"], transition: Float[np.ndarray, "s s"], discount: float, latest: float
) -> Float[np.ndarray, " s"]:
    """Iterate J <- g + a P J from the largest stage cost for ever: every iterate is an upper bound."""
    total, moves = np.full(len(cost), max(float(cost.max()), 0.0) / (1 - discount)), csr_array(transition)
    while time.monotonic() <= latest:
        before, total = total, cost + discount * (moves @ total)
        if np.abs(total - before).max() <= CLOSE * max(1.0, float(np.abs(total).max())):
            break
    return total


def _cost(
    cost: Float[np.ndarray, " s"], transition: Float[np.ndarray, "s s"], discount: float, horizon: int | None
) -> Float[np.ndarray, " s"]:
    """Return the cost of one control for ever, or for so many stages."""
    # A control cannot be kept to where it is not admissible, nor where it may lead there.
    lost = _reaches(transition, ~np.isfinite(cost))
    if horizon is None and discount == 1:
        ends = transition.sum(axis=1) < 1 - 1e-9
        # Without a way to an end one pays for ever; so does one from where such a state may be reached.
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
