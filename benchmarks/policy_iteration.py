"""Approximate policy iteration on a hunt of wandering flies: three iterations, and rollout on each of their networks.

Fifteen spiders, fifteen flies that wander, 20 x 20 cells; a stage costs 1 while a fly lives. Labels are made by rollout
on the heuristic, then on the networks themselves. All policies play the same episodes; differences are paired. The last
column counts the seconds until the policy was there, compilation included, then those of its evaluation do not count.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
from matplotlib.figure import Figure

import seriatim as st
from benchmarks._hunt_networks import LONG, costs, paired, trainer
from benchmarks._hunt_networks import WANDER as MODEL
from benchmarks._results import Row, publish

BASE = MODEL.base_policy()
ITERATIONS, STATES = 3, 8192
EPISODES, PLANNED_EPISODES = 2000, 300
PLAYED = st.Simulation(horizon=6, num_samples=32)
# What comes before the first of each kind.
FIRST = {"network 1": "heuristic", "rollout on network 1": "rollout on the heuristic"}
COLUMNS = {
    "policy": "",
    "episodes": ",d",
    "cost": ".2f",
    "±": ".2f",
    "to the heuristic": "+.2f",
    "± ": ".2f",
    "to the one before": "+.2f",
    "±   ": ".2f",
    "to rollout on the heuristic": "+.2f",
    "±  ": ".2f",
    "truncated, %": ".0f",
    "share of its gain, %": ".0f",
    "made after, s": ".0f",
}


def main(*, redraw: bool = False) -> None:
    publish("policy_iteration", COLUMNS, measure, draw=draw, redraw=redraw, page="policy-iteration.md")


def measure() -> list[Row]:
    iteration, made = _iterated()
    policies: dict[str, Any] = {
        "heuristic": BASE,
        "rollout on the heuristic": st.OneAtATimeRollout(MODEL, BASE, LONG),
    }
    for number, (policy, value, _) in enumerate(made, 1):
        policies[f"network {number}"] = policy
        simulation = st.Simulation(horizon=PLAYED.horizon, num_samples=PLAYED.num_samples, terminal_cost=value)
        policies[f"rollout on network {number}"] = st.OneAtATimeRollout(MODEL, policy, simulation)
    del iteration

    def play(policy: Any) -> Any:
        return costs(policy, PLANNED_EPISODES if hasattr(policy, "decide") else EPISODES)

    with ThreadPoolExecutor(2) as pool:
        found = dict(zip(policies, pool.map(play, policies.values()), strict=True))
    rows = []
    for name, each in found.items():
        entries = paired(each, found["heuristic"])
        beside = paired(each, found["rollout on the heuristic"]) if len(each.costs) == PLANNED_EPISODES else None
        gain = paired(found["rollout on the heuristic"], found["heuristic"])["to the heuristic"]
        row: Row = {"policy": name, **entries, "share of its gain, %": 100 * entries["to the heuristic"] / gain}
        if beside is not None and name != "rollout on the heuristic":
            row |= {"to rollout on the heuristic": beside["to the heuristic"], "±  ": beside["± "]}
        if "network" in name:
            row |= {"made after, s": made[int(name.split()[-1]) - 1][2]}
            before = name[:-1] + str(int(name[-1]) - 1) if name[-1] != "1" else FIRST[name]
            step = paired(each, found[before])
            row |= {"to the one before": step["to the heuristic"], "±   ": step["± "]}
        rows.append(row)
    return rows


def _iterated() -> tuple[Any, list[tuple[Any, Any, float]]]:
    """Return each iteration's policy and value, and when it was there."""
    iteration = trainer(STATES)
    began, made = time.perf_counter(), []
    state = iteration.init(jax.random.key(5))
    for _ in range(iteration.steps(ITERATIONS)):
        state, metrics = iteration.step(state)
        if metrics:
            print({name: round(float(each), 3) for name, each in metrics.items()}, flush=True)
            made.append((*iteration.present(state), time.perf_counter() - began))
    return iteration, made


def draw(rows: list[Any]) -> Figure:
    """Cost over the iterations, of the networks alone and of rollout on them."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    by_name = {row["policy"]: row for row in rows}
    places = range(ITERATIONS + 1)
    for label, first, kind in (
        ("played as they are", "heuristic", "network"),
        ("rollout on them", "rollout on the heuristic", "rollout on network"),
    ):
        mine = [by_name[first if k == 0 else f"{kind} {k}"] for k in places]
        axes.errorbar(places, [r["cost"] for r in mine], [2 * r["±"] for r in mine], marker="o", capsize=4, label=label)
    axes.set_xticks(list(places), ["heuristic", *(f"network {k}" for k in places if k)])
    axes.set_ylabel("mean cost of an episode, ± 2 standard errors")
    axes.legend(frameon=False)
    return figure
