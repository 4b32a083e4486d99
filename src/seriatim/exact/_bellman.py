"""The Bellman operators.

    (T_mu J)(x) = Q(x, mu(x)),     (T J)(x) = min_u Q(x, u),     Q(x, u) = g(x, u) + a sum_y P(x, u; y) J(y).

Source: D. Bertsekas, Dynamic Programming and Optimal Control, vol. II, Athena Scientific, 4th ed. 2012, section 1.1.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from seriatim.exact._checks import check_cost_to_go
from seriatim.exact._rows import backup
from seriatim.exact._sources import Problem, source


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
