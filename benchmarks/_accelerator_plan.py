"""What the benchmark of accelerators measures, and how it takes the time of a program."""

import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

import seriatim as st
from benchmarks._budget import Budget
from seriatim.evaluation._timing import preparation
from seriatim.problems import SpidersAndFlies

HORIZON = 400
# Repetitions that a median takes, and seconds after which fewer will do.
ROUNDS, PATIENCE = 7, 8.0
# States drawn at once: on a large grid each is a choice among thousands of cells.
DRAWN_AT_ONCE = 256


class Team(NamedTuple):
    """As many spiders as flies on a square grid, and at how many states the CPU decides too."""

    spiders: int
    side: int
    compared: int

    @property
    def label(self) -> str:
        return f"{self.spiders}, {self.spiders}, {self.side}"

    def model(self, discount: float = 1.0) -> SpidersAndFlies:
        return SpidersAndFlies(self.spiders, self.spiders, self.side, self.side, discount=discount)

    def planner(self, discount: float = 1.0) -> st.OneAtATimeRollout:
        model = self.model(discount)
        return st.OneAtATimeRollout(model, model.base_policy(), st.Simulation(horizon=HORIZON))

    def states(self, count: int) -> Any:
        """Draw states, stacked along the first axis; fewer are the first of more."""
        initial = self.model().initial_state
        draw = jax.jit(lambda numbers: jax.lax.map(lambda n: initial(_key(0, n)), numbers, batch_size=DRAWN_AT_ONCE))
        return draw(jnp.arange(count))

    def work_of_a_decision(self) -> float:
        """Return about how a decision grows with the team: pairs x candidates x stages."""
        return float(self.spiders**3 * self.side)


class Plan(NamedTuple):
    """What is measured; smaller in the tests."""

    teams: tuple[Team, ...] = (Team(15, 20, 8), Team(100, 100, 2))
    states: tuple[int, ...] = (1, 256, 16_384)
    lanes: tuple[int, ...] = (2**10, 2**13, 2**16, 2**19)
    stages: int = 64
    # Of the arrays by which the chip is measured.
    array_bytes: int = 2**26


def keys(count: int) -> Any:
    """Return the keys of decisions; fewer are the first of more."""
    return jax.vmap(lambda n: _key(1, n))(jnp.arange(count))


def _key(stream: int, number: Any) -> Any:
    return jax.random.fold_in(jax.random.key(stream), number)


class Timed(NamedTuple):
    """What a program returned, its median seconds, and the seconds it took to prepare it."""

    result: Any
    seconds: float
    preparation: dict[str, float]


def timed(run: Callable[[], Any], budget: Budget) -> Timed:
    """Run a program once to prepare it, then while there is patience; the first run counts where it is the only one."""
    before, begin = preparation(), time.perf_counter()
    result = jax.block_until_ready(run())
    first, spent = time.perf_counter() - begin, preparation().since(before)
    expected = max(1e-6, first - sum(spent))
    patience = min(PATIENCE, budget.left() / 4)
    seconds: list[float] = []
    while len(seconds) < ROUNDS and sum(seconds) + expected < patience:
        begin = time.perf_counter()
        jax.block_until_ready(run())
        seconds.append(time.perf_counter() - begin)
        expected = max(seconds)
    median = statistics.median(seconds) if seconds else expected
    return Timed(result, median, {"tracing, s": spent.tracing, "compiling, s": spent.compiling})


def failure(error: Exception) -> str:
    """Return the first line of an error of the device, such as one for want of memory."""
    lines = str(error).splitlines()
    return lines[0][:100] if lines else type(error).__name__
