"""Signals: agents that choose at once, by what they guess of their predecessors.

The game of `policy_iteration`. A network that imitates one-at-a-time rollout is the signal, beside the base policy's
controls, and beside waiting for one's turn. The same network is the guess of the speculative schedule, which changes
nothing but how often it must wait.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure

import seriatim as st
from benchmarks._hunt_networks import BASE, LONG, MODEL, costs, paired, trainer
from benchmarks._results import Row, publish
from seriatim.training import visited

STATES, EPISODES, DECISIONS = 8192, 1000, 512
COLUMNS = {
    "predecessors": "",
    "cost": ".2f",
    "±": ".2f",
    "to in turn": "+.2f",
    "± ": ".2f",
    "% of in turn": ".1f",
    "truncated, %": ".0f",
    "passes": ".2f",
    "joint controls simulated": ".0f",
}


def main(*, redraw: bool = False) -> None:
    publish("signals", COLUMNS, measure, draw=draw, redraw=redraw, page="policy-iteration.md")


def measure() -> list[Row]:
    iteration = trainer(STATES)
    state = iteration.init(jax.random.key(6))
    for _ in range(iteration.steps(1)):
        state, _ = iteration.step(state)
    network = iteration.present(state)[0]
    policies = {
        "in turn": st.OneAtATimeRollout(MODEL, BASE, LONG),
        "all at once, base policy's controls": st.SignallingRollout(MODEL, BASE, simulation=LONG),
        "all at once, network's guess": st.SignallingRollout(MODEL, BASE, network, LONG),
    }
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda policy: costs(policy, EPISODES), policies.values()))
    rows: list[Row] = []
    for name, each in zip(policies, found, strict=True):
        entries = paired(each, found[0])
        row = {"predecessors": name, "to in turn": entries.pop("to the heuristic"), **entries}
        rows.append(
            row | {"% of in turn": 100 * each.mean / found[0].mean} | ({} if rows else _effort(None, "sequential"))
        )
    rows.append({"predecessors": "in turn, base policy's controls as guess", **_effort(None, "speculative")})
    rows.append({"predecessors": "in turn, network's guess", **_effort(network, "speculative")})
    return rows


def _effort(guess: Any, schedule: Any) -> dict[str, float]:
    """Return passes and simulations of a decision, at states that the heuristic comes to."""
    planner = st.OneAtATimeRollout(MODEL, BASE, LONG, schedule=schedule, guess=guess)
    states = visited(MODEL, BASE, jax.random.split(jax.random.key(7), DECISIONS), 400, 0.0)
    decisions = st.decide_many(planner, states, jax.random.split(jax.random.key(8), DECISIONS))
    return {
        "passes": float(np.mean(decisions.num_passes)),
        "joint controls simulated": float(np.mean(decisions.num_simulations)),
    }


def draw(rows: list[Any]) -> Figure:
    """Cost of each kind of signal; passes of each guess."""
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    played = [row for row in rows if row.get("cost") is not None]
    left.errorbar(
        [r["cost"] for r in played], range(len(played)), xerr=[2 * r["±"] for r in played], fmt="o", capsize=4
    )
    left.set_yticks(range(len(played)), [r["predecessors"] for r in played])
    left.set_xlabel("mean cost of an episode, ± 2 standard errors")
    counted = [row for row in rows if row.get("passes") is not None]
    right.barh([r["predecessors"] for r in counted], [r["passes"] for r in counted])
    right.set_xlabel("passes that wait for one another, a decision")
    for axes in (left, right):
        axes.invert_yaxis()
    return figure
