"""Decisions of one-at-a-time rollout, beside a scalar compiled program of the same rules on the same core.

"One state" takes states one by one, as an online controller meets them, in turn and by speculation; "many states" hands
all of them to `decide_many`. Before anything is timed, all must choose the same controls at every state, wandering flies
included: there the scalar program is fed the disturbances that the library drew. While timed it draws its own, once for
each state, which is the least work it could do.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import seriatim as st
from benchmarks import _scalar as scalar
from benchmarks._results import ROOT, Row, publish
from benchmarks._timing import in_turns
from seriatim.planning._common import planner_keys
from seriatim.problems import SpidersAndFlies

MAPS = ROOT.parent / "shared" / "data" / "maps"
HORIZON, SAMPLES = 400, 32
ROUNDS, PATIENCE = 15, 6.0
# States met one by one in a round.
ONE_BY_ONE = 8
COLUMNS = {
    "spiders, flies, grid": "",
    "flies": "",
    "states": ",d",
    "scalar, ms": ".3f",
    "in turn, ms": ".3f",
    "speculative, ms": ".3f",
    "many, ms": ".3f",
    "times as fast": ".2f",
}


class Case(NamedTuple):
    """A game, and how many states are decided together (1: one by one)."""

    label: str
    behaviour: str
    states: int
    options: dict[str, Any]

    def model(self) -> SpidersAndFlies:
        return SpidersAndFlies(**self.options, fly_behaviour=self.behaviour)


def _open(team: int, side: int, states: int, behaviour: str = "stay") -> Case:
    size = {"spiders": team, "flies": team, "width": side, "height": side}
    return Case(f"{team}, {team}, {side}", behaviour, states, size)


def _on_map(states: int) -> Case:
    files = {"map": MAPS / "random-64-64-10.map", "starts": MAPS / "random-example_400.agents"}
    return Case("15, 15, random-64-64-10", "stay", states, {"spiders": 15, "flies": 15, **files})


def cases() -> list[Case]:
    """List the games; the largest are decided at fewer states, which is all that patience allows."""
    sizes = [(4, 10, 256), (15, 20, 256), (50, 50, 64), (100, 100, 16)]
    both = [_open(team, side, states) for team, side, many in sizes for states in (1, many)]
    maps = [_on_map(1), _on_map(256)] if Path(MAPS, "random-64-64-10.map").exists() else []
    return [*both, *maps, _open(15, 20, 1, "wander"), _open(15, 20, 16, "wander")]


class Contest(NamedTuple):
    """One case, made ready for both sides."""

    model: SpidersAndFlies
    simulation: st.Simulation
    states: Any
    keys: Any


def contest(case: Case) -> Contest:
    """Draw the states."""
    model, count = case.model(), ONE_BY_ONE if case.states == 1 else case.states
    start, decide = jax.random.split(jax.random.key(0))
    states = jax.vmap(model.initial_state)(jax.random.split(start, count))
    samples = 1 if case.behaviour == "stay" else SAMPLES
    return Contest(model, st.Simulation(horizon=HORIZON, num_samples=samples), states, jax.random.split(decide, count))


def planner(one: Contest, schedule: str) -> st.OneAtATimeRollout:
    """Return the library's planner."""
    return st.OneAtATimeRollout(one.model, one.model.base_policy(), one.simulation, schedule=schedule)


def scalar_program(one: Contest, luck: scalar.Luck) -> Callable[[Any], np.ndarray]:
    """Return a function that decides at stacked states with the scalar program."""
    ground, room = scalar.ground_of(one.model), scalar.room_for(one.model)
    rules = scalar.Rules(HORIZON, one.simulation.num_samples, 1.0)

    def decided(states: tuple[np.ndarray, ...]) -> np.ndarray:
        return scalar.decide_many(ground, room, rules, *states, luck)

    return decided


def plain(states: Any) -> tuple[np.ndarray, ...]:
    """Return states as NumPy arrays, as the scalar program takes them."""
    return tuple(np.asarray(leaf) for leaf in (states.spiders, states.flies, states.alive))


def check(one: Contest, schedules: list[str]) -> None:
    """Insist on the same controls from all, at every state of the case."""
    states, ground, room = plain(one.states), scalar.ground_of(one.model), scalar.room_for(one.model)
    rules = scalar.Rules(HORIZON, one.simulation.num_samples, 1.0)
    ours = [np.asarray(st.decide_many(planner(one, name), one.states, one.keys).control) for name in schedules]
    for k, key in enumerate(one.keys):
        expected = scalar.decide(ground, room, rules, *(leaf[k] for leaf in states), _same_luck(one, key))
        for name, controls in zip(schedules, ours, strict=True):
            if not np.array_equal(controls[k], expected):
                raise AssertionError(f"State {k}, {name}: {controls[k]}, the scalar program: {expected}.")


def _same_luck(one: Contest, key: Any) -> scalar.Luck:
    """Draw what the engine draws for a decision: a key for each sample, into which the stage is folded."""
    if one.model.fly_behaviour == "stay":
        return scalar.no_luck()
    of_samples = jax.random.split(planner_keys(key).simulation, (2, SAMPLES))[0]
    moves = jax.jit(
        jax.vmap(
            lambda k: jax.vmap(lambda t: one.model.sample_disturbance(jax.random.fold_in(k, t)).moves)(
                jnp.arange(HORIZON)
            )
        )
    )
    return scalar.given_luck(np.asarray(moves(of_samples)))


def one_by_one(one: Contest) -> dict[str, float]:
    """Time single decisions, in milliseconds."""
    split = [jax.tree.map(lambda leaf, k=k: leaf[k], one.states) for k in range(ONE_BY_ONE)]
    pairs = list(zip(split, one.keys, strict=True))

    def ours(schedule: str) -> Callable[[], None]:
        rollout = planner(one, schedule)
        return lambda: [jax.block_until_ready(rollout.decide(*pair)) for pair in pairs]

    contestants = {"scalar": _scalar_contestant(one), "in turn": ours("sequential"), "speculative": ours("speculative")}
    return _milliseconds(contestants, ONE_BY_ONE)


def together(one: Contest) -> dict[str, float]:
    """Time decisions at many states, in milliseconds a decision."""
    rollout = planner(one, "auto")
    contestants = {
        "scalar": _scalar_contestant(one),
        "many": lambda: jax.block_until_ready(st.decide_many(rollout, one.states, one.keys)),
    }
    return _milliseconds(contestants, len(one.keys))


def _scalar_contestant(one: Contest) -> Callable[[], Any]:
    stays = one.model.fly_behaviour == "stay"
    luck = scalar.no_luck() if stays else scalar.own_luck(SAMPLES, HORIZON, one.model.flies, 1)
    decided, states = scalar_program(one, luck), plain(one.states)
    return lambda: decided(states)


def _milliseconds(contestants: dict[str, Callable[[], Any]], decisions: int) -> dict[str, float]:
    seconds = in_turns(contestants, ROUNDS, patience=PATIENCE)
    return {f"{name}, ms": 1e3 * each / decisions for name, each in seconds.items()}


def measure() -> list[Row]:
    """Check and time every case."""
    rows: list[Row] = []
    for case in cases():
        one = contest(case)
        check(one, ["sequential", "speculative"] if case.states == 1 else ["auto"])
        times = one_by_one(one) if case.states == 1 else together(one)
        best = min(value for name, value in times.items() if name != "scalar, ms")
        size = {"spiders, flies, grid": case.label, "flies": case.behaviour, "states": case.states}
        rows.append({**size, **times, "times as fast": times["scalar, ms"] / best})
    return rows


def draw(rows: list[Row]) -> Figure:
    """Draw how many times as fast as the scalar program."""
    figure = Figure(figsize=(7, 0.35 * len(rows) + 1))
    axes = figure.subplots()
    names = [f"{row['spiders, flies, grid']}, {row['flies']}; {row['states']} at once" for row in rows]
    many = ["tab:orange" if row["states"] > 1 else "tab:blue" for row in rows]
    axes.barh(names, [row["times as fast"] for row in rows], color=many)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.invert_yaxis()
    axes.set_xlabel("times as fast as a scalar program on the same core")
    return figure


def main(*, redraw: bool = False) -> None:
    publish("decisions", COLUMNS, measure, draw=draw, redraw=redraw)
