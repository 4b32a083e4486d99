"""The noise of a decision: all that is random in its simulations, decided before any control is compared.

For each sample there is a key for the disturbances and one for the policies. All joint controls that a decision
compares meet the same noise. The disturbances of the first stages are therefore drawn once, for all of them; those of
later stages when they are reached, from the same keys and with the same results.

Samples lie in blocks. A simulation waits for the longest of those that are simulated together, so those that will take
about as long belong together. Once the base control has been simulated, the costs of its samples tell: sorted by them,
and cut into blocks, samples are what `_futures.py` shares out.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from seriatim import _optional
from seriatim._errors import InputError
from seriatim.lanes import map_lanes
from seriatim.model import Disturbance, Key, Model
from seriatim.simulation._settings import Simulation, num_samples

# Bytes and stages of disturbances that are drawn beforehand for one state, at most.
AHEAD_BYTES, AHEAD_STAGES = 2**17, 64
# Samples of one block, where they are sorted; fewer than so many are not.
BLOCK, ENOUGH = 8, 16


class Noise(NamedTuple):
    """What the samples at one state meet; `ahead` holds the disturbances of the first stages, or is None."""

    disturbance_keys: Key  # [blocks, block]
    policy_keys: Key  # [blocks, block]
    ahead: Disturbance | None  # [blocks, stages, ..., block]


def noise_of(model: Model, simulation: Simulation, key: Key, *, beforehand: bool = False) -> Noise:
    """Return the noise of a decision, its samples in one block.

    Args:
        model: the problem.
        simulation: how many samples and stages.
        key: decides it all.
        beforehand: whether to draw the disturbances of the first stages now, for simulations that will meet them again.
    """
    if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        key = jax.random.wrap_key_data(key)
    disturbance_keys, policy_keys = jax.random.split(key, (2, num_samples(simulation, model)))
    ahead = _drawn_beforehand(model, simulation, disturbance_keys) if beforehand else None
    return Noise(disturbance_keys[None], policy_keys[None], ahead)


def _drawn_beforehand(model: Model, simulation: Simulation, keys: Key) -> Disturbance | None:
    @functools.partial(jax.jit, inline=True)  # written once, for its shapes and to be mapped
    def stage(t: Int[Array, ""]) -> Disturbance:
        return jax.tree.map(lambda leaf: leaf[0], draw(model, simulation, keys[None], t))

    size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(jax.eval_shape(stage, jnp.int32(0))))
    if size == 0:
        return None
    stages = min(AHEAD_BYTES // size, AHEAD_STAGES, simulation.horizon or AHEAD_STAGES)
    if not stages:
        return None
    every = jax.vmap(stage)(jnp.arange(stages, dtype=jnp.int32))
    return jax.tree.map(lambda leaf: leaf[None], every)


def of_samples(noise: Noise, samples: range) -> Noise:
    """Return the noise of consecutive samples, of those that lie in one block."""
    one: Noise = jax.tree.map(lambda leaf: leaf[..., samples.start : samples.stop], noise)
    return one


def worth_sorting(samples: int) -> bool:
    """Say whether there are enough samples to simulate those together that take about as long."""
    return samples >= ENOUGH


def reordered(noise: Noise, order: Int[Array, " samples"]) -> Noise:
    """Put samples that lie in one block into an order, and cut them into equal blocks of `BLOCK` or a little less."""
    samples = order.shape[0]
    size = next(n for n in range(min(BLOCK, samples), 0, -1) if samples % n == 0)

    def cut(leaf: Array) -> Array:
        placed = leaf[0][..., order]
        return jnp.moveaxis(placed.reshape(*placed.shape[:-1], samples // size, size), -2, 0)

    blocks: Noise = jax.tree.map(cut, noise)
    return blocks


def disturbances(
    model: Model,
    simulation: Simulation,
    ahead: Disturbance | None,
    keys: Key,
    places: Int[Array, " parts"] | None,
    t: Int[Array, ""],
) -> Disturbance:
    """Return the disturbances of stage `t`, `[parts, ..., block]`: looked up if drawn beforehand, else drawn.

    Args:
        model: the problem.
        simulation: how long.
        ahead: what was drawn beforehand, an axis of parts first.
        keys: for each sample of the parts that are asked for.
        places: where these are in `ahead`; None if they are all. Few of the stages drawn beforehand are ever reached,
            so parts are looked up stage by stage.
        t: the stage.
    """
    if ahead is None:
        return draw(model, simulation, keys, t)
    stages = jax.tree.leaves(ahead)[0].shape[1]

    def look() -> Disturbance:
        if places is None:
            return jax.tree.map(lambda leaf: jax.lax.dynamic_index_in_dim(leaf, t, 1, keepdims=False), ahead)
        return jax.tree.map(lambda leaf: leaf.at[places, t].get(mode="promise_in_bounds"), ahead)

    if simulation.horizon is not None and simulation.horizon <= stages:
        return look()
    return jax.lax.cond(t < stages, look, lambda: draw(model, simulation, keys, t))


def draw(model: Model, simulation: Simulation, keys: Key, t: Int[Array, ""]) -> Disturbance:
    """Draw the disturbance of stage `t` for every key, `[blocks, ..., block]`, or take the nominal one."""

    def one(key: Key, t: Int[Array, ""]) -> Disturbance:
        return model.sample_disturbance(jax.random.fold_in(key, t))

    def apart(leaf: Array) -> Array:
        return jnp.moveaxis(leaf.reshape(*leaf.shape[:-1], *keys.shape), -2, 0)

    every = jax.tree.map(apart, map_lanes(one, (-1, None))(keys.reshape(-1), t))
    if simulation.nominal_from is None:
        return every
    nominal = t >= simulation.nominal_from
    return jax.tree.map(lambda d, w: jnp.where(nominal, jnp.asarray(w)[..., None], d), every, _nominal(model))


def _nominal(model: Model) -> Disturbance:
    method = _optional.nominal_disturbance(model)
    if method is None:
        raise InputError(
            f"nominal_from asks for certainty equivalence, but {type(model).__name__} has no method "
            "nominal_disturbance(); add one that returns the typical disturbance."
        )
    return method()
