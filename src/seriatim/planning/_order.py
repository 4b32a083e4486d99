"""The order in which agents take their turn.

Every order keeps the guarantee of improvement; which one does best depends on the state. "optimised" spends more
Q-factors to choose the order as it goes: at each turn the agent and control with the best Q-factor.
"""

from typing import Literal, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from seriatim._errors import InputError
from seriatim.model import Key

Order: TypeAlias = tuple[int, ...] | Literal["random", "optimised"] | None


def check_order(order: Order, num_agents: int, *, names: tuple[str, ...] = ("random", "optimised")) -> None:
    """Refuse an order that is neither a permutation of the agents nor one of `names`."""
    if order is None or (isinstance(order, str) and order in names):
        return
    if isinstance(order, tuple) and sorted(order) == list(range(num_agents)):
        return
    options = ", ".join(repr(name) for name in names)
    raise InputError(
        f"order={order!r} is no order of {num_agents} agents; give a tuple with each of 0..{num_agents - 1} once, "
        f"{options}, or None for 0, 1, ..."
    )


def given_order(order: Order, num_agents: int, key: Key) -> Int[Array, " m"]:
    """Return the agents in their turn; "random" draws a permutation."""
    if order == "random":
        return jax.random.permutation(key, jnp.arange(num_agents, dtype=jnp.int32))
    listed = range(num_agents) if order is None or isinstance(order, str) else order
    return jnp.array(list(listed), jnp.int32)
