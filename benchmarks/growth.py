"""How a decision grows with the team: simulations, passes of the speculative schedule, time.

The density of spiders and flies stays that of 15 and 15 on 20 x 20 cells. Simulations are m(c-1) + 1 in turn, and a
pass is what has to wait for the one before: m + 1 in turn, a handful by speculation. One core gains by it only while
there is room for more lanes: the default looks a window of agents ahead. One simulation also grows, with the spiders,
the flies and the stages it takes, so time grows faster than simulations.
"""

import math
from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure

import seriatim as st
from benchmarks._results import Row, publish
from benchmarks._timing import in_turns
from seriatim.problems import SpidersAndFlies

# Spiders, and at how many states they decide: fewer where a decision takes seconds.
TEAMS = {15: 8, 25: 8, 50: 4, 100: 2, 200: 1}
HORIZON = 400
ROUNDS, PATIENCE = 7, 5.0
COLUMNS = {
    "spiders": ",d",
    "side": ",d",
    "states": ",d",
    "simulations, in turn": ",d",
    "simulations, speculative": ",.0f",
    "passes, in turn": ",d",
    "passes, mean": ".1f",
    "passes, most": ",d",
    "in turn, ms": ".2f",
    "speculative, ms": ".2f",
    "default, ms": ".2f",
    "in turn, of 15's": ".1f",
}


def team(m: int, states: int) -> Row:
    """Count and time the decisions of one team at a few states."""
    side = round(20 * math.sqrt(m / 15))
    model = SpidersAndFlies(spiders=m, flies=m, width=side, height=side)
    keys = jax.random.split(jax.random.key(0), states)
    pairs = [(model.initial_state(key), key) for key in keys]
    planners = {
        name: st.OneAtATimeRollout(model, model.base_policy(), st.Simulation(horizon=HORIZON), schedule=schedule)
        for name, schedule in (
            ("in turn", st.InTurn()),
            ("speculative", st.Speculative(window=99)),
            ("default", st.Speculative()),
        )
    }
    decided = {name: [planner.decide(*pair) for pair in pairs] for name, planner in planners.items()}
    for some in zip(*decided.values(), strict=True):
        assert all(np.array_equal(some[0].control, one.control) for one in some), "speculation changed the answer"
    seconds = in_turns({name: _all(planner, pairs) for name, planner in planners.items()}, ROUNDS, patience=PATIENCE)
    passes = [int(one.num_passes) for one in decided["speculative"]]
    return {
        "spiders": m,
        "side": side,
        "states": states,
        "simulations, in turn": int(decided["in turn"][0].num_simulations),
        "simulations, speculative": float(np.mean([int(one.num_simulations) for one in decided["speculative"]])),
        "passes, in turn": int(decided["in turn"][0].num_passes),
        "passes, mean": float(np.mean(passes)),
        "passes, most": max(passes),
        **{f"{name}, ms": 1e3 * each / states for name, each in seconds.items()},
    }


def _all(planner: st.OneAtATimeRollout, pairs: list[Any]) -> Any:
    return lambda: [jax.block_until_ready(planner.decide(*pair)) for pair in pairs]


def measure() -> list[Row]:
    rows = [team(m, states) for m, states in TEAMS.items()]
    return [{**row, "in turn, of 15's": row["in turn, ms"] / rows[0]["in turn, ms"]} for row in rows]


def draw(rows: list[Row]) -> Figure:
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    simulations, passes, time = figure.subplots(1, 3)
    m = [row["spiders"] for row in rows]
    panels = (
        (simulations, "joint controls simulated", ("simulations, in turn", "simulations, speculative")),
        (passes, "passes, one after another", ("passes, in turn", "passes, mean", "passes, most")),
        (time, "milliseconds a decision", ("in turn, ms", "speculative, ms", "default, ms")),
    )
    for axes, title, names in panels:
        for name in names:
            axes.plot(m, [row[name] for row in rows], marker="o", markersize=3, label=name)
        axes.set(title=title, xlabel="spiders", ylim=(0, None))
        axes.legend(frameon=False, fontsize="small")
    passes.set(yscale="log", ylim=(1, None))
    return figure


def main(*, redraw: bool = False) -> None:
    publish("growth", COLUMNS, measure, draw=draw, redraw=redraw)
