"""Features of a hunt, on behalf of one spider.

For every living fly, the features have its distance, the moves that lead nearer to it, and the spider's rank among
those that might catch it: how much nearer the nearest other spider is, how many others are nearer (of equally near
spiders the first counts as nearer), whether it is the spider's own nearest fly, and how many others have it as theirs.
Distances are lengths of shortest paths, so they contain the walls. For the spider itself, the features have the share
of flies left and its open moves.

By these numbers spiders can divide the flies among themselves. Agents that share a network and get the same numbers
choose the same; their ranks let them choose differently.
"""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from seriatim.model import Features
from seriatim.problems.spiders_and_flies._hunt import Hunt
from seriatim.problems.spiders_and_flies._terrain import MOVES

# Larger ranks and numbers of rivals count as this one.
MANY = 4
# Larger distances, such as those between parts of a map without a path, count as this many moves.
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
