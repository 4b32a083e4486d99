"""Simulating many futures side by side, lanes last.

A lane is one future: one state, one candidate and one sample. Arrays are `[..., lanes]`, so that every operation is one
long vector operation. Stages are counted outside the lanes, and a stage's disturbance is drawn once for each sample and
serves all candidates. Simulation ends when all lanes have.

Lanes are taken in chunks whose state is near the cache. What is put into one chunk, and so waits for one another, is
what is expected to cost about the same: blocks of samples (`_draws.py`), whatever state they belong to.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from seriatim.lanes import kept, side_by_side, spaced
from seriatim.model import Model, State, Transition
from seriatim.planning._draws import Draws, disturbances
from seriatim.planning._simulation import Simulation, num_stages, terminal
from seriatim.policy import Policy

# Bytes of state in one chunk: near the cache of a CPU; an accelerator is to be filled, and waits between chunks.
CHUNK, CHUNK_OF_ACCELERATORS = 2**14, 2**28


class Simulated(NamedTuple):
    """What the futures of joint controls cost, and how many of each had not ended where they were cut off."""

    costs: Float[Array, "*states n samples"]
    truncated: Int[Array, "*states n"]


def simulate_lanes(
    model: Model,
    policies: tuple[Policy, ...],
    simulation: Simulation,
    states: State,
    controls: Int[Array, "states n m"],
    draws: Draws,
    expected: Float[Array, "states blocks"] | None = None,
) -> Simulated:
    """Return the cost of each joint control at each state, for each sample of `draws`, which has an axis of states.

    `expected` is about what a control costs there, for each block of samples: those of one chunk then cost about the
    same, and where costs tell lengths, their futures end at about the same stage.
    """
    count, n, _ = controls.shape
    blocks, block = draws.policy_keys.shape[1:3]
    # A part is a block of samples at a state.
    parts = count * blocks
    of_parts = jax.tree.map(lambda leaf: leaf.reshape(parts, *leaf.shape[2:]), draws)
    bytes_each = n * block * sum(leaf[0].size * leaf.dtype.itemsize for leaf in jax.tree.leaves(states))
    most = CHUNK if jax.default_backend() == "cpu" else CHUNK_OF_ACCELERATORS
    chunks, size = _shares(parts, max(1, most // max(1, bytes_each)))

    def chunk(places: Int[Array, " size"]) -> Simulated:
        here, controls_here = jax.tree.map(lambda leaf: leaf[places // blocks], (states, controls))
        return _chunk(model, policies, simulation, here, controls_here, of_parts, places)

    if chunks == 1:
        here, controls_here = jax.tree.map(lambda leaf: jnp.repeat(leaf, blocks, axis=0), (states, controls))
        found = _chunk(model, policies, simulation, here, controls_here, of_parts, None)
    else:
        order = jnp.arange(parts) if expected is None else jnp.argsort(expected.reshape(-1))
        # What the last share lacks is filled up with the first parts once more.
        places = jnp.concatenate([order, order[: chunks * size - parts]]).reshape(chunks, size)
        nothing = Simulated(jnp.zeros((parts, n, block)), jnp.zeros((parts, n), jnp.int32))
        found = jax.tree.map(lambda zero, each: zero.at[places].set(each), nothing, jax.lax.map(chunk, places))
    costs = jnp.moveaxis(found.costs.reshape(count, blocks, n, block), 1, 2).reshape(count, n, -1)
    return Simulated(costs, jnp.sum(found.truncated.reshape(count, blocks, n), axis=1, dtype=jnp.int32))


def _shares(count: int, most: int) -> tuple[int, int]:
    """Share `count` parts out to as few chunks as will do, of equal size, `most` at most."""
    size = -(-count // -(-count // most))
    return -(-count // size), size


class _Now(NamedTuple):
    """All lanes at one stage; `weight` is that of the stage's cost, discount**t, and 0 where the game is over."""

    t: Int[Array, ""]
    state: State
    cost: Float[Array, " lanes"]
    weight: Float[Array, " lanes"]


def _weighted(weight: Float[Array, " lanes"], cost: Any) -> Float[Array, " lanes"]:
    """Return `weight * cost`, and 0 where the weight is 0, whatever the cost."""
    return jnp.where(weight > 0, weight * jnp.asarray(cost, float), 0.0)


def _chunk(
    model: Model,
    policies: tuple[Policy, ...],
    simulation: Simulation,
    states: State,
    controls: Int[Array, "parts n m"],
    draws: Draws,
    places: Int[Array, " parts"] | None,
) -> Simulated:
    """Simulate some parts; `places` says where they are among `draws`, None that they are all."""
    count, n, m = controls.shape
    samples = draws.policy_keys.shape[1]
    shape, total = (count, n, samples), count * n * samples
    lanes = spaced(total)
    horizon, discount = num_stages(simulation, model), jnp.asarray(model.discount, float)
    transition = side_by_side(model.transition, (-1, -1, -1), of=model)
    keys, policy_keys = (
        each if places is None else each[places] for each in (draws.disturbance_keys, draws.policy_keys)
    )
    rest = side_by_side(lambda x: terminal(simulation, x), (-1,))

    @functools.partial(jax.jit, inline=True)  # the first stage and all others are written once
    def advance(now: _Now, control: Int[Array, "m lanes"]) -> _Now:
        met = kept(lambda: _spread(disturbances(model, simulation, draws.ahead, keys, places, now.t), shape, lanes))
        after: Transition = transition(now.state, control, met)
        return _Now(
            now.t + 1,
            after.state,
            now.cost + _weighted(now.weight, after.cost),
            jnp.where(after.done, 0.0, now.weight * discount),
        )

    def play(policy: Policy, now: _Now) -> _Now:
        own_keys = side_by_side(jax.random.fold_in, (-1, None))(policy_keys.reshape(-1), now.t).reshape(count, samples)
        after: _Now = advance(now, side_by_side(policy, (-1, -1))(now.state, _spread(own_keys, shape, lanes)))
        return after

    repeated = jax.tree.map(lambda leaf: jnp.repeat(jnp.moveaxis(leaf, 0, -1), n * samples, axis=-1), states)
    start = _Now(
        jnp.zeros((), jnp.int32),
        _filled_up(repeated, lanes),
        jnp.zeros(lanes),
        (jnp.arange(lanes) < total).astype(float),  # the lanes that fill up have ended
    )
    now = advance(start, _filled_up(jnp.repeat(controls.reshape(total // samples, m).T, samples, axis=1), lanes))
    for policy in policies[:-1]:
        now = play(policy, now)
    now = jax.lax.while_loop(
        lambda now: (now.t < horizon) & jnp.any(now.weight > 0), lambda now: play(policies[-1], now), now
    )
    costs = (now.cost + _weighted(now.weight, rest(now.state)))[:total].reshape(shape)
    alive = (now.weight > 0)[:total].reshape(shape)
    return Simulated(costs, jnp.sum(alive, axis=2, dtype=jnp.int32))


def _filled_up(tree: Any, lanes: int) -> Any:
    """Fill up to a number of lanes with the first ones once more."""
    return jax.tree.map(lambda leaf: jnp.concatenate([leaf, leaf[..., : lanes - leaf.shape[-1]]], axis=-1), tree)


def _spread(drawn: Any, shape: tuple[int, int, int], lanes: int) -> Any:
    """Turn what was drawn for each state and sample, `[states, ..., samples]`, into lanes: all candidates share it."""

    def one(leaf: Array) -> Array:
        last = jnp.moveaxis(leaf, 0, -2)
        return jnp.broadcast_to(last[..., None, :], (*last.shape[:-2], *shape)).reshape(*last.shape[:-2], -1)

    return _filled_up(jax.tree.map(one, drawn), lanes)
