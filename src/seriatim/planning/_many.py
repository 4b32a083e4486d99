"""Decisions at many states at once: the work-horse of training data.

States are decided in parts of one size, so that one compilation serves them all and memory is bounded. Parts are
independent: each goes to the next free worker, by default one for each core of a CPU, or one for each accelerator.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Shaped

from seriatim import _optional
from seriatim._compile import jit
from seriatim._errors import InputError
from seriatim._preconditions import require_keys
from seriatim.model import Key, State
from seriatim.parallel import Backend, Devices, Local, over_keys
from seriatim.parallel._backends import cores
from seriatim.parallel._over_keys import Progress
from seriatim.planning._decision import require_admissible_base
from seriatim.policy import Decision, Planner

# States decided side by side; more are taken in turns, which bounds the memory.
STATES_AT_ONCE = 256
# Fewer are not worth the way to another worker.
FEWEST = 32


def decide_many(
    planner: Planner,
    states: State,
    keys: Key | Shaped[Array, "states ..."],
    *,
    on: Backend | None = None,
    progress: Progress | None = None,
) -> Decision:
    """Decide at every state, as if one after the other: row `i` is `planner.decide(states[i], keys[i])`.

    What is returned does not depend on who works or on how many there are; it lies on the first device.

    Args:
        planner: any planner.
        states: stacked along a leading axis.
        keys: one for each state, along the same axis.
        on: who works: `seriatim.parallel.Local()`, `Devices()`, `Ray()`; by default all cores of a CPU, and all
            accelerators where there are several.
        progress: called with (states decided, states) as the work goes on.

    Raises:
        InputError: the leading axes differ or are empty, what is given is no planner or no stack of keys, or the base
            policy's control is not admissible and feasible at a state.
    """
    _check(planner, states, keys)
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((planner, states, keys))):
        return _decide_many(planner, states, keys)
    count, usual = keys.shape[0], _all_here()
    workers = jax.local_device_count() if isinstance(usual, Devices) else cores()
    # The same parts for all who may work, so that the size of a part cannot tell them apart.
    part = min(count, STATES_AT_ONCE, max(FEWEST, -(-count // workers)))
    if on is None and part == count and progress is None:
        return _admitted(planner, states, keys, _decide_many(planner, states, keys))
    decisions: Decision = over_keys(
        _decide_part, keys, shared=planner, inputs=states, part=part, on=on or usual, progress=progress
    )
    return _admitted(planner, states, keys, decisions)


def _admitted(planner: Any, states: State, keys: Key, decisions: Decision) -> Decision:
    """Refuse decisions whose base control is not admissible and feasible, and name the first."""
    if decisions.admissible is None:
        return decisions
    bad = np.flatnonzero(~np.asarray(decisions.admissible))
    if bad.size:
        first = int(bad[0])
        state = jax.tree.map(lambda leaf: leaf[first], states)
        try:
            require_admissible_base(planner, state, keys[first], jnp.array(False))
        except InputError as error:
            raise InputError(f"At {bad.size} of {len(keys)} states, first at state {first}: {error}") from None
    return decisions


def _check(planner: Planner, states: State, keys: Key | Shaped[Array, "states ..."]) -> None:
    if not _optional.is_planner(planner):
        raise InputError(
            f"{type(planner).__name__} has no method decide, so it is no planner; give one, such as OneAtATimeRollout."
        )
    if jax.tree.leaves(states) and all(np.shape(leaf)[:1] == (0,) for leaf in jax.tree.leaves((states, keys))):
        raise InputError("There are no states and no keys; give at least one of each, stacked along axis 0.")
    require_keys(keys)
    lengths = {np.shape(leaf)[:1] for leaf in jax.tree.leaves(states)} | {keys.shape[:1]}
    if len(lengths) != 1:
        seen = ", ".join(str(n[0]) if n else "none" for n in sorted(lengths))
        raise InputError(
            f"The leading axes of states and keys have lengths {seen}; give as many keys as states, stacked along "
            "axis 0 (jax.random.split(key, n))."
        )


def _all_here() -> Backend:
    """Return all devices of this process, or all cores where its one device is a CPU."""
    devices = jax.local_devices()
    return Devices() if len(devices) > 1 or devices[0].platform != "cpu" else Local()


def _many(planner: Planner, states: State, keys: Key) -> Decision:
    decisions: Decision = jax.lax.map(lambda pair: planner.decide(*pair), (states, keys), batch_size=STATES_AT_ONCE)
    return decisions


_decide_many = jit(_many)


def _decide_part(planner: Planner, states: State, keys: Key) -> Decision:
    """What a worker does; a function that other processes find by its name."""
    return _decide_many(planner, states, keys)
