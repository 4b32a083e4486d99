"""The sawtooth: a lower bound on a concave function from its values at some beliefs.

The optimal cost-to-go is concave in the belief. So if L_i <= J*(b_i), and c(x) <= J* where the state x is known,

    J*(b)  >=  c.b + max(0, max_i (L_i - c.b_i) min{ b(x) / b_i(x) : b_i(x) > 0 }),

because b is a mixture of b_i and corners, with as much of b_i as there is room for. Another lower bound, the least of
linear functions, may be better at some beliefs: the larger of the two holds.

Source: M. Hauskrecht, Value-Function Approximations for Partially Observable Markov Decision Processes, Journal of
Artificial Intelligence Research 13, 2000, section 4.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from seriatim._record import record


class Sawtooth(NamedTuple):
    """A lower bound in double precision.

    `linear` `[a, s]` are the functions whose least is a bound too, `points` `[k, s]` the beliefs, and `gains` `[k]` by
    how much the bound there exceeds the corners' `linear.min(axis=0)`.
    """

    linear: Float[np.ndarray, "a s"]
    points: Float[np.ndarray, "k s"]
    gains: Float[np.ndarray, " k"]

    def at(self, beliefs: Float[np.ndarray, "n s"]) -> Float[np.ndarray, " n"]:
        """Return the bound at many beliefs."""
        inside = self.points > 0
        # How much of each point fits into a belief; states where the point has no mass set no limit.
        room = np.where(inside, beliefs[:, None] / np.where(inside, self.points, 1.0), np.inf).min(axis=2)
        teeth = (room * self.gains).max(axis=1, initial=0.0)
        linear: Float[np.ndarray, " n"] = (beliefs @ self.linear.T).min(axis=1)
        # Two lower bounds hold, and so does the larger of them.
        better: Float[np.ndarray, " n"] = np.maximum(linear, beliefs @ self.linear.min(axis=0) + teeth)
        return better

    def raised(self, belief: Float[np.ndarray, " s"], bound: float, same: float) -> "Sawtooth":
        """Take one more belief in, in place of the same if there is one: no further from it than `same`."""
        other = np.abs(self.points - belief).max(axis=1, initial=0.0) > same
        gain = bound - belief @ self.linear.min(axis=0)
        points, gains = np.vstack([self.points[other], belief]), np.append(self.gains[other], gain)
        return Sawtooth(self.linear, points, gains)


@record
class SawtoothValue:
    """The sawtooth as a value of beliefs `[s]`: a lower bound on the optimal cost-to-go, but for single precision.

    Attributes:
        linear: functions of the belief whose least is a lower bound, `[a, s]`.
        points: beliefs, `[k, s]`.
        gains: by how much the bound at each belief exceeds that of the corners, `[k]`, from 0 up.
    """

    linear: Float[Array, "a s"]
    points: Float[Array, "k s"]
    gains: Float[Array, " k"]

    def __call__(self, info: Float[Array, " s"]) -> Float[Array, ""]:
        """Return the bound."""
        room = jnp.where(self.points > 0, info / jnp.where(self.points > 0, self.points, 1.0), jnp.inf)
        teeth = jnp.max(self.gains * jnp.min(room, axis=1), initial=0.0)
        return jnp.maximum(jnp.min(self.linear @ info), jnp.min(self.linear, axis=0) @ info + teeth)
