"""Signals: agents that choose at once, by what they guess of their predecessors.

The game of `policy_iteration`, and the same with flies that stay, where nothing is random. A network that imitates
one-at-a-time rollout is the signal, beside the base policy's controls, and beside waiting for one's turn. The same
network is the guess of the speculative schedule, which changes nothing but how often it must wait.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure

import seriatim as st
from benchmarks._hunt_networks import LONG, LONG_STAY, STAY, WANDER, costs, paired, trainer
from benchmarks._results import Row, publish
from seriatim.training import visited

STATES, EPISODES, DECISIONS = 8192, 1000, 512
COLUMNS = {
    "flies": "",
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
    return [
        {"flies": name, **row}
        for name, model, simulation in (("wander", WANDER, LONG), ("stay", STAY, LONG_STAY))
        for row in _game(model, simulation)
    ]


def _game(model: Any, simulation: st.Simulation) -> list[Row]:
    base, network = model.base_policy(), _imitation(model)
    policies = {
        "in turn": st.OneAtATimeRollout(model, base, simulation),
        "all at once, base policy's controls": st.SignallingRollout(model, base, simulation=simulation),
        "all at once, network's guess": st.SignallingRollout(model, base, network, simulation),
    }
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda policy: costs(policy, EPISODES, model), policies.values()))
    rows: list[Row] = []
    for name, each in zip(policies, found, strict=True):
        entries = paired(each, found[0])
        row = {"predecessors": name, "to in turn": entries.pop("to the heuristic"), **entries}
        rows.append(row | {"% of in turn": 100 * each.mean / found[0].mean})
    guesses = {"base policy's controls as guess": None, "network as guess": network}
    rows[0] |= _effort(st.OneAtATimeRollout(model, base, simulation, schedule=st.InTurn()))
    for name, guess in guesses.items():
        ahead = st.Speculative(guess=guess, window=model.num_agents)
        effort = _effort(st.OneAtATimeRollout(model, base, simulation, schedule=ahead))
        rows.append({"predecessors": f"in turn, {name}", **effort})
    return rows


def _imitation(model: Any) -> Any:
    """Return a network that imitates one-at-a-time rollout."""
    iteration = trainer(STATES, model)
    state = iteration.init(jax.random.key(6))
    for _ in range(iteration.steps(1)):
        state, _ = iteration.step(state)
    return iteration.present(state)[0]


def _effort(planner: st.OneAtATimeRollout) -> dict[str, float]:
    """Return passes and simulations of a decision, at states that the heuristic comes to."""
    states = visited(planner.model, planner.base, jax.random.split(jax.random.key(7), DECISIONS), 400, 0.0)
    decisions = st.decide_many(planner, states, jax.random.split(jax.random.key(8), DECISIONS))
    return {
        "passes": float(np.mean(decisions.num_passes)),
        "joint controls simulated": float(np.mean(decisions.num_simulations)),
    }


def draw(rows: list[Any]) -> Figure:
    """Cost of each kind of signal beside taking turns; passes of each guess."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    played = [row for row in rows if row.get("% of in turn") is not None]
    left.barh([_label(row) for row in played], [row["% of in turn"] for row in played])
    left.set_xlabel("cost, % of that in turn")
    counted = [row for row in rows if row.get("passes") is not None]
    right.barh([_label(row) for row in counted], [row["passes"] for row in counted])
    right.set_xlabel("passes of a decision")
    for axes in (left, right):
        axes.invert_yaxis()
    return figure


def _label(row: Any) -> str:
    return f"flies {row['flies']}: {row['predecessors']}"
