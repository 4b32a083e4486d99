"""Simulating many futures side by side, lanes last.

A lane is one future: one state, one candidate and one sample. Arrays are `[..., lanes]`, so that every operation is one
long vector operation. Stages are counted outside the lanes, and a stage's disturbance is drawn once for each sample and
serves all candidates. Simulation ends when all lanes have.

Lanes are taken in chunks whose state fits the cache: beyond it every operation waits for memory, and the lanes of a
chunk end at more similar times than all lanes do.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from seriatim._errors import InputError
from seriatim.lanes import lanes
from seriatim.model import Disturbance, Key, Model, State, Transition
from seriatim.planning._simulation import Simulation, num_samples, num_stages, terminal
from seriatim.policy import Policy

# Bytes of state in one chunk.
CHUNK = 2**17


def simulate_lanes(
    model: Model,
    policies: tuple[Policy, ...],
    simulation: Simulation,
    states: State,
    controls: Int[Array, "states n m"],
    keys: Key,
    *,
    block: range,
) -> Float[Array, "states n samples"]:
    """Return the cost of each joint control at each state, for each sample in `block`."""
    count, n, _ = controls.shape
    samples = len(block)
    bytes_each = n * samples * sum(leaf[0].size * leaf.dtype.itemsize for leaf in jax.tree.leaves(states))
    together = _divisor(count, CHUNK // max(1, bytes_each))

    def chunk(some: Any) -> Float[Array, "some n samples"]:
        return _chunk(model, policies, simulation, *some, block=block)

    if together == count:
        return chunk((states, controls, keys))
    split = jax.tree.map(lambda leaf: leaf.reshape(-1, together, *leaf.shape[1:]), (states, controls, keys))
    return jax.lax.map(chunk, split).reshape(count, n, samples)


def _divisor(count: int, most: int) -> int:
    """Return the largest divisor of `count` that is at most `most`, and at least 1."""
    return next(d for d in range(max(1, min(count, most)), 0, -1) if count % d == 0)


class _Now(NamedTuple):
    """All lanes at one stage."""

    t: Int[Array, ""]
    weight: Float[Array, ""]
    state: State
    cost: Float[Array, " lanes"]
    done: Bool[Array, " lanes"]


def _chunk(
    model: Model,
    policies: tuple[Policy, ...],
    simulation: Simulation,
    states: State,
    controls: Int[Array, "states n m"],
    keys: Key,
    *,
    block: range,
) -> Float[Array, "states n samples"]:
    count, n, m = controls.shape
    samples = len(block)
    shape = (count, n, samples)
    horizon, discount = num_stages(simulation, model), jnp.asarray(model.discount, float)
    # All keys are made and some are taken, so that a sample has its own whatever block it is in.
    split = jax.vmap(lambda key: jax.random.split(key, (2, num_samples(simulation, model))), out_axes=1)
    disturbance_keys, policy_keys = split(keys)[:, :, block.start : block.stop]
    transition, rest = lanes(model.transition, (-1, -1, -1)), lanes(lambda x: terminal(simulation, x), (-1,))

    def advance(now: _Now, control: Int[Array, "m lanes"]) -> _Now:
        draws = _spread(_draw(model, simulation, disturbance_keys, now.t), shape)
        after: Transition = transition(now.state, control, draws)
        cost = jnp.where(now.done, 0.0, jnp.asarray(after.cost, float))
        return _Now(
            now.t + 1,
            now.weight * discount,
            after.state,
            now.cost + now.weight * cost,
            now.done | after.done,
        )

    def play(policy: Policy, now: _Now) -> _Now:
        own_keys = jax.vmap(jax.vmap(jax.random.fold_in, (0, None)), (0, None))(policy_keys, now.t)
        return advance(now, lanes(policy, (-1, -1))(now.state, _spread(own_keys, shape)))

    total = count * n * samples
    repeated = jax.tree.map(lambda leaf: jnp.repeat(jnp.moveaxis(leaf, 0, -1), n * samples, axis=-1), states)
    start = _Now(jnp.zeros((), jnp.int32), jnp.ones((), float), repeated, jnp.zeros(total), jnp.zeros(total, bool))
    now = advance(start, jnp.repeat(controls.reshape(count * n, m).T, samples, axis=1))
    for policy in policies[:-1]:
        now = play(policy, now)
    now = jax.lax.while_loop(
        lambda now: (now.t < horizon) & ~jnp.all(now.done), lambda now: play(policies[-1], now), now
    )
    return (now.cost + now.weight * jnp.where(now.done, 0.0, rest(now.state))).reshape(shape)


def _spread(drawn: Any, shape: tuple[int, int, int]) -> Any:
    """Turn what was drawn for each state and sample, `[states, samples, ...]`, into lanes: all candidates share it."""

    def one(leaf: Array) -> Array:
        last = jnp.moveaxis(leaf, (0, 1), (-2, -1))
        return jnp.broadcast_to(last[..., None, :], (*last.shape[:-2], *shape)).reshape(*last.shape[:-2], -1)

    return jax.tree.map(one, drawn)


def _draw(model: Model, simulation: Simulation, keys: Key, t: Int[Array, ""]) -> Disturbance:
    """Draw the disturbance of stage `t` for every state and sample, or take the nominal one."""
    drawn = jax.vmap(jax.vmap(lambda key: model.sample_disturbance(jax.random.fold_in(key, t))))(keys)
    if simulation.nominal_from is None:
        return drawn
    chosen = t >= simulation.nominal_from
    return jax.tree.map(lambda d, w: jnp.where(chosen, jnp.broadcast_to(w, d.shape), d), drawn, _nominal(model))


def _nominal(model: Model) -> Disturbance:
    method = getattr(model, "nominal_disturbance", None)
    if method is None:
        raise InputError(
            f"nominal_from asks for certainty equivalence, but {type(model).__name__} has no method "
            "nominal_disturbance(); add one that returns the typical disturbance."
        )
    return method()
