"""Timing of decisions under a deadline, made on-line, one by one.

A deadline is kept as far as the clock and the operating system allow; no proof replaces the measurement. The slowest
percent of decisions counts most, because a planner that is late now and then may be late when it matters.
"""

import math
import time
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from seriatim._arguments import require_whole
from seriatim._compile import jit
from seriatim._errors import InputError
from seriatim._numbers import Budget, real_number
from seriatim._preconditions import require_key, require_model
from seriatim._record import record
from seriatim.model import Key, Model, State
from seriatim.policy import Decision, Planner
from seriatim.simulation._stage import Streams, stage, streams


@runtime_checkable
class Punctual(Planner, Protocol):
    """A planner that can decide under a deadline."""

    @property
    def model(self) -> Model:
        """The planner's model of the world."""
        ...

    @property
    def pace(self) -> Any:
        """The measured times of the planner's pieces of work; None before `warmup`."""
        ...

    def act(self, info: State, key: Key, *, budget_ms: Budget = None) -> Decision:
        """Decide within so many milliseconds."""
        ...

    def warmup(self, state: State = None, key: Key | None = None) -> "Punctual":
        """Compile what `act` needs, learn the pace, and return the planner."""
        ...


@record
class Timing:
    """The times of decisions under a deadline.

    Attributes:
        budget_ms: milliseconds that each decision was given; None is no deadline.
        decisions: how many were made.
        median_ms: the time that half of them took at most, in milliseconds.
        p99_ms: the time that 99 % took at most.
        worst_ms: the longest.
        over_budget: the share of decisions that took longer than the budget.
        share_compared: the mean share of a decision's Q-factors that there was time for, at most 1. All Q-factors are
            m*c one agent at a time (in the optimised order, those of the first turn), and c**m in standard rollout.
    """

    budget_ms: float | None
    decisions: int
    median_ms: float
    p99_ms: float
    worst_ms: float
    over_budget: float
    share_compared: float

    def __str__(self) -> str:
        given = "no deadline" if self.budget_ms is None else f"deadline {self.budget_ms:g} ms"
        late = "" if self.budget_ms is None else f", {self.over_budget:.1%} late"
        return (
            f"{given}: median {self.median_ms:.3g} ms, 99 % within {self.p99_ms:.3g} ms, worst {self.worst_ms:.3g} ms"
            f"{late}, {self.share_compared:.0%} of the Q-factors compared ({self.decisions} decisions)"
        )


def time_decisions(
    planner: Punctual, key: Key, *, budget_ms: Budget, decisions: int = 200, horizon: int = 400
) -> Timing:
    """Play episodes of the planner's own model with every decision under a deadline, and time each decision.

    The times contain no compilation: a planner without a pace is warmed up first. Episode `i` is a function of
    `fold_in(key, i)` and of the work that there was time for.

    Args:
        planner: one that keeps deadlines, `seriatim.Anytime(planner)`.
        key: decides all that is random.
        budget_ms: milliseconds a decision may take, by the wall clock; None takes all turns.
        decisions: how many are timed, over as many episodes as that takes.
        horizon: stages after which an episode is cut and the next one begins.

    Raises:
        InputError: `decisions` or `horizon` is less than 1, the budget is not above 0, or the planner
            keeps no deadline.
    """
    for name, value in (("decisions", decisions), ("horizon", horizon)):
        require_whole(name, value)
    if not isinstance(planner, Punctual):
        raise InputError(
            f"{type(planner).__name__} has no methods act and warmup, so it keeps no deadline; give "
            "st.Anytime(planner)."
        )
    require_key(key)
    require_model(planner.model, starts=True)
    ready = planner if planner.pace is not None else planner.warmup()
    made: list[tuple[Decision, float]] = []
    episode = 0
    while len(made) < decisions:
        own_key = jax.random.fold_in(key, episode)
        made += _episode(ready, own_key, budget_ms, min(horizon, decisions - len(made)))
        episode += 1
    return timing(budget_ms, [d for d, _ in made], [ms for _, ms in made])


def timing(budget_ms: Budget, decisions: Sequence[Decision], milliseconds: Sequence[float]) -> Timing:
    """Summarise decisions and the milliseconds each took."""
    shares = [min(1.0, int(d.num_q_factors) / d.q_factors.size) for d in decisions]
    taken, budget = np.asarray(milliseconds, float), real_number(budget_ms)
    return Timing(
        budget_ms=budget,
        decisions=len(taken),
        median_ms=float(np.median(taken)),
        # A measured time that at least 99 % of the decisions kept. An interpolated one could be below all such times.
        p99_ms=float(np.quantile(taken, 0.99, method="inverted_cdf")),
        worst_ms=float(np.max(taken)),
        over_budget=float(np.mean(taken > (math.inf if budget is None else budget))),
        share_compared=float(np.mean(shares)),
    )


def timed(planner: Punctual, state: State, key: Key, budget_ms: Budget) -> tuple[Decision, float]:
    """Decide under a deadline; return the decision and the milliseconds it took by the wall clock."""
    begin = time.perf_counter()
    decision = planner.act(state, key, budget_ms=budget_ms)
    jax.block_until_ready(decision.control)
    return decision, 1e3 * (time.perf_counter() - begin)


def _episode(planner: Punctual, key: Key, budget_ms: Budget, stages: int) -> list[tuple[Decision, float]]:
    keys = streams(key)
    state, made = _start(planner.model, keys), []
    for t in range(stages):
        made.append(timed(planner, state, _policy_key(keys, t), budget_ms))
        state, done = jax.block_until_ready(_move(planner.model, state, made[-1][0].control, keys, t))
        if done:
            break
    return made


def _first(model: Model, keys: Streams) -> State:
    return jax.tree.map(jnp.asarray, model.initial_state(keys.start))


def _key(keys: Streams, t: int | Int[Array, ""]) -> Key:
    return jax.random.fold_in(keys.policy, t)


def _advance(
    model: Model, state: State, control: Int[Array, " m"], keys: Streams, t: int | Int[Array, ""]
) -> tuple[State, Bool[Array, ""]]:
    _, after = stage(model, lambda *_: control, state, keys, t)
    return after.state, jnp.asarray(after.done)


_start = jit(_first)
_policy_key = jit(_key)
_move = jit(_advance)
