"""The default network of one agent: from its features and its memory to logits over its controls.

    x = relu(W_l ... relu(W_1 o)),    h' = GRU(x, h) where there is a memory,    logits = V x  (or V h')

Where the agent is told of entities (`seriatim.Features`), they are first pooled,

    o = (own, max_j e_j, mean_j e_j),    e_j = relu(E entity_j)    over those present,

so that neither their order nor their number matters. Numbers are told relative to `centre`, in units of `spread`. Both
are set from data (`standardised`); they are not trained.

Every network of an agent has the one signature `network(observation, memory [h]) -> (logits [c], memory [h])`;
without a memory, h = 0. The last layer starts near zero, so that an untrained policy tries all controls alike.

Source: recurrent policies of single agents: M. Hausknecht, P. Stone, Deep Recurrent Q-Learning for Partially Observable
MDPs, 2015; the cell: K. Cho et al., 2014; pooling: M. Zaheer et al., Deep Sets, 2017.
"""

from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from seriatim._errors import InputError
from seriatim.model import Features, Key

# The last layer's first weights, as a share of the usual ones: logits near zero, but different.
FIRST_LOGITS = 0.1
# Numbers that hardly vary are told as they are, or rounding would be all there is to them.
LEAST_SPREAD = 1e-3

N = TypeVar("N", bound=eqx.Module)


class Encoder(eqx.Module):
    """The numbers that an agent is told, as a vector: standardised, and entities pooled."""

    centre: Any
    spread: Any
    entity: eqx.nn.Linear | None
    size: int = eqx.field(static=True)

    def __init__(self, told: Any, entities: int, key: Key) -> None:
        """Take the shapes from `told`, an example; `entities` is the size of an entity's vector."""
        _require_vectors(told)
        if isinstance(told, Features):
            self.entity = eqx.nn.Linear(told.entities.shape[-1], entities, key=key)
            self.size = told.own.shape[-1] + 2 * entities
            numbers: tuple[tuple[int, ...], ...] = (told.own.shape[-1:], told.entities.shape[-1:])
        else:
            self.entity, self.size, numbers = None, told.shape[-1], (told.shape[-1:],)
        self.centre = tuple(jnp.zeros(shape) for shape in numbers)
        self.spread = tuple(jnp.ones(shape) for shape in numbers)

    def __call__(self, told: Any) -> Float[Array, " size"]:
        """Return the vector."""
        # They describe the data, and are not trained.
        centre, spread = jax.lax.stop_gradient((self.centre, self.spread))
        if self.entity is None:
            return jnp.asarray((told - centre[0]) / spread[0])
        own, entities = (told.own - centre[0]) / spread[0], (told.entities - centre[1]) / spread[1]
        # As one product for all entities, and those of all agents and lanes.
        seen = jax.nn.relu(entities @ self.entity.weight.T + self.entity.bias)
        # A rectified unit is never negative, so an absent entity at zero does not change the maximum.
        seen = jnp.where(told.present[:, None], seen, 0.0)
        mean = jnp.sum(seen, axis=0) / jnp.maximum(1.0, jnp.sum(told.present).astype(float))
        return jnp.concatenate([own, jnp.max(seen, axis=0), mean])


def _require_vectors(told: Any) -> None:
    """Refuse inputs that the default networks cannot take.

    Raises:
        InputError: it is neither a vector nor `Features`.
    """
    shapes = [tuple(leaf.shape) for leaf in jax.tree.leaves(told)]
    if [len(shape) for shape in shapes] != ([1, 2, 1] if isinstance(told, Features) else [1]):
        raise InputError(
            f"what an agent is told has shapes {shapes}; give one array [k], seriatim.Features of own "
            "[k], entities [n, e] and present [n], or a network of your own."
        )


class AgentNetwork(eqx.Module):
    """An encoder, layers of rectified linear units, a gated recurrent unit for a memory, and a linear head."""

    encoder: Encoder
    layers: tuple[eqx.nn.Linear, ...]
    cell: eqx.nn.GRUCell | None
    head: eqx.nn.Linear

    def __init__(
        self, told: Any, outputs: int, hidden: tuple[int, ...], memory: int, key: Key, entities: int = 32
    ) -> None:
        keys = jax.random.split(key, len(hidden) + 2)
        self.encoder = Encoder(told, entities, jax.random.fold_in(key, 0))
        self.layers = layers_of((self.encoder.size, *hidden), keys[2:])
        last = (self.encoder.size, *hidden)[-1]
        self.cell = eqx.nn.GRUCell(last, memory, key=keys[1]) if memory else None
        head = eqx.nn.Linear(memory or last, outputs, key=keys[0])
        self.head = jax.tree.map(lambda weight: FIRST_LOGITS * weight, head)

    def __call__(self, observation: Any, memory: Float[Array, " h"]) -> tuple[Float[Array, " c"], Float[Array, " h"]]:
        """Return the logits and the next memory."""
        x = through(self.layers, self.encoder(observation))
        if self.cell is not None:
            memory = x = self.cell(x, memory)
        return self.head(x), memory


def layers_of(sizes: tuple[int, ...], keys: Key) -> tuple[eqx.nn.Linear, ...]:
    """Make linear layers from each size to the next."""
    pairs = zip(sizes[:-1], sizes[1:], keys, strict=True)
    return tuple(eqx.nn.Linear(before, after, key=one) for before, after, one in pairs)


def through(layers: tuple[eqx.nn.Linear, ...], x: Float[Array, " k"]) -> Float[Array, " h"]:
    """Pass through layers of rectified linear units."""
    for layer in layers:
        x = jax.nn.relu(layer(x))
    return x


def standardised(network: N, told: Any) -> N:
    """Return the network with centre and spread of the given inputs, `[samples, ...]`, at every encoder."""
    parts = (told.own, told.entities) if isinstance(told, Features) else (told,)
    present = (None, told.present) if isinstance(told, Features) else (None,)
    moments = [_moments(x, where) for x, where in zip(parts, present, strict=True)]
    centre, spread = (tuple(each) for each in zip(*moments, strict=True))

    def fitted(node: Any) -> Any:
        if not isinstance(node, Encoder):
            return node
        return eqx.tree_at(lambda encoder: (encoder.centre, encoder.spread), node, (centre, spread))

    same: N = jax.tree.map(fitted, network, is_leaf=lambda node: isinstance(node, Encoder))
    return same


def _moments(x: Float[Array, "*batch k"], present: Any) -> tuple[Float[Array, " k"], Float[Array, " k"]]:
    """Return mean and standard deviation over all but the last axis."""
    axes = tuple(range(x.ndim - 1))
    where = None if present is None else present[..., None]
    mean, std = jnp.mean(x, axis=axes, where=where), jnp.std(x, axis=axes, where=where)
    varies = std > LEAST_SPREAD
    return jnp.where(varies, mean, 0.0), jnp.where(varies, std, 1.0)


class Memoryless(eqx.Module):
    """A user's network from an observation to logits, with the signature of those that remember."""

    network: Any

    def __call__(self, observation: Any, memory: Float[Array, " h"]) -> tuple[Float[Array, " c"], Float[Array, " h"]]:
        """Return the logits, and the memory as it was."""
        return jnp.asarray(self.network(observation)), memory
