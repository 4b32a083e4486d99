"""Networks over beliefs: iterations of eight robots on the graph, signals, and regions of a robot on a line of 20.

On the line there are 5^20, about 10^14, states of damage and 20 places. Regions are belts of equal weight of the
expected number of damaged sites: six policy networks, three value networks.
"""

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from matplotlib.figure import Figure

import seriatim as st
from benchmarks._results import Row, publish
from benchmarks.repair import COLUMNS as TEAM_COLUMNS
from benchmarks.repair import EPISODES, STAGES, beside, costs, simulation
from seriatim.networks import partitioned, policy_classifier, value_network
from seriatim.parallel import Local
from seriatim.training import Fitting, PolicyIteration, visited

ROBOTS, ITERATIONS, STATES = 8, 3, 4096
NETWORK = {"hidden": (64, 64), "entities": 32}
PLAYED = 500
COLUMNS = {name: form for name, form in TEAM_COLUMNS.items() if name not in ("robots", "ms a decision")} | {
    "made after, s": ".0f"
}
LINE = st.problems.Repair(robots=1, layout="line", width=20)
POLICIES, VALUES = 6, 3


def main(*, redraw: bool = False) -> None:
    publish("repair-networks", COLUMNS, measure, draw=draw, redraw=redraw, page="repair.md")
    publish("repair-line", COLUMNS, measure_line, redraw=redraw, page="repair.md")


def trainer(world: st.problems.Repair, policy: Any, value: Any, states: int) -> PolicyIteration:
    """Return an iteration whose first simulations end as if damage stayed, later ones with the value network."""
    model, first = world.belief_model(), simulation(world)
    return PolicyIteration(
        model,
        model.base_policy(),
        policy,
        value,
        st.Simulation(horizon=10, num_samples=16),
        first_simulation=first,
        states=states,
        part=512,
        fitting=Fitting(passes=20),
        value_fitting=Fitting(passes=15),
        value_states=8192,
        episodes=PLAYED,
        horizon=STAGES,
        gain=None,
        on=Local(),
    )


def iterated(iteration: PolicyIteration, iterations: int) -> list[tuple[Any, Any, float]]:
    """Return each iteration's policy and value, and when it was there."""
    began, made = time.perf_counter(), []
    state = iteration.init(jax.random.key(5))
    for _ in range(iteration.steps(iterations)):
        state, metrics = iteration.step(state)
        if metrics:
            print({name: round(float(each), 3) for name, each in metrics.items()}, flush=True)
            made.append((*iteration.present(state), time.perf_counter() - began))
    return made


def measure() -> list[Row]:
    world = st.problems.Repair(robots=ROBOTS)
    model = world.belief_model()
    base, future = model.base_policy(), simulation(world)
    one, other = jax.random.key(0), jax.random.key(1)
    made = iterated(
        trainer(world, policy_classifier(model, one, **NETWORK), value_network(model, other, **NETWORK), STATES),
        ITERATIONS,
    )
    policies: dict[str, Any] = {
        "in turn": st.OneAtATimeRollout(model, base, future),
        "base": base,
        "all at once, base policy's controls": st.SignallingRollout(model, base, simulation=future),
        "all at once, network 1's guess": st.SignallingRollout(model, base, made[0][0], future),
        **{f"network {number}": each[0] for number, each in enumerate(made, 1)},
        f"rollout on network {ITERATIONS}": st.OneAtATimeRollout(model, made[-1][0], ending(made[-1][1])),
    }
    times = {f"network {number}": each[2] for number, each in enumerate(made, 1)}
    return rows(model, policies, times)


def ending(value: Any) -> st.Simulation:
    """End simulations of ten stages with a value network."""
    return st.Simulation(horizon=10, num_samples=16, terminal_cost=value)


def rows(model: Any, policies: dict[str, Any], times: dict[str, float]) -> list[Row]:
    """Play the same episodes with all; the first is the reference."""
    found = {
        name: costs(model, each, EPISODES if hasattr(each, "decide") else PLAYED) for name, each in policies.items()
    }
    return [
        {"policy": name, **beside(each, found["in turn"]), "base costs, times": found["base"].mean / each.mean}
        | ({"made after, s": times[name]} if name in times else {})
        for name, each in found.items()
    ]


def measure_line() -> list[Row]:
    model = LINE.belief_model()
    base, future = model.base_policy(), simulation(LINE)
    seen = visited(model, base, jax.random.split(jax.random.key(2), 2000), STAGES, 0.1)
    one, other = jax.random.key(0), jax.random.key(1)
    policy, value = policy_classifier(model, one), value_network(model, other)
    many = {
        "one network": (policy, value),
        "partitioned networks": (
            partitioned(policy, belts(seen, POLICIES), POLICIES),
            partitioned(value, belts(seen, VALUES), VALUES),
        ),
    }
    policies: dict[str, Any] = {"in turn": st.OneAtATimeRollout(model, base, future), "base": base}
    times = {}
    for name, networks in many.items():
        trained, worth, seconds = iterated(trainer(LINE, *networks, states=STATES), 1)[0]
        policies[name] = trained
        policies[f"rollout on {name}"] = st.OneAtATimeRollout(model, trained, ending(worth))
        times[name] = seconds
    return rows(model, policies, times)


@st.record
class Belt:
    """The region of a belief: where its expected number of damaged sites lies among some limits."""

    limits: Float[Array, " k"]

    def __call__(self, belief: st.beliefs.FactoredBelief) -> Int[Array, ""]:
        """Count the limits that are exceeded."""
        return jnp.sum(damaged(belief) > self.limits, dtype=jnp.int32)


def damaged(belief: st.beliefs.FactoredBelief) -> Any:
    """Return the expected number of damaged sites."""
    return jnp.sum(belief.sites[..., 1:], axis=(-2, -1))


def belts(seen: Any, count: int) -> Belt:
    """Part the beliefs seen into so many of equal weight."""
    shares = np.linspace(0, 1, count + 1)[1:-1]
    return Belt(jnp.asarray(np.quantile(np.asarray(damaged(seen)), shares), jnp.float32))


def draw(rows: list[Any]) -> Figure:
    """Cost of each policy."""
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.subplots()
    mine = sorted(rows, key=lambda row: -row["cost"])
    axes.barh([row["policy"] for row in mine], [row["cost"] for row in mine], xerr=[2 * row["±"] for row in mine])
    axes.set_xlabel("mean discounted cost, ± 2 standard errors")
    return figure
