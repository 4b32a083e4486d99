"""The sawtooth: a lower bound on a concave function from its values at some beliefs.

The optimal cost-to-go is concave in the belief. So if L_i <= J*(b_i), and c(x) <= J* where the state x is known,

    J*(b)  >=  c.b + max(0, max_i (L_i - c.b_i) min{ b(x) / b_i(x) : b_i(x) > 0 }),

because b is a mixture of b_i and corners, with as much of b_i as there is room for.

Source: M. Hauskrecht, Value-Function Approximations for Partially Observable Markov Decision Processes, Journal of
Artificial Intelligence Research 13, 2000, section 4.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from seriatim._record import record


@record
class SawtoothValue:
    """The sawtooth as a value of beliefs `[s]`: a lower bound on the optimal cost-to-go, but for single precision.

    Attributes:
        corners: lower bounds where the state is known, `[s]`.
        points: beliefs, `[k, s]`.
        gains: by how much the bound at each belief exceeds that of the corners, `[k]`, from 0 up.
    """

    corners: Float[Array, " s"]
    points: Float[Array, "k s"]
    gains: Float[Array, " k"]

    def __call__(self, info: Float[Array, " s"]) -> Float[Array, ""]:
        """Return the bound."""
        room = jnp.where(self.points > 0, info / jnp.where(self.points > 0, self.points, 1.0), jnp.inf)
        teeth = self.gains * jnp.min(room, axis=1)
        return jnp.sum(self.corners * info) + jnp.max(teeth, initial=0.0)


def sawtooth(
    beliefs: Float[np.ndarray, "n s"],
    corners: Float[np.ndarray, " s"],
    points: Float[np.ndarray, "k s"],
    gains: Float[np.ndarray, " k"],
) -> Float[np.ndarray, " n"]:
    """Return the bound at many beliefs, in double precision."""
    base = beliefs @ corners
    if not len(points):
        return base
    inside = points > 0
    room = np.where(inside, beliefs[:, None] / np.where(inside, points, 1.0), np.inf).min(axis=2)
    better: Float[np.ndarray, " n"] = base + np.maximum(0.0, (room * gains).max(axis=1))
    return better
