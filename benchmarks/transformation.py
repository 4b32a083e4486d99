"""Natural models at hand-written speed: the transformation to lanes, beside `jax.vmap`, on the same programs.

Models of different kinds, written for one state and without a thought of speed: a hunt on a grid (whole numbers,
nearest of many, lookups), with positions of 32 bits and of 16, and as the library's own model has it; sensors that
cover targets (real numbers, minimum over an outer product); and transmitters that disturb one another (a matrix
product, divisions, logarithms). Each is simulated under its heuristic from 256 states, under disturbances drawn
beforehand, once with every step mapped by `jax.vmap` and once by `seriatim.lanes`. All must arrive at the same costs.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import seriatim as st
from benchmarks._results import Row, publish
from benchmarks._timing import in_turns
from benchmarks.simulation import Chase, Nearest
from seriatim.lanes import lanes

SPIDERS = st.problems.SpidersAndFlies()
STATES, STAGES, ROUNDS, PATIENCE = 256, 40, 15, 15.0
COLUMNS = {
    "model": "",
    "agents": ",d",
    "vmap, states first, ms": ".2f",
    "vmap, states last, ms": ".2f",
    "lanes, ms": ".2f",
    "times as fast": ".1f",
}


@st.record
class Coverage:
    """Sensors in the plane move in steps; the cost is the mean squared distance of targets to their nearest sensor."""

    agents: int = st.static(default=20)
    targets: int = st.static(default=40)
    num_controls: int = st.static(default=5)
    discount: float = 0.99

    @property
    def num_agents(self) -> int:
        return self.agents

    def initial_state(self, key: Any) -> Any:
        places = jax.random.uniform(key, (self.agents + self.targets, 2))
        return places[: self.agents], places[self.agents :]

    def control_mask(self, state: Any) -> Any:
        return jnp.ones((self.agents, 5), bool)

    def sample_disturbance(self, key: Any) -> Any:
        return 0.01 * jax.random.normal(key, (self.targets, 2))

    def transition(self, state: Any, control: Any, disturbance: Any) -> st.Transition:
        sensors, targets = state
        step = 0.05 * jnp.array([[0.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [0.0, -1.0], [0.0, 1.0]])[control]
        sensors, targets = jnp.clip(sensors + step, 0, 1), jnp.clip(targets + disturbance, 0, 1)
        squared = jnp.sum((sensors[:, None] - targets[None]) ** 2, axis=2)
        return st.Transition((sensors, targets), jnp.mean(jnp.min(squared, axis=0)), jnp.array(False))

    def base_policy(self) -> Callable[[Any, Any], Any]:
        return _towards_nearest


def _towards_nearest(state: Any, key: Any) -> Any:
    """Each sensor towards its nearest target, along the longer side."""
    sensors, targets = state
    apart = jnp.sum((sensors[:, None] - targets[None]) ** 2, axis=2)
    down, right = (targets[jnp.argmin(apart, axis=1)] - sensors).T
    vertical = jnp.where(down < 0, 1, 2)
    return jnp.where(jnp.abs(down) > jnp.abs(right), vertical, jnp.where(right < 0, 3, 4))


@st.record
class Channel:
    """Mobile transmitters choose their power while their queues fill; each is noise to the others.

    A transmitter sends what the logarithm of its signal to noise allows; the cost is queues plus power.
    """

    agents: int = st.static(default=30)
    num_controls: int = st.static(default=4)
    discount: float = 0.99

    @property
    def num_agents(self) -> int:
        return self.agents

    def initial_state(self, key: Any) -> Any:
        place, queue = jax.random.split(key)
        return jax.random.uniform(place, (self.agents, 2)), jax.random.uniform(queue, (self.agents,), maxval=5.0)

    def control_mask(self, state: Any) -> Any:
        return jnp.ones((self.agents, 4), bool)

    def sample_disturbance(self, key: Any) -> Any:
        fading, drift = jax.random.split(key)
        return jax.random.uniform(fading, (self.agents,)), jax.random.uniform(
            drift, (self.agents, 2), minval=-0.01, maxval=0.01
        )

    def transition(self, state: Any, control: Any, disturbance: Any) -> st.Transition:
        places, queues = state
        fading, drift = disturbance
        places = jnp.clip(places + drift, 0, 1)
        power = jnp.array([0.0, 0.5, 1.0, 2.0])[control]
        squared = jnp.sum((places[:, None] - places[None]) ** 2, axis=2)
        gain = 1.0 / (0.01 + squared)
        heard = gain @ power
        signal = 100.0 * power * fading
        rate = jnp.log2(1 + signal / (1 + heard))
        queues = jnp.clip(queues + 0.5 - rate, 0, 50)
        return st.Transition((places, queues), jnp.sum(queues) + jnp.sum(power), jnp.array(False))

    def base_policy(self) -> Callable[[Any, Any], Any]:
        return _power_by_queue


def _power_by_queue(state: Any, key: Any) -> Any:
    """More power, the longer the queue."""
    return jnp.digitize(state[1], jnp.array([0.5, 2.0, 6.0]))


def _played(model: Any, base: Any, axis: int, over: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    """Return a compiled function from states and keys to costs, stages mapped by `over`."""
    move, choose = over(model.transition, (axis,) * 3), over(lambda x: base(x, None), (axis,))

    def stage(carry: Any, draws: Any) -> Any:
        states, cost, done = carry
        after = move(states, choose(states), draws)
        return (after.state, cost + jnp.where(done, 0.0, after.cost), done | after.done), None

    @jax.jit
    def play(states: Any, draws: Any) -> Any:
        return jax.lax.scan(stage, (states, jnp.zeros(STATES), jnp.zeros(STATES, bool)), draws, STAGES)[0][1]

    return play


def _draws(model: Any, keys: Any, axis: int) -> Any:
    """Draw the disturbances of all stages beforehand: what is compared is the model, not the generator."""
    return jax.jit(jax.vmap(jax.vmap(model.sample_disturbance, out_axes=axis)))(keys)


def one_model(name: str, model: Any, base: Any) -> Row:
    keys = jax.random.split(jax.random.key(0), STATES)
    stages = jax.vmap(jax.random.split, (0, None))(keys, STAGES).T
    first, last = (
        (jax.vmap(model.initial_state, out_axes=axis)(keys), _draws(model, stages, axis)) for axis in (0, -1)
    )
    plays = {
        "vmap, states first": (_played(model, base, 0, jax.vmap), *first),
        "vmap, states last": (_played(model, base, -1, lambda f, axes: jax.vmap(f, axes, -1)), *last),
        "lanes": (_played(model, base, -1, lanes), *last),
    }
    costs = [np.asarray(play(*given)) for play, *given in plays.values()]
    for other in costs[1:]:
        np.testing.assert_allclose(other, costs[0], rtol=1e-3)
    contestants = {
        which: (lambda play=play, given=given: jax.block_until_ready(play(*given)))
        for which, (play, *given) in plays.items()
    }
    seconds = in_turns(contestants, ROUNDS, patience=PATIENCE)
    best = min(seconds["vmap, states first"], seconds["vmap, states last"])
    times = {f"{which}, ms": 1e3 * each for which, each in seconds.items()}
    return {"model": name, "agents": model.num_agents, **times, "times as fast": best / seconds["lanes"]}


def measure() -> list[Row]:
    models = {
        "hunt, 32 bits": (Chase(15, 15, 20), Nearest()),
        "hunt, 16 bits": (Chase(15, 15, 20, bits=16), Nearest()),
        "spiders and flies": (SPIDERS, SPIDERS.base_policy()),
        "coverage": (Coverage(), _towards_nearest),
        "channel": (Channel(), _power_by_queue),
    }
    return [one_model(name, *pair) for name, pair in models.items()]


def draw(rows: list[Row]) -> Figure:
    figure = Figure(figsize=(7, 2.2), layout="constrained")
    axes = figure.subplots()
    for k, name in enumerate(("vmap, states first", "vmap, states last", "lanes")):
        axes.barh([i + 0.25 * k for i in range(len(rows))], [row[f"{name}, ms"] for row in rows], 0.25, label=name)
    axes.set_yticks([i + 0.25 for i in range(len(rows))], [row["model"] for row in rows])
    axes.set(xscale="log", xlabel=f"milliseconds for {STAGES} stages of {STATES} states")
    axes.invert_yaxis()
    axes.legend(frameon=False)
    return figure


def main(*, redraw: bool = False) -> None:
    publish("transformation", COLUMNS, measure, draw=draw, redraw=redraw)
