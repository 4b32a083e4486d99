"""Simulating many futures side by side, lanes last.

A lane is one future: one state, one joint control and one sample. Arrays are `[..., lanes]`, so that every operation is
one long vector operation. Stages are counted outside the lanes, and a stage's disturbance is drawn once for each sample
and serves all joint controls. Simulation ends when all lanes have.

Lanes are taken in chunks whose states fit near the cache. The futures of a chunk wait for one another, so a chunk is
made of blocks of samples (`_noise.py`) that are expected to cost about the same, whatever state they belong to.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from seriatim._platform import on_cpu
from seriatim.lanes import map_lanes, materialise, padded_lane_count
from seriatim.model import Model, State
from seriatim.policy import Policy
from seriatim.simulation._noise import Noise, disturbances
from seriatim.simulation._settings import Simulation, num_stages, terminal
from seriatim.simulation._stage import Lanes, begun, lane_stage

# Bytes of state in one chunk: near the cache of a CPU; an accelerator is to be filled, and waits between chunks.
CHUNK, CHUNK_OF_ACCELERATORS = 2**14, 2**28


class Costs(NamedTuple):
    """The costs of the futures of joint controls, and how many of each had not ended where they were cut off."""

    costs: Float[Array, "*states n samples"]
    truncated: Int[Array, "*states n"]


def simulate_futures(
    model: Model,
    policies: tuple[Policy, ...],
    simulation: Simulation,
    states: State,
    controls: Int[Array, "states n m"],
    noise: Noise,
    expected: Float[Array, "states blocks"] | None = None,
) -> Costs:
    """Return the cost of each joint control at each state, for each sample of `noise`, which has an axis of states.

    `expected` is the approximate cost of a control there, for each block of samples. The blocks of a chunk then cost
    about the same, and where costs tell lengths, their futures end at about the same stage.
    """
    count, n, _ = controls.shape
    blocks, block = noise.policy_keys.shape[1:3]
    # A part is a block of samples at a state.
    parts = count * blocks
    of_parts = jax.tree.map(lambda leaf: leaf.reshape(parts, *leaf.shape[2:]), noise)
    # A part is so many futures, each with a state of its own.
    bytes_each = n * block * sum(leaf[0].size * leaf.dtype.itemsize for leaf in jax.tree.leaves(states))
    most = CHUNK if on_cpu() else CHUNK_OF_ACCELERATORS
    chunks, size = _shares(parts, max(1, most // max(1, bytes_each)))

    def chunk(places: Int[Array, " size"]) -> Costs:
        # The parts of one state lie one after the other.
        here, controls_here = jax.tree.map(lambda leaf: leaf[places // blocks], (states, controls))
        return _chunk(model, policies, simulation, here, controls_here, of_parts, places)

    if chunks == 1:
        # All parts in their order: repeated, where a chunk looks its own up.
        here, controls_here = jax.tree.map(lambda leaf: jnp.repeat(leaf, blocks, axis=0), (states, controls))
        found = _chunk(model, policies, simulation, here, controls_here, of_parts, None)
    else:
        order = jnp.arange(parts) if expected is None else jnp.argsort(expected.reshape(-1))
        # The last chunk is filled up with the first parts once more.
        places = jnp.concatenate([order, order[: chunks * size - parts]]).reshape(chunks, size)
        # A part that fills up is simulated twice with the same result, so it does not matter which is written last.
        nothing = Costs(jnp.zeros((parts, n, block)), jnp.zeros((parts, n), jnp.int32))
        found = jax.tree.map(lambda zero, each: zero.at[places].set(each), nothing, jax.lax.map(chunk, places))
    # From [states, blocks, n, block] to [states, n, samples].
    costs = jnp.moveaxis(found.costs.reshape(count, blocks, n, block), 1, 2).reshape(count, n, -1)
    return Costs(costs, jnp.sum(found.truncated.reshape(count, blocks, n), axis=1, dtype=jnp.int32))


def _shares(count: int, most: int) -> tuple[int, int]:
    """Share `count` parts out to as few chunks as will do, of equal size, `most` at most."""
    size = -(-count // -(-count // most))
    return -(-count // size), size


class _Now(NamedTuple):
    t: Int[Array, ""]
    lanes: Lanes


def _chunk(
    model: Model,
    policies: tuple[Policy, ...],
    simulation: Simulation,
    states: State,
    controls: Int[Array, "parts n m"],
    noise: Noise,
    places: Int[Array, " parts"] | None,
) -> Costs:
    """Simulate some parts; `places` says where they are in `noise`, None that they are all."""
    count, n, m = controls.shape
    samples = noise.policy_keys.shape[1]
    shape, total = (count, n, samples), count * n * samples
    width = padded_lane_count(total)
    horizon = num_stages(simulation, model)
    stage = lane_stage(model)
    keys, policy_keys = (
        each if places is None else each[places] for each in (noise.disturbance_keys, noise.policy_keys)
    )

    @functools.partial(jax.jit, inline=True)  # the first stage and all others are written once
    def advance(now: _Now, control: Int[Array, "m lanes"]) -> _Now:
        met = materialise(
            lambda: _spread(disturbances(model, simulation, noise.ahead, keys, places, now.t), shape, width)
        )
        return _Now(now.t + 1, stage(now.lanes, control, met, now.lanes.weight > 0)[0])

    def play(policy: Policy, now: _Now) -> _Now:
        # One key for each sample and stage: the policy's own randomness is shared by all joint controls, too.
        own_keys = map_lanes(jax.random.fold_in, (-1, None))(policy_keys.reshape(-1), now.t).reshape(count, samples)
        after: _Now = advance(now, map_lanes(policy, (-1, -1))(now.lanes.state, _spread(own_keys, shape, width)))
        return after

    candidates = jnp.repeat(controls.reshape(total // samples, m).T, samples, axis=1)
    # The first stage plays the controls that are compared.
    now = advance(_Now(jnp.zeros((), jnp.int32), _begun(states, n * samples, width)), _filled_up(candidates, width))
    # With lookahead the next stages have a policy each; the last policy plays all that follow.
    for policy in policies[:-1]:
        now = play(policy, now)
    now = jax.lax.while_loop(
        lambda now: (now.t < horizon) & jnp.any(now.lanes.weight > 0), functools.partial(play, policies[-1]), now
    )
    rest = map_lanes(lambda x: terminal(simulation, x), (-1,))(now.lanes.state)
    # Where futures go on, their weight says so: to carry `done` through the loop would be one array more.
    weight, goes_on = now.lanes.weight, now.lanes.weight > 0
    costs = now.lanes.cost + jnp.where(goes_on, weight * jnp.asarray(rest, float), 0.0)
    return Costs(costs[:total].reshape(shape), jnp.sum(goes_on[:total].reshape(shape), axis=2, dtype=jnp.int32))


def _begun(states: State, each: int, width: int) -> Lanes:
    """Return lanes that begin at these states, so many at `each`, ordered by part, then control, then sample."""
    repeated = jax.tree.map(lambda leaf: jnp.repeat(jnp.moveaxis(leaf, 0, -1), each, axis=-1), states)
    # The lanes that fill up have ended.
    real = jnp.arange(width) < jax.tree.leaves(repeated)[0].shape[-1]
    return begun(_filled_up(repeated, width), width)._replace(weight=real.astype(float), done=~real)


def _filled_up(tree: Any, lanes: int) -> Any:
    """Fill up to a number of lanes with the first ones once more."""
    return jax.tree.map(lambda leaf: jnp.concatenate([leaf, leaf[..., : lanes - leaf.shape[-1]]], axis=-1), tree)


def _spread(each: Any, shape: tuple[int, int, int], lanes: int) -> Any:
    """Turn an array of states and samples, `[states, ..., samples]`, into lanes: all controls share its entries."""

    def one(leaf: Array) -> Array:
        # States go next to the samples, and controls in between.
        last = jnp.moveaxis(leaf, 0, -2)
        return jnp.broadcast_to(last[..., None, :], (*last.shape[:-2], *shape)).reshape(*last.shape[:-2], -1)

    return _filled_up(jax.tree.map(one, each), lanes)
