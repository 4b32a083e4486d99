"""The default network of one agent: what it sees, and what it remembers, to logits over its controls.

    x = relu(W_l ... relu(W_1 o)),    h' = GRU(x, h) where there is a memory,    logits = V x  (or V h')

Every network of an agent has the one signature `network(observation [k], memory [h]) -> (logits [c], memory [h])`;
without a memory, h = 0. The last layer starts near zero, so that an untrained policy tries all controls alike.

Source: recurrent policies of single agents: M. Hausknecht, P. Stone, Deep Recurrent Q-Learning for Partially Observable
MDPs, 2015; the cell: K. Cho et al., 2014.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from seriatim.model import Key

# The last layer's weights at the start, of what is usual: logits near zero, but different.
FIRST_LOGITS = 0.1


class AgentNetwork(eqx.Module):
    """Layers of rectified linear units, a gated recurrent unit where the agent has a memory, and a linear head."""

    layers: tuple[eqx.nn.Linear, ...]
    cell: eqx.nn.GRUCell | None
    head: eqx.nn.Linear

    def __init__(self, inputs: int, outputs: int, hidden: tuple[int, ...], memory: int, key: Key) -> None:
        keys = jax.random.split(key, len(hidden) + 2)
        sizes = (inputs, *hidden)
        self.layers = tuple(
            eqx.nn.Linear(before, after, key=one)
            for before, after, one in zip(sizes[:-1], hidden, keys[2:], strict=True)
        )
        self.cell = eqx.nn.GRUCell(sizes[-1], memory, key=keys[1]) if memory else None
        head = eqx.nn.Linear(memory or sizes[-1], outputs, key=keys[0])
        self.head = jax.tree.map(lambda weight: FIRST_LOGITS * weight, head)

    def __call__(
        self, observation: Float[Array, " k"], memory: Float[Array, " h"]
    ) -> tuple[Float[Array, " c"], Float[Array, " h"]]:
        """Return the logits and what is remembered of now."""
        x = observation
        for layer in self.layers:
            x = jax.nn.relu(layer(x))
        if self.cell is not None:
            memory = x = self.cell(x, memory)
        return self.head(x), memory


class Memoryless(eqx.Module):
    """A user's network from an observation to logits, with the signature of those that remember."""

    network: Any

    def __call__(
        self, observation: Float[Array, " k"], memory: Float[Array, " h"]
    ) -> tuple[Float[Array, " c"], Float[Array, " h"]]:
        """Return the logits, and the memory as it was."""
        return jnp.asarray(self.network(observation)), memory
