"""Off-line training beside rollout: spiders that see three moves far, then a change that training never saw.

Four spiders, four flies, 10 x 10 cells; the cost of a stage is the number of living flies. Policies trained by four
estimators, three seeds each; the heuristic for what a spider sees, the heuristic that knows all flies, and
one-at-a-time rollout on the former and on a trained policy. The planner knows the state, trained policies what a spider
sees. Then new flies arrive, which neither training nor the planner's model knows of: both only meet them.
"""

import time
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from matplotlib.figure import Figure

import seriatim as st
from benchmarks._results import Row, publish
from seriatim.networks import decentralised_policy
from seriatim.training import PolicyGradient, train

SEEDS = 3
GAME = {"spiders": 4, "flies": 4, "width": 10, "height": 10, "vision": 3, "cost": "flies", "max_flies": 8}
ARRIVALS = 0.2
# Episodes as trained end when the last fly is caught; where flies keep arriving, a number of stages is played.
HORIZON, STAGES = 200, 100
EPISODES, PLANNED_EPISODES = 1000, 60
# Of a rollout on policies that draw lots.
SIMULATION = st.Simulation(horizon=20, num_samples=8)
COLUMNS = {
    "policy": "",
    "knows": "",
    "trajectories": ",d",
    "training, s": ".0f",
    "cost": ".2f",
    "±": ".2f",
    "flies alive, new ones arriving": ".2f",
    "± ": ".2f",
}
ESTIMATORS: dict[str, tuple[int, dict[str, Any]]] = {
    "score function, moving baseline": (1500, {"estimator": "score-function", "batch": 128, "entropy": 0.05}),
    "leave-one-out, 8": (
        1500,
        {"estimator": "leave-one-out", "batch": 128, "num_samples": 8, "entropy": 0.05},
    ),
    "straight-through Gumbel": (
        600,
        {"estimator": "straight-through-gumbel-softmax", "batch": 64, "entropy": 0.05},
    ),
    "Gumbel-softmax, annealed": (
        500,
        {
            "estimator": "gumbel-softmax",
            "batch": 64,
            "entropy": 0.05,
            "temperature": st.distributions.temperature_schedule(optax.exponential_decay(2.0, 250, 0.5), floor=0.5),
        },
    ),
}


class Trained(NamedTuple):
    policies: list[st.Policy]
    trajectories: int
    seconds: float
    curve: list[list[float]]  # seconds, mean cost, its standard error over seeds


def main(*, redraw: bool = False) -> None:
    publish("limited_vision", COLUMNS, measure, draw=draw, redraw=redraw, page="policy-gradients.md")


def measure() -> list[Row]:
    model = st.problems.SpidersAndFlies(**GAME)
    changed = st.problems.SpidersAndFlies(**GAME, arrival_rate=ARRIVALS)
    rows = [
        _heuristic("heuristic, nearest fly in sight", "what it sees", model.local_policy(), model, changed),
        _heuristic("heuristic, nearest fly", "the state", model.base_policy(), model, changed),
    ]
    trained = {name: _trained(model, steps, settings) for name, (steps, settings) in ESTIMATORS.items()}
    rows += [_off_line(name, each, model, changed) for name, each in trained.items()]
    on_top = trained["leave-one-out, 8"].policies[0]
    for name, base in (("heuristic in sight", model.local_policy()), ("leave-one-out", on_top)):
        planner = st.OneAtATimeRollout(model, base, SIMULATION)
        costs = [_costs(model, planner, PLANNED_EPISODES, HORIZON), _alive(changed, planner, PLANNED_EPISODES)]
        rows.append({"policy": f"rollout on {name}", "knows": "the state", **_entries(*costs)})
    return rows


def _trained(model: st.problems.SpidersAndFlies, steps: int, settings: dict[str, Any]) -> Trained:
    policies, columns, seconds = [], [], 0.0
    for seed in range(SEEDS):
        start, key = jax.random.split(jax.random.key(seed))
        trainer = PolicyGradient(decentralised_policy(model, start), **settings)
        train(trainer, key, steps=1)  # compiles
        began = time.perf_counter()
        found = train(trainer, key, steps=steps)
        seconds += time.perf_counter() - began
        policies.append(trainer.trained(found.state))
        columns.append(found.metrics)
    parts = [np.array_split(each["cost"], 50) for each in columns]
    costs = np.array([[part.mean() for part in mine] for mine in parts])
    times = np.linspace(0, seconds / SEEDS, 51)[1:]
    curve = np.stack([times, costs.mean(axis=0), costs.std(axis=0, ddof=1) / np.sqrt(SEEDS)], axis=1)
    return Trained(policies, steps * settings["batch"], seconds / SEEDS, curve.tolist())


def _heuristic(name: str, knows: str, policy: Any, model: Any, changed: Any) -> dict[str, Any]:
    costs = _costs(model, policy, EPISODES, HORIZON), _alive(changed, policy, EPISODES)
    return {"policy": name, "knows": knows, **_entries(*costs)}


def _off_line(name: str, trained: Trained, model: Any, changed: Any) -> dict[str, Any]:
    """Return means over seeds, and their standard errors over seeds: another training may end elsewhere."""
    costs = [_costs(model, policy, EPISODES, HORIZON)[0] for policy in trained.policies]
    alive = [_alive(changed, policy, EPISODES)[0] for policy in trained.policies]
    return {
        "policy": name,
        "knows": "what it sees",
        "trajectories": trained.trajectories,
        "training, s": trained.seconds,
        **_entries(_over_seeds(costs), _over_seeds(alive)),
        "curve": trained.curve,
    }


def _over_seeds(values: list[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))


def _costs(model: Any, policy: Any, episodes: int, horizon: int) -> tuple[float, float]:
    found = st.evaluate(model, policy, jax.random.key(100), episodes=episodes, horizon=horizon)
    return float(found.mean), float(found.standard_error)


def _alive(model: Any, policy: Any, episodes: int) -> tuple[float, float]:
    """Return the mean number of living flies over the stages of an episode."""
    mean, error = _costs(model, policy, episodes, STAGES)
    return mean / STAGES, error / STAGES


def _entries(cost: tuple[float, float], alive: tuple[float, float]) -> dict[str, float]:
    return {"cost": cost[0], "±": cost[1], "flies alive, new ones arriving": alive[0], "± ": alive[1]}


def draw(rows: list[Any]) -> Figure:
    """Learning curves with the policies that are not trained as lines; then everyone, as trained and changed."""
    figure = Figure(figsize=(11, 8), layout="constrained")
    above, below = figure.subplots(2, 1)
    for row in rows:
        if "curve" in row:
            seconds, mean, error = np.array(row["curve"]).T
            (line,) = above.plot(seconds, mean, label=row["policy"])
            above.fill_between(seconds, mean - error, mean + error, color=line.get_color(), alpha=0.2, linewidth=0)
        else:
            above.axhline(row["cost"], color="0.6", linewidth=0.8)
            above.text(
                1.0, row["cost"], f" {row['policy']}", transform=above.get_yaxis_transform(), fontsize=7, va="center"
            )
    above.set(xlabel="seconds of training, one core", ylabel="mean cost of a trajectory", yscale="log")
    above.set_title("Training (bands: standard error over seeds)", loc="left")
    above.legend(frameon=False, fontsize=8)
    _bars(below, rows, "cost", "±", "as trained: cost of an episode", 0)
    _bars(below, rows, "flies alive, new ones arriving", "± ", "new flies arrive: living flies, x 10", 1, 10)
    below.set_yticks(range(len(rows)), [row["policy"] for row in rows])
    below.invert_yaxis()
    below.legend(frameon=False, fontsize=8)
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _bars(axes: Any, rows: list[Any], name: str, error: str, label: str, place: int, scale: float = 1.0) -> None:
    values, errors = ([scale * row[key] for row in rows] for key in (name, error))
    axes.barh([y + 0.4 * place - 0.2 for y in range(len(rows))], values, 0.4, xerr=errors, label=label)
