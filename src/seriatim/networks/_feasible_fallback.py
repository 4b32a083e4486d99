"""A fallback where a policy's joint control is infeasible, for models whose agents can get into each other's way."""

import jax.numpy as jnp
from jaxtyping import Array, Int

from seriatim import _optional
from seriatim._record import record
from seriatim.model import Key, Model, State
from seriatim.policy import Policy


@record
class FeasibleFallback:
    """Play `policy` where its joint control is feasible, and `otherwise` where it is not.

    Networks that choose for each agent apart know nothing of constraints between agents. The heuristic does.

    Attributes:
        model: says what is feasible.
        policy: asked first.
        otherwise: a policy that is always feasible.
    """

    model: Model
    policy: Policy
    otherwise: Policy

    def __call__(self, info: State, key: Key) -> Int[Array, " m"]:
        """Choose the joint control."""
        control = jnp.asarray(self.policy(info, key), jnp.int32)
        feasible = self.model.feasible(info, control)  # type: ignore[attr-defined]
        return jnp.where(feasible, control, jnp.asarray(self.otherwise(info, key), jnp.int32))


def with_fallback(model: Model, policy: Policy, otherwise: Policy) -> Policy:
    """Guard a policy where the model has constraints; elsewhere return it as it is."""
    return FeasibleFallback(model, policy, otherwise) if _optional.feasible(model) is not None else policy
