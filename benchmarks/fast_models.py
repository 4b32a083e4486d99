"""What makes a model fast: one hunt, written four ways, step by step.

The hunt is `simulation.Chase`: spiders on an open grid, flies that stay. Of several nearest flies the natural versions
take the first, the last two the one with the first move; those of one kind must play alike. Counted are joint steps of
1,024 episodes side by side, and in the end of some more, since 1,024 is the worst of numbers for a cache.

And what becomes of a heuristic that must take turns (`_dispatch.py`), written out or as a loop of JAX, by `jax.vmap`
and by lanes: alone, side by side in as many lanes as a turn of a decision has, and in whole decisions. All must choose
alike. Processor time of one core is counted there.
"""

import functools
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import seriatim as st
from benchmarks import _dispatch as dispatch
from benchmarks._results import Row, publish
from benchmarks._timing import in_turns
from seriatim.lanes import lanes, map_lanes, padded_lane_count

TEAM, SIDE, STATES, STAGES, ROUNDS, PATIENCE = 15, 20, 1024, 60, 21, 15.0
FAR = 10_000
COLUMNS = {"version": "", "million joint steps/s": ".2f", "of the first": ".1f"}
SAMPLES, HORIZON = 8, 20
TURN_LANES = padded_lane_count(dispatch.REQUESTS * SAMPLES)
TURNS = {"heuristic": "", "prepared in, s": ".1f", "a stage, microseconds": ".0f", "a decision, ms": ".1f"}


def natural(spiders: Any, flies: Any, alive: Any) -> Any:
    """Find the nearest fly, look it up, go there: the heuristic as one would write it."""
    apart = jnp.abs(flies[None] - spiders[:, None]).sum(axis=2, dtype=spiders.dtype)
    target = flies[jnp.argmin(jnp.where(alive[None], apart, FAR), axis=1)]
    down, right = (target - spiders).T
    return _move(down, right).astype(spiders.dtype)


def course(spiders: Any, flies: Any, alive: Any) -> Any:
    """Carry the move along with the distance in one number, so that a minimum is all there is to do."""
    down = flies[:, 0][None] - spiders[:, 0][:, None]
    right = flies[:, 1][None] - spiders[:, 1][:, None]
    both = 8 * (jnp.abs(down) + jnp.abs(right)) + _move(down, right).astype(spiders.dtype)
    return jnp.min(jnp.where(alive[None], both, FAR), axis=1) & 7


def _move(down: Any, right: Any) -> Any:
    return jnp.where(down < 0, 1, jnp.where(down > 0, 2, jnp.where(right < 0, 3, jnp.where(right > 0, 4, 0))))


def stage(heuristic: Any, state: Any) -> Any:
    """Play a stage under the heuristic, for one state."""
    spiders, flies, alive = state
    move = heuristic(spiders, flies, alive)
    down = (move == 2).astype(spiders.dtype) - (move == 1).astype(spiders.dtype)
    right = (move == 4).astype(spiders.dtype) - (move == 3).astype(spiders.dtype)
    spiders = jnp.clip(spiders + jnp.stack([down, right], axis=1), 0, SIDE - 1)
    caught = (spiders[:, None] == flies[None]).all(axis=2).any(axis=0)
    return spiders, flies, alive & ~caught


def versions() -> dict[str, tuple[Any, Any, int, int]]:
    """Return, for each version, its stage for many states, its type of numbers, where its lanes are and how many."""
    one, packed = functools.partial(stage, natural), functools.partial(stage, course)
    return {
        "natural, jax.vmap": (jax.vmap(one), jnp.int32, 0, STATES),
        "natural, lanes": (lanes(one, (-1,)), jnp.int32, -1, STATES),
        "... in 16 bits": (lanes(one, (-1,)), jnp.int16, -1, STATES),
        "... and nothing looked up": (lanes(packed, (-1,)), jnp.int16, -1, STATES),
        f"... and {padded_lane_count(STATES):,} lanes for {STATES:,}": (
            lanes(packed, (-1,)),
            jnp.int16,
            -1,
            padded_lane_count(STATES),
        ),
    }


def start(dtype: Any, axis: int, states: int) -> Any:
    """Draw the states all versions start from."""
    rng = np.random.default_rng(0)
    cells = np.moveaxis(rng.integers(0, SIDE, (states, 2 * TEAM, 2)), 0, axis).astype(dtype)
    spiders, flies = np.split(cells, 2, axis=1 if axis == 0 else 0)
    alive = np.ones((states, TEAM) if axis == 0 else (TEAM, states), bool)
    return tuple(map(jnp.asarray, (spiders, flies, alive)))


def _playing(many: Any, state: Any) -> Any:
    """Return a function that plays all stages and counts the living flies."""

    @jax.jit
    def play(state: Any) -> Any:
        def one(state: Any, _: None) -> Any:
            after = many(state)
            return after, jnp.sum(after[2])

        return jnp.sum(jax.lax.scan(one, state, None, STAGES)[1])

    return lambda: jax.block_until_ready(play(state))


def measure() -> list[Row]:
    contestants = {
        name: _playing(many, start(dtype, axis, states)) for name, (many, dtype, axis, states) in versions().items()
    }
    counts = [int(run()) for run in contestants.values()]
    assert len({*counts[:3]}) == 1, f"These are different hunts: {counts}."
    seconds = in_turns(contestants, ROUNDS, patience=PATIENCE)
    steps = {name: version[-1] * STAGES / seconds[name] / 1e6 for name, version in versions().items()}
    first = next(iter(steps.values()))
    return [
        {"version": name, "million joint steps/s": each, "of the first": each / first} for name, each in steps.items()
    ]


def turns() -> dict[str, Any]:
    """Return the heuristic that takes turns, in each of its versions."""
    unrolled, looped = dispatch.Unrolled(), dispatch.Looped()
    return {
        "unrolled, jax.vmap": dispatch.Mapped(unrolled),
        "unrolled, lanes": unrolled,
        "fori_loop, jax.vmap": dispatch.Mapped(looped),
        "fori_loop, lanes": looped,
    }


def _stages(heuristic: Any, keys: Any) -> Callable[[], Any]:
    """Return a program that takes so many stages, each of which depends on the one before."""
    many = map_lanes(heuristic, (-1, -1))

    @jax.jit
    def play(state: Any, keys: Any) -> Any:
        def one(state: Any, _: None) -> Any:
            control = many(state, keys)
            return state._replace(vehicles=state.vehicles + (control[:, None] & 1) - 1), control

        return jax.lax.scan(one, state, None, STAGES)[1]

    state = jax.vmap(dispatch.Dispatch().initial_state, out_axes=-1)(keys)
    return lambda: jax.block_until_ready(play(state, keys))


def _decision(heuristic: Any) -> Callable[[], Any]:
    model, key = dispatch.Dispatch(), jax.random.key(0)
    planner = st.OneAtATimeRollout(model, heuristic, st.Simulation(num_samples=SAMPLES, horizon=HORIZON))
    state = model.initial_state(key)
    return lambda: jax.block_until_ready(planner(state, key))


def measure_turns() -> list[Row]:
    keys = jax.random.split(jax.random.key(0), TURN_LANES)
    alone, whole = (
        {name: make(each) for name, each in turns().items()} for make in (lambda h: _stages(h, keys), _decision)
    )
    begin, prepared = time.process_time(), {}
    chosen = []
    for name, run in alone.items():
        chosen.append(np.asarray(run()))
        prepared[name], begin = time.process_time() - begin, time.process_time()
    decided = [np.asarray(run()) for run in whole.values()]
    for each in (chosen, decided):
        assert all(np.array_equal(each[0], other) for other in each), "These are different heuristics."
    stage, decision = (in_turns(some, ROUNDS, patience=PATIENCE, clock=time.process_time) for some in (alone, whole))
    return [
        {
            "heuristic": name,
            "prepared in, s": prepared[name],
            "a stage, microseconds": 1e6 * stage[name] / STAGES,
            "a decision, ms": 1e3 * decision[name],
        }
        for name in alone
    ]


def draw(rows: list[Row]) -> Figure:
    figure = Figure(figsize=(7, 2.2), layout="constrained")
    axes = figure.subplots()
    axes.barh([row["version"] for row in rows], [row["million joint steps/s"] for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel("million joint steps a second, one core")
    return figure


def main(*, redraw: bool = False) -> None:
    publish("fast_models", COLUMNS, measure, draw=draw, redraw=redraw, page="fast-models.md")
    publish("fast_models_turns", TURNS, measure_turns, redraw=redraw, page="fast-models.md")
