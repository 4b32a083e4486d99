"""A step of training through relaxed trajectories beside a supervised step of the same network on as many observations.

The network of an agent is the default one. Supervised: cross-entropy on given controls, observations lying ready, at
batch x stages x agents of them. Relaxed: the same number comes up along trajectories, whose costs are differentiated.
Both make the same update.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import optax
from matplotlib.figure import Figure

import seriatim as st
from benchmarks._results import Row, publish
from benchmarks._timing import in_turns
from seriatim.networks import decentralised_policy
from seriatim.training import PolicyGradient

BATCH, HORIZON = 64, 30
SIZES = {"4, 4, 10": (4, 4, 10), "15, 15, 20": (15, 15, 20)}
ESTIMATORS = ("gumbel-softmax", "straight-through-gumbel-softmax", "gumbel-rao", "leave-one-out")
COLUMNS = {
    "spiders, flies, grid": "",
    "estimator": "",
    "supervised, ms": ".1f",
    "training, ms": ".1f",
    "times as long": ".1f",
    "µs a stage and trajectory": ".1f",
}


def main(*, redraw: bool = False) -> None:
    publish("relaxed", COLUMNS, measure, draw=draw, redraw=redraw, page="policy-gradients.md")


def measure() -> list[Row]:
    rows = []
    for name, (m, n, side) in SIZES.items():
        batch = BATCH if m < 10 else BATCH // 4
        model = st.problems.SpidersAndFlies(spiders=m, flies=n, width=side, height=side, vision=3, cost="flies")
        policy = decentralised_policy(model, jax.random.key(0))
        contestants: dict[str, Any] = {"supervised": _supervised(policy, batch)}
        for estimator in ESTIMATORS:
            trainer = PolicyGradient(policy, estimator, batch=batch, horizon=HORIZON)
            contestants[estimator] = _step(trainer)
        seconds = in_turns(contestants, rounds=9, patience=60)
        rows += [_row(name, estimator, seconds["supervised"], seconds[estimator], batch) for estimator in ESTIMATORS]
    return rows


def _row(name: str, estimator: str, supervised: float, training: float, batch: int) -> dict[str, Any]:
    return {
        "spiders, flies, grid": name,
        "estimator": estimator,
        "supervised, ms": 1e3 * supervised,
        "training, ms": 1e3 * training,
        "times as long": training / supervised,
        "µs a stage and trajectory": 1e6 * training / (batch * HORIZON),
    }


def _step(trainer: PolicyGradient) -> Any:
    step, state = jax.jit(trainer.step), trainer.init(jax.random.key(1))
    return lambda: jax.block_until_ready(step(state))


def _supervised(policy: Any, batch: int) -> Any:
    """The same network, optimiser and number of observations."""
    model = policy.model
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(3e-3))
    shape = (batch * HORIZON, model.num_agents)
    one = model.agent_observations(model.initial_state(jax.random.key(0)))
    observations = jnp.broadcast_to(one, (batch * HORIZON, *one.shape))
    controls = jax.random.randint(jax.random.key(1), shape, 0, model.num_controls)

    @jax.jit
    def step(parameters: Any, state: Any, observations: Any, controls: Any) -> Any:
        def loss(parameters: Any) -> Any:
            logits = jax.vmap(lambda seen: _propose(policy, parameters, seen))(observations)
            return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, controls))

        gradient = jax.grad(loss)(parameters)
        updates, state = optimiser.update(gradient, state, parameters)
        return optax.apply_updates(parameters, updates), state

    given = policy.parameters, optimiser.init(policy.parameters), observations, controls
    return lambda: jax.block_until_ready(step(*given))


def _propose(policy: Any, parameters: Any, seen: Any) -> Any:
    return dataclasses.replace(policy, parameters=parameters).propose(seen, policy.blank())[0]


def draw(rows: list[Any]) -> Figure:
    """Times as long as the supervised step."""
    figure = Figure(figsize=(8, 3), layout="constrained")
    axes = figure.subplots()
    names = [f"{row['estimator']}  ({row['spiders, flies, grid']})" for row in rows]
    axes.barh(names, [row["times as long"] for row in rows], color="tab:blue", alpha=0.7)
    axes.axvline(1, color="0.3", linewidth=0.8)
    axes.invert_yaxis()
    axes.set_xlabel("times as long as a supervised step of the same network")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
