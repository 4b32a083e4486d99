"""Simulating a heuristic: a model that a user writes in plain JAX, beside the same model in DynaPlex.

`Chase` below is all a user writes, for one state, without a thought of speed but for the width of its positions.
`st.evaluate` plays its episodes, with every law checked at every stage. `_chase_dynaplex.py` holds the same hunt in
DynaPlex's language, simulated by its `PolicyComparer`, compiled and with its checks off. Counted are joint steps, that
is stages in which all spiders move, over whole episodes, random starts included; how long our starts take alone, drawn
by the model's own `initial_state` in lanes, stands beside. Both must find the same mean length of an episode.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from dynaplex import PolicyComparer
from matplotlib.figure import Figure

import seriatim as st
from benchmarks import _chase_dynaplex
from benchmarks._results import Row, publish
from benchmarks._timing import in_turns
from seriatim.lanes import map_lanes

SIZES = ((4, 4, 10), (15, 15, 20), (50, 50, 50))
EPISODES = {4: 160_000, 15: 32_000, 50: 3_200}
BITS = (32, 16, 8)  # distances, 98 at most, fit into 8
HORIZON, ROUNDS, PATIENCE = 400, 9, 20.0
# The largest difference of mean lengths that is still chance, in standard errors: one false alarm in 10,000 runs.
CHANCE = 4.3
COLUMNS = {
    "spiders, flies, side": "",
    "bits": "d",
    "DynaPlex, million joint steps/s": ".3f",
    "seriatim, million joint steps/s": ".3f",
    "times as fast": ".2f",
    "of that time, random starts": ".0%",
    "mean length, DynaPlex": ".2f",
    "mean length, seriatim": ".2f",
}


@st.record
class Nearest:
    """Each spider towards its nearest fly, rows first."""

    def __call__(self, hunt: Any, key: Any) -> Any:
        spiders, flies, alive = hunt
        apart = jnp.abs(flies[None] - spiders[:, None]).sum(axis=2, dtype=spiders.dtype)
        target = flies[jnp.argmin(jnp.where(alive[None], apart, jnp.iinfo(apart.dtype).max), axis=1)]
        down, right = (target - spiders).T
        return jnp.select([down < 0, down > 0, right < 0, right > 0], [1, 2, 3, 4], 0)


@st.record
class Chase:
    """Spiders hunt flies that stay where they are, on an open grid."""

    spiders: int = st.static()
    flies: int = st.static()
    side: int = st.static()
    bits: int = st.static(default=32)
    discount: float = 1.0

    @property
    def num_agents(self) -> int:
        return self.spiders

    @property
    def num_controls(self) -> int:
        return 5

    def initial_state(self, key: Any) -> Any:
        cells = jax.random.randint(key, (self.spiders + self.flies, 2), 0, self.side).astype(f"int{self.bits}")
        return cells[: self.spiders], cells[self.spiders :], jnp.ones(self.flies, bool)

    def control_mask(self, hunt: Any) -> Any:
        return jnp.ones((self.spiders, 5), bool)

    def sample_disturbance(self, key: Any) -> None:
        return None

    def transition(self, hunt: Any, control: Any, disturbance: None) -> st.Transition:
        spiders, flies, alive = hunt
        step = jnp.array([[0, 0], [-1, 0], [1, 0], [0, -1], [0, 1]], spiders.dtype)[control]
        spiders = jnp.clip(spiders + step, 0, self.side - 1)
        caught = (spiders[:, None] == flies[None]).all(axis=2).any(axis=0)
        alive = alive & ~caught
        return st.Transition((spiders, flies, alive), cost=1.0, done=~alive.any())


@functools.partial(jax.jit, static_argnames="episodes")
def _starts(model: Chase, key: Any, episodes: int) -> Any:
    return map_lanes(model.initial_state, (-1,))(jax.random.split(key, episodes))


def _contestants(model: Chase, episodes: int) -> dict[str, Callable[[], np.ndarray]]:
    """Return who simulates, each returning the lengths of all its episodes."""
    other = _chase_dynaplex.Chase(model.spiders, model.flies, model.side)
    comparer = PolicyComparer(
        other, number_of_trajectories=episodes, seed=0, workers=1, backend="engine", jit=True, checks=False
    )
    heuristic, base, key = _chase_dynaplex.NearestFly(other), Nearest(), jax.random.key(0)
    return {
        "DynaPlex": lambda: np.asarray(comparer.assess(heuristic).returns),
        "seriatim": lambda: st.evaluate(model, base, key, episodes=episodes, horizon=HORIZON).costs,
    }


def _one_size(spiders: int, flies: int, side: int, bits: int) -> Row:
    model, episodes = Chase(spiders, flies, side, bits), EPISODES[spiders]
    contestants = _contestants(model, episodes)
    lengths = {name: run() for name, run in contestants.items()}
    _insist_on_equal_means(*lengths.values())
    starts = {"starts": lambda: jax.block_until_ready(_starts(model, jax.random.key(0), episodes))}
    seconds = in_turns(contestants | starts, ROUNDS, patience=PATIENCE)
    speed = {name: float(each.sum()) / seconds[name] / 1e6 for name, each in lengths.items()}
    return {
        "spiders, flies, side": f"{spiders}, {flies}, {side}",
        "bits": bits,
        **{f"{name}, million joint steps/s": each for name, each in speed.items()},
        "times as fast": speed["seriatim"] / speed["DynaPlex"],
        "of that time, random starts": seconds["starts"] / seconds["seriatim"],
        **{f"mean length, {name}": float(each.mean()) for name, each in lengths.items()},
    }


def _insist_on_equal_means(one: np.ndarray, other: np.ndarray) -> None:
    error = math.sqrt(one.var() / len(one) + other.var() / len(other))
    if abs(one.mean() - other.mean()) > CHANCE * error:
        raise AssertionError(f"Episodes of {one.mean():.2f} and {other.mean():.2f} stages: these are two models.")


def measure() -> list[Row]:
    return [_one_size(*size, bits) for size in SIZES for bits in BITS]


def draw(rows: list[Row]) -> Figure:
    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.subplots()
    sizes = list(dict.fromkeys(row["spiders, flies, side"] for row in rows))
    places, width = np.arange(len(sizes)), 0.8 / (1 + len(BITS))

    def bars(place: int, label: str, name: str, bits: int) -> None:
        heights = [row[f"{name}, million joint steps/s"] for row in rows if row["bits"] == bits]
        axes.bar(places + (place - len(BITS) / 2) * width, heights, width, label=label)

    bars(0, "DynaPlex", "DynaPlex", BITS[0])
    for place, bits in enumerate(BITS, 1):
        bars(place, f"seriatim, {bits} bits", "seriatim", bits)
    axes.set_xticks(places, sizes)
    axes.set(ylabel="million joint steps a second", xlabel="spiders, flies, side", yscale="log")
    axes.legend(frameon=False)
    return figure


def main(*, redraw: bool = False) -> None:
    publish("simulation", COLUMNS, measure, draw=draw, redraw=redraw)
