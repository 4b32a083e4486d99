"""Agents that each know something else: small problem files by stages, exactly; spiders whose messages get lost.

Files: expected rewards over so many stages, exact. Everybody knows everything (a ceiling), then agents that hear
nothing and plan on their own, by what they take for the state and for what others do; and the best, as published.
Published values of GridSmall count the reward of the cell arrived at. The file pays for the cell left, and nothing in
the first stage: they stand beside one stage more.

Spiders see two moves far. What they see reaches each of the others with a probability.
"""

from pathlib import Path
from typing import Any

import jax
from matplotlib.figure import Figure

import seriatim as st
from benchmarks._results import Row, publish

FILES = Path(__file__).resolve().parents[1] / "../shared/data/dpomdp"
# Rewards by problem and stages: MADP's table, https://www.fransoliehoek.net/madp.
PUBLISHED = {
    "tiger": {2: -4.0, 3: 5.1908, 4: 4.8028},
    "recycling": {2: 7.0, 3: 10.6601, 4: 13.38},
    "mabc": {2: 2.0, 3: 2.99, 4: 3.89},
    "GridSmall": {3: 0.91, 4: 1.5504},
}
FURTHEST = 3  # stages that a planner looks ahead, every outcome of each
FILE_COLUMNS = {
    "file": "",
    "stages": "d",
    "all shared": ".4f",
    "base policy": ".4f",
    "own belief, others as base": ".4f",
    "own belief, others as oneself": ".4f",
    "own most likely state": ".4f",
    "published optimum": ".4f",
}
GAME = st.problems.SpidersAndFlies(spiders=3, flies=4, width=8, height=8, vision=2)
RATES, RADIUS, EPISODES, STAGES = (1.0, 0.75, 0.5, 0.25, 0.0), 4, 500, 200
GAME_COLUMNS = {
    "messages": "",
    "policy": "",
    "cost": ".2f",
    "±": ".2f",
    "to base": "+.2f",
    "± ": ".2f",
    "truncated, %": ".1f",
}


def main(*, redraw: bool = False) -> None:
    publish("information-files", FILE_COLUMNS, measure_files, redraw=redraw, page="information.md")
    publish("information", GAME_COLUMNS, measure_games, draw=draw, redraw=redraw, page="information.md")


def measure_files() -> list[Row]:
    return [row(name, stages) for name in PUBLISHED for stages in PUBLISHED[name]]


def row(name: str, stages: int) -> Row:
    """Return expected rewards over so many stages."""
    model: Any = st.formats.load(FILES / f"{name}.dpomdp")
    exact, base = st.beliefs.ExactFilter(model), model.base_policy()
    imagined, own = st.beliefs.BeliefModel(model, exact), st.beliefs.ExactAgentFilter(exact, base)
    silent = st.beliefs.InformationModel(model, own, 0.0)

    def value(planner: Any, completion: str = "belief") -> float:
        """Value own plans; a planner looks to the last stage, if that is not too far."""
        plans = [
            st.beliefs.IndependentPlanning(planner(min(stages - t, FURTHEST)), own, completion=completion)
            for t in range(stages)
        ]
        return -st.beliefs.decentralised_value(silent, plans, stages)

    def future(k: int) -> st.Simulation:
        return st.Simulation(horizon=k, expectation="exact")

    return {
        "file": name,
        "stages": stages,
        "all shared": -st.beliefs.centralised_value(model, stages),
        "base policy": value(lambda k: base),
        "own belief, others as base": value(lambda k: st.SignallingRollout(imagined, base, simulation=future(k))),
        "own belief, others as oneself": value(lambda k: st.OneAtATimeRollout(imagined, base, future(k))),
        "own most likely state": value(lambda k: st.OneAtATimeRollout(model, base, future(k)), "most-likely"),
        "published optimum": PUBLISHED[name][stages],
    }


def measure_games() -> list[Row]:
    memory, base = st.problems.LastSeenFilter(GAME), GAME.base_policy()
    simulation = st.Simulation(horizon=20)
    planners: dict[str, st.Policy] = {
        "base": base,
        "in turn": st.OneAtATimeRollout(GAME, base, simulation),
        "all at once": st.SignallingRollout(GAME, base, simulation=simulation),
    }
    plans = {
        name: st.beliefs.IndependentPlanning(each, memory, completion="most-likely") for name, each in planners.items()
    }
    world = st.beliefs.InformationModel
    worlds = {f"{rate:.2f}": world(GAME, memory, rate) for rate in RATES}
    worlds[f"within {RADIUS} moves"] = world(GAME, memory, 1.0, in_reach=st.problems.WithinMoves(RADIUS))
    rows = [*game_rows("everything is seen", GAME, planners)]
    for messages, each in worlds.items():
        rows += game_rows(messages, each, plans)
    return rows


def game_rows(messages: str, world: Any, policies: dict[str, Any]) -> list[Row]:
    """Play the same episodes with each policy."""
    found = {
        n: st.evaluate(world, p, jax.random.key(0), episodes=EPISODES, horizon=STAGES) for n, p in policies.items()
    }
    rows: list[Row] = []
    for name, each in found.items():
        gain = each.costs - found["base"].costs
        paired = {} if name == "base" else {"to base": gain.mean(), "± ": gain.std(ddof=1) / EPISODES**0.5}
        rows.append(
            {"messages": messages, "policy": name, "cost": each.mean, "±": each.standard_error}
            | {key: float(value) for key, value in paired.items()}
            | {"truncated, %": 100 * float(each.truncated)}
        )
    return rows


def draw(rows: list[Any]) -> Figure:
    """Cost of each policy as messages get lost; dashed, where everything is seen."""
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    for number, name in enumerate(("base", "in turn", "all at once")):
        mine = {row["messages"]: row for row in rows if row["policy"] == name}
        points = [mine[f"{rate:.2f}"] for rate in RATES]
        errors = [2 * row["±"] for row in points]
        axes.errorbar(
            RATES, [row["cost"] for row in points], errors, fmt="o-", capsize=4, color=f"C{number}", label=name
        )
        axes.axhline(mine["everything is seen"]["cost"], linestyle="--", color=f"C{number}", linewidth=1)
    axes.invert_xaxis()
    axes.set_xlabel("probability that a message arrives")
    axes.set_ylabel("mean stages, ± 2 standard errors")
    axes.set_ylim(bottom=0)
    axes.legend()
    return figure
