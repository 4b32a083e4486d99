"""The cost of a policy: the solution of J = T_mu J.

    J = g_mu + a P_mu J.

With discount 1 the equation is solved at the states from which the chain surely ends or comes to rest without paying.
Where the chain may pay for ever the cost is infinite; where it rests the cost is zero (see `_termination`).

Source: M. Puterman, Markov Decision Processes, Wiley, 1994, section 6.1.
"""

from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float
from scipy import sparse
from scipy.sparse import linalg

from seriatim._errors import InputError
from seriatim.exact._checks import check_limits, warn_not_converged
from seriatim.exact._policies import policy_control
from seriatim.exact._rows import Rows, Source, as_sparse
from seriatim.exact._sources import Problem, source
from seriatim.exact._sweeps import sweep
from seriatim.exact._termination import fate

Method = Literal["direct", "iterative"]


def cost_to_go(
    problem: Problem,
    policy: Any,
    *,
    method: Method = "direct",
    tolerance: float = 1e-8,
    max_iterations: int = 100_000,
) -> Float[np.ndarray, " s"]:
    """Return the cost-to-go of a policy at every state, `[s]`.

    Only the policy's own joint controls are evaluated, so there may be any number of agents.

    Args:
        problem: a finite model, or `Tables`.
        policy: a policy, called at every state with one fixed key, or an array of controls `[s, m]`.
        method: "direct" solves the linear system, exact but for rounding; "iterative" sweeps until the error is at most
            `tolerance`, for sparse problems too large to factorise.
        tolerance: of the iterative method, in cost units.
        max_iterations: sweeps after which the iterative method warns and stops.

    Raises:
        InputError: the problem is not finite, the policy chooses a control that is not allowed, or its cost is not
            defined.
    """
    check_limits(tolerance, max_iterations)
    if method not in ("direct", "iterative"):
        raise InputError(f"method={method!r}: give 'direct' or 'iterative'.")
    found = source(problem)
    chain = policy_chain(found, policy_control(found, policy))
    if method == "direct":
        return chain_cost(chain)

    def solve(part: Rows) -> Float[np.ndarray, " s"]:
        swept = sweep(part, tolerance=tolerance, max_iterations=max_iterations)
        if not swept.converged:
            bound = f"its error is at most {swept.error_bound / 2:.3g}, not {tolerance:g}"
            warn_not_converged("cost_to_go", swept.iterations, bound)
        return swept.cost_to_go

    return _where_finite(chain, solve)


def policy_chain(found: Source, control: Any) -> Rows:
    """Return the rows of a policy, one a state."""
    chain = found.rows(control[:, None, :])
    odd = np.flatnonzero(~np.isfinite(chain.costs[:, 0]))
    if odd.size:
        raise InputError(
            f"The policy chooses {control[odd[0]].tolist()} at state {odd[0]}, which is not admissible or not feasible "
            "there; give a policy that keeps to control_mask and feasible."
        )
    return chain


def chain_cost(chain: Rows) -> Float[np.ndarray, " s"]:
    """Solve J = g + a P J for one joint control a state."""
    return _where_finite(chain, _solve)


def _where_finite(chain: Rows, solve: Any) -> Float[np.ndarray, " s"]:
    """Solve at the states whose cost must be computed; elsewhere it is known to be infinite or zero."""
    if chain.discount < 1:
        result: Float[np.ndarray, " s"] = solve(chain)
        return result
    ends = fate(chain)
    # From the other states the chain surely ends or reaches a state without cost, so I - P can be inverted.
    result = np.where(ends.infinite, np.inf, 0.0)
    inside = ~ends.infinite & ~ends.free
    if inside.any():
        result[inside] = solve(within(chain, inside))
    return result


def within(rows: Rows, states: Bool[np.ndarray, " s"]) -> Rows:
    """Keep some states; a step out of them ends the problem."""
    numbers = np.flatnonzero(states)
    n = rows.costs.shape[1]
    # Rows are numbered state * n + control.
    kept = (numbers[:, None] * n + np.arange(n)).ravel()
    return Rows(rows.costs[numbers], as_sparse(rows.transitions)[kept][:, numbers], rows.discount)


def _solve(chain: Rows) -> Float[np.ndarray, " s"]:
    system = sparse.eye_array(len(chain.costs), format="csc") - chain.discount * sparse.csc_array(chain.transitions)
    solution: Float[np.ndarray, " s"] = np.atleast_1d(linalg.spsolve(sparse.csc_array(system), chain.costs[:, 0]))
    return solution
