"""Alpha vectors: a value of beliefs as the least of linear functions, each with the joint control it stands for.

    J(b) = min_k sum_x b(x) alpha_k(x),     u(b) = the control of the k that attains it.

If alpha_k is the cost of a plan that begins with control k, J(b) is an upper bound on the optimal cost-to-go, since one
may choose the plan. QMDP, the fast informed bound, blind policies and exact solutions all have this form.

Source: E. Sondik and R. Smallwood, The Optimal Control of Partially Observable Markov Processes over a Finite Horizon,
Operations Research 21(5), 1973.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from seriatim._errors import InputError
from seriatim._record import record
from seriatim.beliefs._filter import Belief
from seriatim.beliefs._particle_filter import ParticleBelief
from seriatim.beliefs._probabilities import probabilities
from seriatim.model import Key, ObservedModel


@record
class AlphaVectors:
    """Linear functions of a belief, in double precision.

    Attributes:
        model: whose states they are about.
        vectors: costs-to-go by state, `[k, s]`; infinity where the control may not be chosen.
        controls: the joint control that each begins with, `[k, m]`.
    """

    model: ObservedModel
    vectors: Float[np.ndarray, "k s"]
    controls: Int[np.ndarray, "k m"]

    def at(self, belief: Shaped[Any, " s"]) -> float:
        """Return J(b), in double precision; infinity where every control is inadmissible somewhere.

        Raises:
            InputError: the belief is no distribution of the states.
        """
        b = probabilities(belief, self.vectors.shape[1])
        return float(np.where(b > 0, b * self.vectors, 0.0).sum(axis=1).min())

    @property
    def value(self) -> "AlphaValue":
        """J as a value of beliefs: a terminal cost."""
        return AlphaValue(self.model, jnp.asarray(self.vectors, float))

    @property
    def policy(self) -> "AlphaPolicy":
        """The controls as a policy of beliefs."""
        return AlphaPolicy(self.model, jnp.asarray(self.vectors, float), jnp.asarray(self.controls, jnp.int32))


@record
class AlphaValue:
    """The value `min_k b . alpha_k` of beliefs: arrays `[s]`, or particles of a model with `index`."""

    model: ObservedModel
    vectors: Float[Array, "k s"]

    def __call__(self, info: Belief) -> Float[Array, ""]:
        """Return the least mean."""
        return jnp.min(means(self.model, self.vectors, info))


@record
class AlphaPolicy:
    """The policy that applies the control of the least `b . alpha_k`, the first of equals."""

    model: ObservedModel
    vectors: Float[Array, "k s"]
    controls: Int[Array, "k m"]

    def __call__(self, info: Belief, key: Key) -> Int[Array, " m"]:
        """Return the control; `key` is not used."""
        del key
        return self.controls[jnp.argmin(means(self.model, self.vectors, info))]


def means(model: Any, vectors: Float[Array, "k s"], belief: Belief) -> Float[Array, " k"]:
    """Return the mean of each vector under a belief; the cost of a state of probability 0 does not matter."""
    if isinstance(belief, ParticleBelief):
        vectors, belief = vectors[:, jax.vmap(model.index)(belief.states)], belief.weights
    shape = getattr(belief, "shape", None)
    if shape is None:
        raise InputError(
            f"Vectors are over beliefs, and were given a {type(belief).__name__}; in a HiddenModel play "
            "on_belief(policy)."
        )
    if shape != vectors.shape[1:]:
        raise InputError(
            f"The belief has shape {shape}; vectors over {vectors.shape[1]} states need one probability for "
            "each: are filter and vectors of the same model?"
        )
    return jnp.sum(jnp.where(belief > 0, belief * vectors, 0.0), axis=1)
