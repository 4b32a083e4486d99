"""A decision as a search: ask for costs, choose, ask again.

A search never simulates. Its `begin` and `step` are generators: each `yield` asks for the costs of some joint controls,
and is told them. The driver of a search has the engine. The drivers here (`decided`, `advanced`) run inside a program
that is being compiled, where answers are simulations; another driver may pass the same asks to simulators in other
processes.

A decision may stop after any step: `decision` returns the best decision so far.
"""

from collections.abc import Callable, Generator
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from seriatim.policy import Decision
from seriatim.simulation._engine import Answering, Ask, Engine
from seriatim.simulation._futures import Costs

T = TypeVar("T")
A = TypeVar("A", bound=Answering)
# A generator that asks for costs, and returns a T in the end.
Asking: TypeAlias = Generator[Ask, Costs, T]


class Reference(NamedTuple):
    """The base policy's control, and its costs, sample by sample, or their place before anything was simulated."""

    control: Int[Array, " m"]
    admissible: Bool[Array, ""]
    samples: Float[Array, " samples"]


@runtime_checkable
class Search(Protocol):
    """How a planner finds its decision at one state. The state of the search is its *work*, a pytree.

    Every method is given the engine of the state.
    """

    def begin(self, engine: Engine, base_control: Int[Array, " m"]) -> Asking[Any]:
        """Simulate the base control, with which everything is compared, and return the first work."""
        ...

    def step(self, engine: Engine, work: Any) -> Asking[Any]:
        """Take one step, such as one agent's turn, and return the work after it."""
        ...

    def left(self, work: Any) -> Int[Array, ""] | int:
        """Return how many steps may be left; 0 where another one would change nothing."""
        ...

    def decision(self, engine: Engine, work: Any) -> Decision:
        """Return the decision after the steps taken so far."""
        ...

    def finished(self, engine: Engine, work: Any) -> Any:
        """Take all steps that are left, within a program that is being compiled; `advanced` does, one by one."""
        ...


class AtOnce(NamedTuple):
    """The search that has no steps: `found(engine, base_control)` asks for everything it needs, and decides."""

    found: Callable[[Engine, Int[Array, " m"]], Asking[Decision]]

    def begin(self, engine: Engine, base_control: Int[Array, " m"]) -> Asking[Decision]:
        return self.found(engine, base_control)

    def step(self, engine: Engine, work: Decision) -> Asking[Decision]:
        del engine
        # This makes it a generator, as every step is; it asks nothing.
        yield from ()
        return work

    def left(self, work: Decision) -> int:
        del work
        return 0

    def decision(self, engine: Engine, work: Decision) -> Decision:
        del engine
        return work

    def finished(self, engine: Engine, work: Decision) -> Decision:
        del engine
        return work


def answered(asking: Asking[T], engine: A) -> tuple[T, A]:
    """Let an engine answer until there is a result."""
    try:
        ask = next(asking)
        while True:
            costs, engine = engine.answer(ask)
            ask = asking.send(costs)
    except StopIteration as end:
        return end.value, engine


def decided(search: Search, engine: Engine, base_control: Int[Array, " m"]) -> Decision:
    """Take all steps of a decision, within a program that is being compiled."""
    work, engine = answered(search.begin(engine, base_control), engine)
    return search.decision(engine, search.finished(engine, work))


def advanced(
    search: Search, engine: Engine, work: T, count: Int[Array, ""] | int | None = None
) -> tuple[Int[Array, ""], T]:
    """Take up to `count` steps, which may be traced, or all that are left; return how many, and the work."""

    def step(now: tuple[Int[Array, ""], T]) -> tuple[Int[Array, ""], T]:
        # Steps leave the engine as it is; only `begin` may put its samples into another order.
        return now[0] + 1, answered(search.step(engine, now[1]), engine)[0]

    def more(now: tuple[Int[Array, ""], T]) -> Bool[Array, ""]:
        # `left` may fall to 0 early, where no step can change anything any more.
        left = jnp.asarray(search.left(now[1])) > 0
        return left if count is None else left & (now[0] < count)

    taken: tuple[Int[Array, ""], T] = jax.lax.while_loop(more, step, (jnp.zeros((), jnp.int32), work))
    return taken
