"""Decisions at many states at once: the work-horse of training data.

States are decided in parts of one size, so that one compilation serves all of them and memory is bounded. Parts are
independent: each goes to the next free worker, one for each core of a CPU, or one for each accelerator.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Shaped

from seriatim._compile import jit
from seriatim._errors import InputError
from seriatim.model import Key, State
from seriatim.policy import Decision, Planner

# States decided side by side; more are taken in turns, which bounds the memory.
STATES_AT_ONCE = 256


def decide_many(planner: Planner, states: State, keys: Key | Shaped[Array, "states ..."]) -> Decision:
    """Decide at every state, as if one after the other: row `i` is `planner.decide(states[i], keys[i])`.

    All cores of a CPU work on it, and all accelerators where there are several. What is returned does not depend on how
    many there are; it lies on the first device.

    Args:
        planner: any planner.
        states: stacked along a leading axis.
        keys: one for each state, along the same axis.

    Raises:
        InputError: the leading axes differ.
    """
    lengths = {leaf.shape[:1] for leaf in jax.tree.leaves(states)} | {keys.shape[:1]}
    if len(lengths) != 1 or lengths == {()}:
        seen = ", ".join(str(n[0]) if n else "none" for n in sorted(lengths))
        raise InputError(
            f"The leading axes of states and keys have lengths {seen}; give as many keys as states, stacked along "
            "axis 0 (jax.random.split(key, n))."
        )
    count = keys.shape[0]
    workers = _workers()
    together = min(STATES_AT_ONCE, -(-count // len(workers)))
    if together == count or any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((planner, states, keys))):
        return _decide_many(planner, states, keys)
    return _in_parts(planner, (states, keys), count, together, workers)


def _workers() -> list[jax.Device]:
    """Return the device of each worker."""
    devices: list[jax.Device] = jax.local_devices()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return devices if len(devices) > 1 or devices[0].platform != "cpu" else devices * cores


def _in_parts(planner: Planner, given: Any, count: int, together: int, workers: list[jax.Device]) -> Decision:
    """Decide part by part; the last one is filled up with states that are decided for nothing."""

    def decide(number: int) -> Decision:
        where = jnp.minimum(jnp.arange(together) + number * together, count - 1)
        part = jax.tree.map(lambda leaf: leaf[where], given)
        # What lies on a device is decided there; the planner's numbers follow.
        if workers[0] != workers[-1]:
            part = jax.device_put(part, workers[number % len(workers)])
        decisions: Decision = jax.block_until_ready(_decide_many(planner, *part))
        return decisions

    with ThreadPoolExecutor(len(workers)) as pool:
        parts = list(pool.map(decide, range(-(-count // together))))
    here = jax.device_put(parts, workers[0])
    whole: Decision = jax.tree.map(lambda *leaves: jnp.concatenate(leaves)[:count], *here)
    return whole


def _many(planner: Planner, states: State, keys: Key) -> Decision:
    decisions: Decision = jax.lax.map(lambda pair: planner.decide(*pair), (states, keys), batch_size=STATES_AT_ONCE)
    return decisions


_decide_many = jit(_many)
