"""Decisions of one-at-a-time rollout, beside a scalar compiled program of the same rules on the same core.

States are decided one by one, as an online controller meets them, in turn and by the default schedule, which speculates
a window ahead; or together, by `decide_many`. One by one, planners are called for the control alone, which is what the
scalar program returns. Before anything is timed, all must choose the same controls at every state, wandering flies
included: there the scalar program is fed the disturbances that the library draws. While timed it draws its own, once
for each state, which is the least it could do. "Times as fast" is that of the default.

All of it is measured once more with an option of XLA (docs/fast-models.md), in a process of its own, since XLA reads
its options when it starts; the scalar program is timed there again.
"""

import json
import os
import subprocess
import sys
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
from seriatim.planning._decision import planner_keys
from seriatim.problems import SpidersAndFlies

MAPS = ROOT.parent / "shared" / "data" / "maps"
HORIZON, SAMPLES = 400, 32
ROUNDS, PATIENCE = 15, 5.0
OPTION = "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=10000000"
COLUMNS = {
    "spiders, flies, grid": "",
    "flies": "",
    "states": ",d",
    "decided": "",
    "scalar, ms": ".3f",
    "in turn, ms": ".3f",
    "default, ms": ".3f",
    "many, ms": ".3f",
    "times as fast": ".2f",
    "with XLA's option": ".2f",
}


class Case(NamedTuple):
    """A game, at how many states it is decided, and whether at all of them together or one by one."""

    label: str
    behaviour: str
    states: int
    together: bool
    options: dict[str, Any]

    def model(self) -> SpidersAndFlies:
        return SpidersAndFlies(**self.options, fly_behaviour=self.behaviour)


def _open(team: int, side: int, states: int, together: bool, behaviour: str = "stay") -> Case:
    size = {"spiders": team, "flies": team, "width": side, "height": side}
    return Case(f"{team}, {team}, {side}", behaviour, states, together, size)


def _on_map(states: int, together: bool) -> Case:
    files = {"map": MAPS / "random-64-64-10.map", "starts": MAPS / "random-example_400.agents"}
    return Case("15, 15, random-64-64-10", "stay", states, together, {"spiders": 15, "flies": 15, **files})


def cases() -> list[Case]:
    """List the games; the largest are decided at fewer states, which is all that patience allows."""
    sizes = ((4, 10, 8, 256), (15, 20, 8, 256), (50, 50, 4, 64), (100, 100, 2, 8))
    stay = [_open(team, side, n, n == many) for team, side, few, many in sizes for n in (few, many)]
    maps = [_on_map(8, False), _on_map(256, True)] if Path(MAPS, "random-64-64-10.map").exists() else []
    return [*stay, *maps, _open(15, 20, 4, False, "wander"), _open(15, 20, 16, True, "wander")]


class Contest(NamedTuple):
    """One case, made ready for both sides."""

    model: SpidersAndFlies
    simulation: st.Simulation
    states: Any
    keys: Any


def contest(case: Case) -> Contest:
    """Draw the states."""
    model = case.model()
    start, decide = jax.random.split(jax.random.key(0))
    states = jax.vmap(model.initial_state)(jax.random.split(start, case.states))
    samples = 1 if case.behaviour == "stay" else SAMPLES
    simulation = st.Simulation(horizon=HORIZON, num_samples=samples)
    return Contest(model, simulation, states, jax.random.split(decide, case.states))


def planner(one: Contest, schedule: Any) -> st.OneAtATimeRollout:
    """Return the library's planner."""
    return st.OneAtATimeRollout(one.model, one.model.base_policy(), one.simulation, schedule=schedule)


Program = Callable[[], Any]


def ours(one: Contest, case: Case) -> dict[str, Program]:
    """Return the library's programs, each returning the joint controls at all states."""
    if case.together:
        rollout = planner(one, st.Speculative())
        return {"many": lambda: jax.block_until_ready(st.decide_many(rollout, one.states, one.keys)).control}
    pairs = [(jax.tree.map(lambda leaf, k=k: leaf[k], one.states), key) for k, key in enumerate(one.keys)]

    def each(schedule: Any) -> Program:
        rollout = planner(one, schedule)
        return lambda: [jax.block_until_ready(rollout(*pair)) for pair in pairs]

    return {"in turn": each(st.InTurn()), "default": each(st.Speculative())}


def _scalar_parts(one: Contest) -> tuple[Any, ...]:
    rules = scalar.Rules(HORIZON, one.simulation.num_samples, 1.0)
    return *scalar.ground_of(one.model), scalar.room_for(one.model), rules


def _states(one: Contest) -> tuple[np.ndarray, ...]:
    """Return the states as the scalar program takes them."""
    return tuple(np.asarray(leaf) for leaf in (one.states.spiders, one.states.flies, one.states.alive))


def scalar_program(one: Contest) -> Program:
    """Return the scalar program, with luck of its own."""
    stays = one.model.fly_behaviour == "stay"
    luck = None if stays else scalar.own_luck(SAMPLES, HORIZON, one.model.flies, 1)
    parts, states = _scalar_parts(one), _states(one)
    return lambda: scalar.decide_many(*parts, *states, luck)


def check(one: Contest, programs: dict[str, Program]) -> None:
    """Insist on the scalar program's controls at every state, under the same disturbances."""
    parts, states = _scalar_parts(one), _states(one)
    chosen = {name: np.asarray(program()) for name, program in programs.items()}
    for k, key in enumerate(one.keys):
        expected = scalar.decide(*parts, *(leaf[k] for leaf in states), _same_luck(one, key))
        for name, controls in chosen.items():
            if not np.array_equal(controls[k], expected):
                raise AssertionError(f"State {k}, {name}: {controls[k]}, the scalar program: {expected}.")


def _same_luck(one: Contest, key: Any) -> scalar.Luck | None:
    """Draw what the engine draws for a decision: a key for each sample, into which the stage is folded."""
    if one.model.fly_behaviour == "stay":
        return None
    of_samples = jax.random.split(planner_keys(key).simulation, (2, SAMPLES))[0]
    return scalar.given_luck(np.asarray(_moves(one.model, of_samples)))


@jax.jit
def _moves(model: SpidersAndFlies, keys: Any) -> Any:
    def of_stage(key: Any, t: Any) -> Any:
        return model.sample_disturbance(jax.random.fold_in(key, t)).moves

    return jax.vmap(jax.vmap(of_stage, (None, 0)), (0, None))(keys, jnp.arange(HORIZON))


def measure() -> list[Row]:
    """Check and time every case, without the option of XLA and with it."""
    pairs = zip(_measured(), _measured_with_the_option(), strict=True)
    return [{**row, "with XLA's option": other["times as fast"]} for row, other in pairs]


def _measured_with_the_option() -> list[Row]:
    flags = f"{os.environ.get('XLA_FLAGS', '')} {OPTION}".strip()
    command = [sys.executable, "-m", "benchmarks.decisions"]
    environment = os.environ | {"XLA_FLAGS": flags}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    rows: list[Row] = json.loads(done.stdout)
    return rows


def _measured() -> list[Row]:
    rows: list[Row] = []
    for case in cases():
        one = contest(case)
        programs = ours(one, case)
        check(one, programs)
        seconds = in_turns({"scalar": scalar_program(one), **programs}, ROUNDS, patience=PATIENCE)
        times = {f"{name}, ms": 1e3 * each / case.states for name, each in seconds.items()}
        default = seconds["many" if case.together else "default"]
        size = {"spiders, flies, grid": case.label, "flies": case.behaviour, "states": case.states}
        how = "together" if case.together else "one by one"
        rows.append({**size, "decided": how, **times, "times as fast": seconds["scalar"] / default})
    return rows


def draw(rows: list[Row]) -> Figure:
    """Draw how many times as fast as the scalar program."""
    figure = Figure(figsize=(7, 0.35 * len(rows) + 1))
    axes = figure.subplots()
    names = [f"{row['spiders, flies, grid']}, {row['flies']}; {row['states']} {row['decided']}" for row in rows]
    many = ["tab:orange" if row["decided"] == "together" else "tab:blue" for row in rows]
    axes.barh(names, [row["times as fast"] for row in rows], color=many)
    option = [row.get("with XLA's option") for row in rows]
    axes.plot(option, names, linestyle="none", marker="|", color="black", markersize=12, label="with XLA's option")
    axes.legend(frameon=False, loc="upper right")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.invert_yaxis()
    axes.set_xlabel("times as fast as a scalar program on the same core")
    return figure


def main(*, redraw: bool = False) -> None:
    publish("decisions", COLUMNS, measure, draw=draw, redraw=redraw)


if __name__ == "__main__":
    print(json.dumps(_measured()))
