"""Rollout beside tree search, ours and that of pomdp-py, at equal time for a decision: tiger, RockSample, repair.

A search is given as many simulations as last as long as a decision of the rollout above it, measured one state at a
time. Ours play the same episodes over beliefs, in expectation; pomdp-py draws its own. Rewards are costs turned round.
"""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

import seriatim as st
from benchmarks._results import Row, publish
from benchmarks._timing import in_turns

KEY, EPISODES, THEIR_EPISODES = jax.random.key(30), 200, 100
COLUMNS = {
    "problem": "",
    "policy": "",
    "ms a decision": ".2f",
    "simulations": ",d",
    "episodes": "d",
    "discounted reward": ".2f",
    "±": ".2f",
}
BOUND_COLUMNS = {
    "file": "",
    "states": "d",
    "actions": "d",
    "observations": "d",
    "discount": ".2f",
    "reward, at least": ".4f",
    "reward, at most": ".4f",
    "trials": "d",
    "seconds": ".1f",
}
FILES = ("tiger", "1D", "cheese", "shuttle", "hallway")
SECONDS = 60.0
TIGER = """discount: 0.95
values: reward
states: left right
actions: listen open-left open-right
observations: hear-left hear-right
start: uniform
T: * uniform
T: listen identity
O: * uniform
O: listen
0.85 0.15
0.15 0.85
R: * : * : * : * 10
R: listen : * : * : * -1
R: open-left : left : * : * -100
R: open-right : right : * : * -100
"""


def main(*, redraw: bool = False) -> None:
    publish("bounds", BOUND_COLUMNS, measure_bounds, redraw=redraw, page="beliefs.md")
    publish("rivals", COLUMNS, measure, redraw=redraw, page="rivals.md")


def measure_bounds() -> list[Row]:
    return [_bounded(name) for name in FILES]


def _bounded(name: str) -> Row:
    from benchmarks.information import FILES as TEAMS

    model: Any = st.formats.load(TEAMS.parent / "pomdp" / f"{name}.pomdp")
    began = time.perf_counter()
    found = st.beliefs.bounds(model, max_trials=10**9, max_seconds=SECONDS)
    a, s, o = model.tables.observation.shape
    return {
        "file": name,
        "states": s,
        "actions": a,
        "observations": o,
        "discount": model.discount,
        "reward, at least": -found.upper,
        "reward, at most": -found.lower,
        "trials": found.trials,
        "seconds": time.perf_counter() - began,
    }


def measure() -> list[Row]:
    small = st.problems.RockSample(4, ((0, 1), (1, 3), (2, 2), (3, 1)), (1, 0))
    return [
        *_tiger(),
        *_rocks("RockSample, 4 x 4, 4 rocks", small, exact=True),
        *_rocks("RockSample, 7 x 7, 8 rocks", st.problems.RockSample(), exact=False),
        *_repair(),
    ]


def _tiger() -> list[Row]:
    world: Any = tiger()
    filter = st.beliefs.ExactFilter(world)
    model = st.beliefs.BeliefModel(world, filter)
    qmdp = st.beliefs.qmdp(world)
    blind = st.beliefs.blind_policies(world)
    ahead = st.Simulation(horizon=8, num_samples=64, terminal_cost=blind.value)
    rollout = st.OneAtATimeRollout(model, blind.policy, ahead)
    found = st.beliefs.bounds(world, tolerance=1e-3)
    policies = {
        "QMDP": qmdp.policy,
        "best blind policy": blind.policy,
        "rollout on the blind policy": rollout,
        "rollout on QMDP": st.OneAtATimeRollout(model, qmdp.policy, ahead),
        "vectors of the upper bound": found.vectors.policy,
    }
    search = _searches(lambda n: st.beliefs.TreeSearch(filter, None, n, 110.0, 20), model, rollout)
    rows = _played("tiger", model, policies | search, stages=100)
    rows += _theirs("tiger", rows, lambda seconds: _module().tiger_costs(seconds, THEIR_EPISODES, 100))
    return [*rows, {"problem": "tiger", "policy": "optimum", "discounted reward": -(found.lower + found.upper) / 2}]


def tiger() -> Any:
    """Return the classical problem."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "tiger.pomdp"
        place.write_text(TIGER)
        return st.formats.load(place)


@st.record
class SeenRocks:
    """A playout that sees the state: the nearest good rock, then the exit."""

    policy: st.Policy

    def __call__(self, info: Any, key: Any) -> Int[Array, " 1"]:
        sites = jax.nn.one_hot(info.good.astype(jnp.int32), 2)
        return self.policy(st.beliefs.FactoredBelief(info.position, sites), key)


def _rocks(name: str, world: st.problems.RockSample, *, exact: bool) -> list[Row]:
    model = world.belief_model()
    base = model.base_policy()
    rollout = st.OneAtATimeRollout(model, base, st.Simulation(horizon=25, num_samples=64))
    seen = SeenRocks(base)
    policies = {
        "heuristic: nearest likely rock": base,
        "rollout on the heuristic": rollout,
    }
    search = _searches(lambda n: st.beliefs.TreeSearch(model.filter, seen, n, 20.0, 30), model, rollout)
    rows = _played(name, model, policies | search, stages=60)
    rows += _theirs(name, rows, lambda seconds: _module().rock_costs(world, seconds, THEIR_EPISODES, 60))
    if exact:
        found = st.beliefs.bounds(world, tolerance=0.05, max_trials=10**9, max_seconds=SECONDS)
        for bound, cost in (("at least", found.upper), ("at most", found.lower)):
            rows.append({"problem": name, "policy": f"optimum, {bound}", "discounted reward": -cost})
    return rows


@st.record
class SeenDamage:
    """A playout that sees the state: the heuristic where all damage is known."""

    policy: st.Policy

    def __call__(self, info: st.problems.RepairState, key: Any) -> Int[Array, " m"]:
        sites = jax.nn.one_hot(info.levels, self.policy.problem.num_levels)
        return self.policy(st.beliefs.FactoredBelief(info.positions, sites), key)


def _repair() -> list[Row]:
    world = st.problems.Repair()
    model = world.belief_model()
    base = model.base_policy()
    ahead = st.Simulation(horizon=10, num_samples=32, terminal_cost=st.problems.DamageForever(world))
    rollout = st.OneAtATimeRollout(model, base, ahead)
    seen = SeenDamage(base)
    search = _searches(lambda n: st.beliefs.TreeSearch(model.filter, seen, n, 500.0, 30), model, rollout)
    policies = {"heuristic: nearest damage": base, "rollout on the heuristic": rollout}
    return _played("repair, 4 robots", model, policies | search, stages=80, episodes=50)


def _searches(make: Callable[[int], Any], model: Any, rollout: Any) -> dict[str, Any]:
    """Return tree searches that take as long as the rollout, and ten times as long."""
    target, probe = _milliseconds(model, rollout), 200
    each = _milliseconds(model, make(probe)) / probe
    counts = {times: max(1, round(times * target / each)) for times in (1, 10)}
    names = {1: "tree search, the same time", 10: "tree search, ten times as long"}
    return {names[times]: make(count) for times, count in counts.items()}


def _milliseconds(model: Any, policy: Any) -> float:
    state = model.initial_state(jax.random.key(1))
    decide = getattr(policy, "decide", None) or jax.jit(policy)
    return 1e3 * in_turns({"": lambda: jax.block_until_ready(decide(state, jax.random.key(2)))}, 20, patience=5)[""]


def _played(name: str, model: Any, policies: dict[str, Any], *, stages: int, episodes: int = EPISODES) -> list[Row]:
    rows: list[Row] = []
    for policy, each in policies.items():
        found = st.evaluate(model, each, KEY, episodes=episodes, horizon=stages, on=st.parallel.Local())
        count = {"simulations": each.num_simulations} if isinstance(each, st.beliefs.TreeSearch) else {}
        row = {"problem": name, "policy": policy, "ms a decision": _milliseconds(model, each), **count}
        rows.append(row | {"episodes": episodes, "discounted reward": -found.mean, "±": found.standard_error})
        print(rows[-1], flush=True)
    return rows


def _theirs(name: str, rows: list[Row], play: Callable[[float], list[float]]) -> list[Row]:
    """Play pomdp-py with the times of our searches."""
    found: list[Row] = []
    for label in ("the same time", "ten times as long"):
        milliseconds = next(row["ms a decision"] for row in rows if row["policy"] == f"tree search, {label}")
        costs = np.asarray(play(milliseconds / 1e3))
        error = float(costs.std(ddof=1) / len(costs) ** 0.5)
        row = {"problem": name, "policy": f"pomdp-py, {label}", "ms a decision": milliseconds, "episodes": len(costs)}
        found.append(row | {"discounted reward": -float(costs.mean()), "±": error})
        print(found[-1], flush=True)
    return found


def _module() -> Any:
    from benchmarks import _pomdp_py

    return _pomdp_py
