"""Repair: teams on the graph of 32 sites, networks over beliefs, a robot on a line, and messages that get lost.

Costs are expected discounted costs over beliefs, from a random start (one site in five is damaged), the same for all
policies. Episodes are cut after 80 stages: what is cut off weighs 1.7 % of a stage that went on for ever.
"""

from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure

import seriatim as st
from benchmarks._results import Row, publish
from benchmarks._timing import in_turns
from seriatim.parallel import Local

KEY, STAGES, TEAMS = jax.random.key(20), 80, (4, 8, 10)
EPISODES = 100
ALL = "all joint controls"
COLUMNS = {
    "robots": "d",
    "policy": "",
    "episodes": "d",
    "cost": ".0f",
    "±": ".0f",
    "to in turn": "+.1f",
    "± ": ".1f",
    "base costs, times": ".2f",
    "ms a decision": ".1f",
}


STARTS = {"problem": ""} | {name: form for name, form in COLUMNS.items() if name != "ms a decision"}
TENTH = (0.9, 0.025, 0.025, 0.025, 0.025)
UNKNOWN = (0.2, 0.2, 0.2, 0.2, 0.2)
SOUND = {"gamma": (0.0, 0.02, 0.03, 0.05), "discount": 0.99}
PROBLEMS: dict[str, dict[str, Any]] = {
    "one site in ten damaged": {"prior": TENTH},
    "any level equally likely": {"prior": UNKNOWN},
    "what is repaired stays sound": SOUND,
}
# All robots set out from one site: by the heuristic, robots that stand together and believe the same stay together.
TOGETHER = {"all start at site A": 0, "all start at site L": 11}
MESSAGES = {"messages": "", "policy": "", "episodes": "d", "cost": ".0f", "±": ".0f", "to base": "+.0f", "± ": ".0f"}
RATES, RADIUS = (1.0, 0.75, 0.5, 0.25, 0.0), 2


def main(*, redraw: bool = False) -> None:
    publish("repair", COLUMNS, measure, draw=draw, redraw=redraw, page="repair.md")
    publish("repair-starts", STARTS, measure_starts, redraw=redraw, page="repair.md")
    publish("repair-messages", MESSAGES, measure_messages, draw=draw_messages, redraw=redraw, page="repair.md")


def simulation(world: st.problems.Repair) -> st.Simulation:
    """Ten stages, then as if damage stayed as it is."""
    return st.Simulation(horizon=10, num_samples=16, terminal_cost=_after(world))


def _after(world: st.problems.Repair) -> Any:
    return st.problems.DamageForever(world)


def measure() -> list[Row]:
    return [row for robots in TEAMS for row in _team(robots)]


def _team(robots: int) -> list[Row]:
    world = st.problems.Repair(robots=robots)
    model = world.belief_model()
    base, future = model.base_policy(), simulation(world)
    policies: dict[str, Any] = {
        "in turn": st.OneAtATimeRollout(model, base, future),
        "base": base,
        "all at once, base policy's controls": st.SignallingRollout(model, base, simulation=future),
    }
    if robots == 4:
        policies["in turn, order optimised"] = st.OneAtATimeRollout(model, base, future, schedule=st.BestFirst())
        policies[ALL] = st.StandardRollout(model, base, future)
    found = {name: costs(model, each, EPISODES) for name, each in policies.items()}
    return [
        {"robots": robots, "policy": name, **beside(found[name], found["in turn"])}
        | {"base costs, times": found["base"].mean / found[name].mean, "ms a decision": _milliseconds(model, policy)}
        for name, policy in policies.items()
    ]


def measure_starts() -> list[Row]:
    """Play other starts, and the variant without a discount to speak of, until nearly all is paid."""
    apart = [
        {"problem": name, **row}
        for name, fields in PROBLEMS.items()
        for robots in (4, 8)
        for row in _pair(robots, fields)
    ]
    together = [
        {"problem": name, **row}
        for name, site in TOGETHER.items()
        for robots in TEAMS
        for row in _pair(robots, {"starts": (site,) * robots})
    ]
    return apart + together


def _pair(robots: int, fields: dict[str, Any]) -> list[Row]:
    world = st.problems.Repair(robots=robots, **fields)
    model = world.belief_model()
    base = model.base_policy()
    policies = {"in turn": st.OneAtATimeRollout(model, base, simulation(world)), "base": base}
    found = {name: costs(model, each, EPISODES) for name, each in policies.items()}
    return [
        {"robots": robots, "policy": name, **beside(each, found["in turn"])}
        | {"base costs, times": found["base"].mean / each.mean}
        for name, each in found.items()
    ]


def measure_messages() -> list[Row]:
    """Play in the world, true damage and all, by what each robot knows."""
    world = st.problems.Repair()
    model = world.belief_model()
    base, future = model.base_policy(), st.Simulation(horizon=8, num_samples=8, terminal_cost=_after(world))
    memory = st.beliefs.PerAgentFilter(model.filter, base)
    policies = {
        "base": base,
        "in turn": st.OneAtATimeRollout(model, base, future),
        "all at once": st.SignallingRollout(model, base, simulation=future),
    }
    reaches: dict[str, tuple[float, Any]] = {f"{rate:.2f}": (rate, None) for rate in RATES}
    reaches[f"within {RADIUS} ways"] = (1.0, st.problems.WithinWays(world, RADIUS))
    rows: list[Row] = []
    for name, (rate, in_reach) in reaches.items():
        heard = st.beliefs.InformationModel(world, memory, rate, in_reach)
        found = {n: costs(heard, st.beliefs.IndependentPlanning(p, memory), EPISODES) for n, p in policies.items()}
        rows += [{"messages": name, "policy": n, **beside(found[n], found["base"], "base")} for n in policies]
    return rows


def costs(model: Any, policy: Any, episodes: int) -> Any:
    """Return the costs of the first episodes, the same for all policies."""
    print(".", end="", flush=True)
    return st.evaluate(model, policy, KEY, episodes=episodes, horizon=STAGES, on=Local())


def beside(found: Any, reference: Any, name: str = "in turn") -> dict[str, float]:
    """Return the entries of a policy beside a reference on the same episodes."""
    n = min(len(found.costs), len(reference.costs))
    difference = found.costs[:n] - reference.costs[:n]
    return {
        "episodes": len(found.costs),
        "cost": found.mean,
        "±": found.standard_error,
        f"to {name}": float(np.mean(difference)),
        "± ": float(np.std(difference, ddof=1) / np.sqrt(n)),
    }


def _milliseconds(model: Any, policy: Any) -> float:
    state = model.initial_state(jax.random.key(1))
    decide = getattr(policy, "decide", jax.jit(policy))
    return 1e3 * in_turns({"": lambda: jax.block_until_ready(decide(state, jax.random.key(2)))}, 20, patience=5)[""]


def draw(rows: list[Any]) -> Figure:
    """Cost of each policy, for every number of robots."""
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    for axes, robots in zip(figure.subplots(1, len(TEAMS)), TEAMS, strict=True):
        mine = sorted((row for row in rows if row["robots"] == robots), key=lambda row: -row["cost"])
        axes.barh([row["policy"] for row in mine], [row["cost"] for row in mine], xerr=[2 * row["±"] for row in mine])
        axes.set_title(f"{robots} robots")
        axes.set_xlabel("mean discounted cost")
    return figure


def draw_messages(rows: list[Any]) -> Figure:
    """Cost of each policy as messages get lost."""
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    for name in ("base", "in turn", "all at once"):
        mine = {row["messages"]: row for row in rows if row["policy"] == name}
        points = [mine[f"{rate:.2f}"] for rate in RATES]
        axes.errorbar(
            RATES, [row["cost"] for row in points], [2 * row["±"] for row in points], fmt="o-", capsize=4, label=name
        )
    axes.invert_xaxis()
    axes.set_xlabel("probability that a message arrives")
    axes.set_ylabel("mean discounted cost, ± 2 standard errors")
    axes.set_ylim(bottom=0)
    axes.legend()
    return figure
