"""Features of a hunt, on behalf of one spider.

Of every living fly: how far it is, which moves lead nearer to it, and how the spider stands among those that might
catch it: how much nearer the nearest of the others is, how many are nearer (of equals the first counts as nearer),
whether it is the spider's own nearest fly, and how many others have it as theirs. Distances are shortest paths, so
walls are known through them. Of itself: the share of flies left, and its own open moves.

These are the numbers by which spiders divide flies among themselves: agents that share a network and see the same
numbers do the same, and it is the rank of each that lets them do different things.
"""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from seriatim.model import Features
from seriatim.problems.spiders_and_flies._hunt import Hunt
from seriatim.problems.spiders_and_flies._terrain import MOVES

# Ranks and rivals beyond this make no difference.
MANY = 4
# Distances beyond this many moves, as between parts of a map without a path, are told as this many.
FAR = 200


def hunt_features(model: Any, state: Hunt, agent: Int[Array, ""]) -> Features:
    """Return the features of the hunt for one spider."""
    terrain, m = model.terrain, state.spiders.shape[0]
    distance = _distances(model, state)
    own = distance[agent]
    before = jnp.arange(m) < agent
    others = jnp.arange(m) != agent
    if state.active is not None:
        others = others & state.active
    rival = jnp.min(jnp.where(others[:, None], distance, FAR), axis=0)
    nearer = others[:, None] & ((distance < own) | ((distance == own) & before[:, None]))
    nearest = distance == jnp.min(jnp.where(state.alive, distance, FAR), axis=1, keepdims=True)
    chased = jnp.sum(nearest & others[:, None], axis=0)
    around = terrain.step(jnp.broadcast_to(state.spiders[agent], (len(MOVES), 2)), jnp.arange(len(MOVES)))
    leads = [_steps(terrain, around[move : move + 1], state.flies)[0] < own for move in range(1, len(MOVES))]
    told = [
        own,
        1 / (1 + own),
        *leads,
        jnp.clip(rival - own, -2 * MANY, 2 * MANY),
        jnp.minimum(jnp.sum(nearer, axis=0), MANY),
        ~jnp.any(nearer, axis=0),
        nearest[agent],
        jnp.minimum(chased, MANY),
    ]
    left = jnp.sum(state.alive)
    return Features(
        own=jnp.concatenate(
            [
                jnp.array([left / state.alive.shape[0], 1 / jnp.maximum(left, 1)], float),
                terrain.moves(state.spiders[agent][None])[0, 1:].astype(float),
            ]
        ),
        entities=jnp.stack([jnp.asarray(each, float) for each in told], axis=1),
        present=state.alive,
    )


def _distances(model: Any, state: Hunt) -> Float[Array, "m n"]:
    return _steps(model.terrain, state.spiders, state.flies)


def _steps(terrain: Any, positions: Int[Array, "k 2"], flies: Int[Array, "n 2"]) -> Float[Array, "k n"]:
    """Return the lengths of shortest paths, in moves."""
    return jnp.minimum(terrain.course(positions, flies) // 8, FAR).astype(float)
