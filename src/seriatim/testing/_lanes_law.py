"""The law of lanes: many states that are simulated at once behave as each of them alone.

Planners simulate many futures side by side. They transform the model's own program (`seriatim.lanes`), or call it
unchanged if the model declares `lanes_last`. Whole numbers and truth values must agree exactly with `jax.vmap`, real
numbers up to the order in which sums are added up.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from seriatim import _optional
from seriatim._errors import in_words as error_in_words
from seriatim._structure import in_words
from seriatim._unoptimised import jit_unoptimised
from seriatim.lanes import map_lanes
from seriatim.model import Key, Model, State
from seriatim.testing._purity import agree
from seriatim.testing._report import Broken
from seriatim.testing._walk import random_control

LANES, STAGES = 8, 4


def lanes_law(model: Model, key: Key) -> str:
    """Play some stages in both ways, with the base policy if there is one."""
    name = type(model).__name__
    # If the state is hidden, the heuristic takes beliefs. It is tested when the model over beliefs is checked.
    hidden, heuristic = _optional.belief_model(model) is not None, _optional.base_policy(model)
    base = None if hidden or heuristic is None else heuristic()

    @jit_unoptimised
    def both_ways(states: State, key: Key) -> dict[str, tuple[Any, Any]]:
        keys = jax.random.split(key, LANES)
        disturbance = jax.vmap(model.sample_disturbance, out_axes=-1)(keys)
        keys = jnp.moveaxis(keys, 0, -1)  # old keys have an axis of their own, before the lanes
        control, _ = jax.vmap(functools.partial(random_control, model), -1, -1)(states, keys)
        moves, heuristic = f"{name}.transition", f"{name}.base_policy()"
        seen = {moves: _both(moves, model, model.transition, states, control, disturbance)}
        return seen if base is None else {**seen, heuristic: _both(heuristic, base, base, states, keys)}

    start, *stages = jax.random.split(key, STAGES + 1)
    states = jax.vmap(model.initial_state, out_axes=-1)(jax.random.split(start, LANES))
    for stage in stages:
        seen = both_ways(states, stage)
        for what, (alone, together) in seen.items():
            owner = model if what == f"{name}.transition" else base
            _require_same(what, alone, together, declared=_declares(owner))
        states = seen[f"{name}.transition"][0].state
    return f"{STAGES} stages of {LANES} states at once, as each alone"


def _declares(owner: Any) -> bool:
    return bool(_optional.lanes_last(owner))


def _both(what: str, owner: Any, function: Any, *arguments: Any) -> tuple[Any, Any]:
    axes = (-1,) * len(arguments)
    alone = jax.vmap(function, axes, -1)(*arguments)
    try:
        return alone, map_lanes(function, axes, of=owner)(*arguments)
    except Exception as error:
        if not _declares(owner):
            raise
        failure = error_in_words(error).rstrip(".")
        raise Broken(
            f"{what} declares lanes_last and fails when its arguments have one more axis, the last: "
            f"{failure}; keep that axis apart in every operation, or do not declare lanes_last."
        ) from error


def _require_same(what: str, alone: Any, together: Any, *, declared: bool) -> None:
    remedy = (
        "it declares lanes_last, so keep the last axis apart in every operation, or do not declare it."
        if declared
        else "if it is a pure function of its arguments, this is a fault of seriatim: please report it."
    )
    structures: list[Any] = [jax.tree.structure(each) for each in (alone, together)]
    if structures[0] != structures[1]:
        raise Broken(f"{what} returns another structure for many states at once than for one; {remedy}")
    both = zip(jax.tree_util.tree_flatten_with_path(alone)[0], jax.tree.leaves(together), strict=True)
    for (path, one), other in both:
        if not _agree(one, other):
            place = jax.tree_util.keystr(path) or "its result"
            seen = in_words(one) if one.shape == other.shape else f"{in_words(one)} and {in_words(other)}"
            raise Broken(f"{what} differs in {place} ({seen}) between one state and many at once; {remedy}")


def _agree(one: Any, other: Any) -> bool:
    if one.shape != other.shape:
        # A result that is the same for all lanes may be a single number.
        return other.ndim == 0 and agree(one, jnp.broadcast_to(other, one.shape))
    return agree(one, other)
