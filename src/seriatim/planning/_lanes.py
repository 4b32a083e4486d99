"""Simulating many futures side by side, lanes last.

A lane is one future: one state, one candidate and one sample. Arrays are `[..., lanes]`, so that every operation is one
long vector operation. Stages are counted outside the lanes, and a stage's disturbance is drawn once for each sample and
serves all candidates. Simulation ends when all lanes have.

Lanes are taken in chunks whose state is near the cache, and the lanes of a chunk end at more similar times than all
lanes do.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from seriatim._errors import InputError
from seriatim.lanes import kept, side_by_side, spaced
from seriatim.model import Disturbance, Key, Model, State, Transition
from seriatim.planning._simulation import Simulation, num_samples, num_stages, terminal
from seriatim.policy import Policy

# Bytes of state in one chunk.
CHUNK = 2**14
# Bytes and stages of disturbances that are drawn beforehand for one state, at most.
AHEAD_BYTES, AHEAD_STAGES = 2**17, 64


def simulate_lanes(
    model: Model,
    policies: tuple[Policy, ...],
    simulation: Simulation,
    states: State,
    controls: Int[Array, "states n m"],
    keys: Key,
    ahead: Disturbance | None,
    block: range,
    expected: Float[Array, " states"] | None = None,
) -> Float[Array, "states n samples"]:
    """Return the cost of each joint control at each state, for each sample in `block`.

    `ahead` is what was drawn beforehand for each state, or None. `expected` is about what a control costs there: states
    of one chunk then cost about the same, and where costs tell lengths, their futures end at about the same stage.
    """
    count, n, _ = controls.shape
    samples = len(block)
    bytes_each = n * samples * sum(leaf[0].size * leaf.dtype.itemsize for leaf in jax.tree.leaves(states))
    chunks, size = _shares(count, max(1, CHUNK // max(1, bytes_each)))

    def chunk(some: Any) -> Float[Array, "some n samples"]:
        states, controls, keys, ahead = some
        return _chunk(model, policies, simulation, states, controls, keys, ahead, block)

    given = (states, controls, keys, ahead)
    if chunks == 1:
        return chunk(given)
    order = jnp.arange(count) if expected is None else jnp.argsort(expected)
    # What the last share lacks is filled up with the first states once more.
    places = jnp.concatenate([order, order[: chunks * size - count]]).reshape(chunks, size)
    costs = jax.lax.map(lambda some: chunk(jax.tree.map(lambda leaf: leaf[some], given)), places)
    found: Float[Array, "states n samples"] = jnp.zeros((count, n, samples)).at[places].set(costs)
    return found


def _shares(count: int, most: int) -> tuple[int, int]:
    """Share `count` states out to as few chunks as will do, of equal size, `most` at most."""
    size = -(-count // -(-count // most))
    return -(-count // size), size


def draw_ahead(model: Model, simulation: Simulation, key: Key) -> Disturbance | None:
    """Draw the disturbances of the first stages, `[stages, ..., samples]`, for simulations that will meet them again.

    Stages beyond are drawn when they are reached, with the same results as if none had been drawn beforehand.
    """
    keys = _keys(key, num_samples(simulation, model))[0]

    def stage(t: Int[Array, ""]) -> Disturbance:
        return jax.tree.map(lambda leaf: leaf[0], _draw(model, simulation, keys[None], t))

    size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(jax.eval_shape(stage, jnp.int32(0))))
    if size == 0:
        return None
    stages = min(AHEAD_BYTES // size, AHEAD_STAGES, simulation.horizon or AHEAD_STAGES)
    return jax.vmap(stage)(jnp.arange(stages, dtype=jnp.int32)) if stages else None


def _keys(key: Key, samples: int) -> tuple[Key, Key]:
    """Return a key for the disturbances and one for the policies of each sample."""
    both = jax.random.split(key, (2, samples))
    return both[0], both[1]


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
    controls: Int[Array, "states n m"],
    keys: Key,
    ahead: Disturbance | None,
    block: range,
) -> Float[Array, "states n samples"]:
    count, n, m = controls.shape
    samples = len(block)
    shape, total = (count, n, samples), count * n * samples
    lanes = spaced(total)
    horizon, discount = num_stages(simulation, model), jnp.asarray(model.discount, float)
    # All keys are made and some are taken, so that a sample has its own whatever block it is in.
    both = jax.vmap(lambda key: _keys(key, num_samples(simulation, model)))(keys)
    disturbance_keys, policy_keys = (each[:, block.start : block.stop] for each in both)
    ahead = jax.tree.map(lambda leaf: leaf[..., block.start : block.stop], ahead)
    transition = side_by_side(model.transition, (-1, -1, -1), of=model)
    rest = side_by_side(lambda x: terminal(simulation, x), (-1,))

    def advance(now: _Now, control: Int[Array, "m lanes"]) -> _Now:
        draws = kept(lambda: _spread(_drawn(model, simulation, disturbance_keys, ahead, now.t), shape, lanes))
        after: Transition = transition(now.state, control, draws)
        return _Now(
            now.t + 1,
            after.state,
            now.cost + _weighted(now.weight, after.cost),
            jnp.where(after.done, 0.0, now.weight * discount),
        )

    def play(policy: Policy, now: _Now) -> _Now:
        own_keys = jax.vmap(jax.vmap(jax.random.fold_in, (0, None)), (0, None))(policy_keys, now.t)
        return advance(now, side_by_side(policy, (-1, -1))(now.state, _spread(_samples_last(own_keys), shape, lanes)))

    repeated = jax.tree.map(lambda leaf: jnp.repeat(jnp.moveaxis(leaf, 0, -1), n * samples, axis=-1), states)
    start = _Now(
        jnp.zeros((), jnp.int32),
        _filled_up(repeated, lanes),
        jnp.zeros(lanes),
        jnp.where(jnp.arange(lanes) < total, 1.0, 0.0),  # the lanes that fill up have ended
    )
    now = advance(start, _filled_up(jnp.repeat(controls.reshape(total // samples, m).T, samples, axis=1), lanes))
    for policy in policies[:-1]:
        now = play(policy, now)
    now = jax.lax.while_loop(
        lambda now: (now.t < horizon) & jnp.any(now.weight > 0), lambda now: play(policies[-1], now), now
    )
    return (now.cost + _weighted(now.weight, rest(now.state)))[:total].reshape(shape)


def _filled_up(tree: Any, lanes: int) -> Any:
    """Fill up to a number of lanes with the first ones once more."""
    return jax.tree.map(lambda leaf: jnp.concatenate([leaf, leaf[..., : lanes - leaf.shape[-1]]], axis=-1), tree)


def _spread(drawn: Any, shape: tuple[int, int, int], lanes: int) -> Any:
    """Turn what was drawn for each state and sample, `[states, ..., samples]`, into lanes: all candidates share it."""

    def one(leaf: Array) -> Array:
        last = jnp.moveaxis(leaf, 0, -2)
        return jnp.broadcast_to(last[..., None, :], (*last.shape[:-2], *shape)).reshape(*last.shape[:-2], -1)

    return _filled_up(jax.tree.map(one, drawn), lanes)


def _drawn(
    model: Model, simulation: Simulation, keys: Key, ahead: Disturbance | None, t: Int[Array, ""]
) -> Disturbance:
    """Return the disturbance of stage `t` for every state and sample, looked up where it was drawn beforehand."""
    if ahead is None:
        return _draw(model, simulation, keys, t)
    stages = jax.tree.leaves(ahead)[0].shape[1]

    def look() -> Disturbance:
        return jax.tree.map(lambda leaf: jax.lax.dynamic_index_in_dim(leaf, t, 1, keepdims=False), ahead)

    if simulation.horizon is not None and simulation.horizon <= stages:
        return look()
    return jax.lax.cond(t < stages, look, lambda: _draw(model, simulation, keys, t))


def _samples_last(drawn: Any) -> Any:
    return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 1, -1), drawn)


def _draw(model: Model, simulation: Simulation, keys: Key, t: Int[Array, ""]) -> Disturbance:
    """Draw the disturbance of stage `t` for every state and sample, or take the nominal one."""
    drawn = jax.vmap(jax.vmap(lambda key: model.sample_disturbance(jax.random.fold_in(key, t))))(keys)
    drawn = _samples_last(drawn)
    if simulation.nominal_from is None:
        return drawn
    chosen = t >= simulation.nominal_from
    return jax.tree.map(lambda d, w: jnp.where(chosen, jnp.asarray(w)[..., None], d), drawn, _nominal(model))


def _nominal(model: Model) -> Disturbance:
    method = getattr(model, "nominal_disturbance", None)
    if method is None:
        raise InputError(
            f"nominal_from asks for certainty equivalence, but {type(model).__name__} has no method "
            "nominal_disturbance(); add one that returns the typical disturbance."
        )
    return method()
