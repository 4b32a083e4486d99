"""Features of a belief about damage, on behalf of one robot.

Of every site: what its damage is expected to cost, the distribution of its level, how far it is, which control leads
there, how many other robots are nearer (of equals the first counts as nearer), and how far the nearest of them is. Of
the robot itself: what it believes of its own site, who else is there, and for each control the *pull* of the sites
that it leads to,

    pull_k = sum over sites j with first control k of w_j 0.7^d(j),

with w_j the damage told of, once for all sites and once for those to which no other robot is nearer.

Robots that share a network and are told the same do the same; it is the rank of each that lets them do different
things.
"""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from seriatim.model import Features

# How much less a site pulls for every move that it is farther away.
FADING = 0.7
# Ranks beyond this make no difference.
MANY = 4


def repair_features(problem: Any, positions: Int[Array, " m"], sites: Float[Array, "n l"], agent: Any) -> Features:
    """Return the features of a belief for one robot."""
    m, n = positions.shape[0], sites.shape[0]
    distance = jnp.asarray(problem.sites.distance)[positions].astype(float)
    own, before, others = distance[agent], jnp.arange(m) < agent, jnp.arange(m) != agent
    nearer = others[:, None] & ((distance < own) | ((distance == own) & before[:, None]))
    rival = jnp.min(jnp.where(others[:, None], distance, n), axis=0)
    leads = jnp.asarray(problem.sites.step)[positions[agent]] == jnp.arange(problem.num_controls)[:, None]
    damage = jnp.log1p(jnp.sum(sites * jnp.array(problem.costs, float), axis=1))
    mine = ~jnp.any(nearer, axis=0)
    weight = leads.astype(float) * (damage * FADING**own)
    told = [damage, *sites.T, own, FADING**own, *leads, jnp.minimum(jnp.sum(nearer, axis=0), MANY), mine, rival - own]
    here = positions[agent]
    return Features(
        own=jnp.concatenate(
            [
                jnp.sum(weight, axis=1),
                jnp.sum(weight * mine.astype(float), axis=1),
                sites[here],
                damage[here][None],
                jnp.sum(others & (positions == here))[None].astype(float),
                problem.open_ways(positions)[agent].astype(float),
                jnp.sum(damage)[None],
                jnp.mean(sites, axis=0),
            ]
        ),
        entities=jnp.stack([jnp.asarray(each, float) for each in told], axis=1),
        present=jnp.ones(n, bool),
    )
