"""A model as its tables, and the Bellman operators on it.

    (T_mu J)(x) = Q(x, mu(x)),     (T J)(x) = min_u Q(x, u),     Q(x, u) = g(x, u) + a sum_y P(x, u; y) J(y).

Tables have the same `f` and `g` as the model, with the disturbance summed out.

Source: D. Bertsekas, Dynamic Programming and Optimal Control, vol. II, Athena Scientific, 4th ed. 2012, section 1.1.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from seriatim._record import with_fields
from seriatim.exact._checks import check_cost_to_go
from seriatim.exact._rows import as_sparse, backup
from seriatim.exact._sources import Problem, source
from seriatim.exact._tables import Tables
from seriatim.model import Model


def tabulate(model: Model, *, dense: bool = False) -> Tables:
    """Enumerate every outcome of every joint control at every state.

    Outcomes that are `done` add to the cost and to no transition. Inadmissible and infeasible joint controls cost
    infinity. Probabilities are rescaled to sum to one in double precision.

    Args:
        model: a finite model.
        dense: keep transitions as an array of `s * a * s` numbers; by default sparse.

    Raises:
        InputError: the model is not finite, has too many joint controls, or its outcomes break the laws.
    """
    found = source(model)
    rows = found.joint_rows()
    tables = Tables(rows.costs, rows.transitions, rows.discount, found.num_agents)
    # `Tables` treats a small chance of ending as rounding in a user's numbers. That of a model is meant.
    return with_fields(tables, transitions=as_sparse(rows.transitions).toarray() if dense else rows.transitions)


def bellman(problem: Problem, cost_to_go: Any) -> Float[np.ndarray, "s a"]:
    """Return the Q-factors of all joint controls, `[s, c**m]`; infinity where one may not be chosen.

    `bellman(problem, J).min(axis=1)` is T J; joint controls are numbered as in `seriatim.controls.joint_controls`.

    Args:
        problem: a finite model, or `Tables`.
        cost_to_go: J, `[s]`.

    Raises:
        InputError: the problem is not finite or has too many joint controls, or `cost_to_go` has another shape.
    """
    found = source(problem)
    return backup(found.joint_rows(), check_cost_to_go(found, cost_to_go))
