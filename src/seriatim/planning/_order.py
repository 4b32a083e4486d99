"""The order in which agents take their turn.

Every order keeps the guarantee of improvement; which one does best depends on the state.
"""

from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from seriatim._errors import InputError
from seriatim.model import Key

Order: TypeAlias = tuple[int, ...] | Literal["random"] | None


def check_order(order: Any, num_agents: int) -> None:
    """Refuse an order that is not a permutation of the agents."""
    if order is None or (isinstance(order, str) and order == "random"):
        return
    if isinstance(order, tuple) and sorted(order) == list(range(num_agents)):
        return
    raise InputError(
        f"order={order!r} is no order of {num_agents} agents; give a tuple with each of 0..{num_agents - 1} once, "
        "'random', or None for 0, 1, ..."
    )


def given_order(order: Order, num_agents: int, key: Key) -> Int[Array, " m"]:
    """Return the agents in their turn; "random" draws a permutation."""
    if order == "random":
        return jax.random.permutation(key, jnp.arange(num_agents, dtype=jnp.int32))
    listed = range(num_agents) if order is None else order
    return jnp.array(list(listed), jnp.int32)
