"""Policies of states that every model has: an admissible control drawn at random, or the first one."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from seriatim._record import record
from seriatim.model import Key, State


@record
class Uniform:
    """Each agent draws one of its admissible controls."""

    model: Any

    def __call__(self, info: State, key: Key) -> Int[Array, " m"]:
        """Draw a control for each agent."""
        logits = jnp.where(self.model.control_mask(info), 0.0, -jnp.inf)
        return jax.random.categorical(key, logits).astype(jnp.int32)


@record
class First:
    """Each agent takes its first admissible control."""

    model: Any

    def __call__(self, info: State, key: Key) -> Int[Array, " m"]:
        """Return the first of each; `key` is not used."""
        del key
        return jnp.argmax(self.model.control_mask(info), axis=1).astype(jnp.int32)
