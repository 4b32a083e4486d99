"""Deadlines: the best decision that a planner can make in the time there is.

A decision in turns can stop after any of them: agents that have not had their turn keep the base policy's control.

Theorem (any time). Let u_k be the joint control after k turns. u_0 is the base control, which is admissible and
feasible, every turn moves to an allowed joint control or stays, and on the simulated costs Q(x, u_{k+1}) <= Q(x, u_k).
So every u_k is admissible, feasible, and there no worse than the base control; after the last turn it is the planner's
decision.

A compiled program cannot be interrupted, and waking one up costs more than a small turn takes. So the host hands over
turns in pieces: one program takes any number of them (the number is an argument, so it is compiled once), and every
piece returns a whole decision. A piece is as many turns as are expected to take half of the time left, so that a delay
is noticed while there is time. Only turns that take less than waking the program up are not divided further. So there
are about log2(m) pieces, often just one. A turn is handed over only if it fits into the rest as a whole; where none
does, the last decision is returned, early rather than late.

`warmup` measures the time of a turn. A piece may take longer than that, because the state is harder or the processor
busy; the rest of the decision is then expected to take longer by the same factor. The time of a decision, divided by
the time that `warmup` predicts, is kept as the *slowness*, and the next decision reckons with it: a processor that is
busy stays busy. A planner is a value and does not change; the measured times belong to `Anytime`. Without `warmup` the
first turn is begun on trust, and is the measure of the others. A clock inside the compiled loop, a callback, would stop
more exactly, but waits for Python at every turn, and for the device on an accelerator.

So the deadline can only be missed where a turn takes longer than expected, for instance because the operating system
takes the processor away. `seriatim.evaluation.time_decisions` measures how often that happens.

Source of the idea: T. Dean, M. Boddy, An analysis of time-dependent planning, AAAI 1988 (anytime algorithms).
"""

import functools
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from seriatim._compile import jit
from seriatim._errors import InputError
from seriatim._numbers import Budget, real_number
from seriatim.model import Key, Model, State
from seriatim.planning._decision import (
    admitted,
    base_control_of,
    engine_of,
    planner_keys,
    undecided,
)
from seriatim.planning._pace import MARGIN, Pace, affordable, learned, next_slowness
from seriatim.planning._search import Search, advanced, answered
from seriatim.planning._state_diagnostics import with_state_diagnostics
from seriatim.policy import Decision, Planner, Policy
from seriatim.simulation._engine import CompiledEngine
from seriatim.simulation._noise import Noise

Clock: TypeAlias = Callable[[], float]
R = TypeVar("R")

# Times measured for one figure, the seconds after which fewer will do, and the quantile that counts: what is slower
# than it is the machine's other work rather than ours, and to expect it always would leave most of the time unused.
REPETITIONS = 20
PATIENCE = 0.5
QUANTILE = 0.75
# No budget is longer, in milliseconds: thirty thousand years.
LONGEST = 1e15


@runtime_checkable
class Stoppable(Planner, Protocol):
    """A planner whose decisions may stop after any step."""

    @property
    def model(self) -> Model:
        """The planner's model of the world."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a decision's Q-factors."""
        ...

    def steps(self, info: State, key: Key) -> Search:
        """Return the search for a decision in steps, between which a clock may stop."""
        ...


class Anytime:
    """A planner with a clock: it decides as well as the time allows.

    It learns the pace of the planner, which is a value and stays as it is: `warmup` measures it, and every decision
    corrects it. Where it is used as a policy, without a deadline, it is the planner.

    >>> anytime = st.Anytime(planner).warmup()
    >>> decision = anytime.act(state, key, budget_ms=10)

    Args:
        planner: `OneAtATimeRollout` or `StandardRollout`. Agents that choose at once (`SignallingRollout`) take no
            turns that could be left out, and a part of their choices is a joint control that was never compared with
            the base policy's.
        clock: tells the seconds.

    Raises:
        InputError: the planner's decisions cannot be stopped.
    """

    def __init__(self, planner: Stoppable, *, clock: Clock = time.perf_counter) -> None:
        if not isinstance(planner, Stoppable):
            raise InputError(
                f"{type(planner).__name__} takes no steps that could be left out; give OneAtATimeRollout or "
                "StandardRollout."
            )
        self.planner = planner
        self.pace: Pace | None = None
        self._slowness = 1.0
        self._clock, self._pieces = clock, PIECES

    def __repr__(self) -> str:
        return f"Anytime({self.planner!r})"

    @property
    def model(self) -> Model:
        """The planner's model of the world."""
        return self.planner.model

    @property
    def base(self) -> Policy:
        """The policy that is improved."""
        return self.planner.base

    def __call__(self, info: State, key: Key) -> Int[Array, " m"]:
        """Return the planner's control."""
        return self.planner(info, key)

    def decide(self, info: State, key: Key) -> Decision:
        """Return the planner's decision, whatever time it takes."""
        return self.planner.decide(info, key)

    def warmup(self, state: State = None, key: Key | None = None) -> "Anytime":
        """Compile all that `act` needs, time it, and return this object, which now knows the planner's pace.

        Args:
            state: one like those that `act` will be given; by default an initial state of the model.
            key: of the kind that `act` will be given; by default `jax.random.key(0)`.
        """
        key = jax.random.key(0) if key is None else key
        state = self.model.initial_state(key) if state is None else state
        self.pace, self._slowness = measure(self.planner, state, key, self._clock, self._pieces), 1.0
        return self

    def act(self, info: State, key: Key, *, budget_ms: Budget = None) -> Decision:
        """Decide within `budget_ms` milliseconds from now; None takes all the time there is.

        One agent at a time, as many agents choose in turn as there is time for, and the others keep the base control.
        Standard rollout compares the base policy's control with as many joint controls as there is time for.

        Guarantee, whatever the budget: the control is admissible and feasible if the base control is, and no worse than
        it on the simulated costs. With time for all turns, or None, it is bit for bit the decision of `decide` in turns
        (`InTurn`), and of standard rollout, but for counts of simulations, which have the base control twice.
        `num_q_factors` says how far it got; rows of `q_factors` whose agents had no turn hold the base control's
        Q-factor, or nan where there was no time to simulate even that. Joint controls that were not compared have nan.

        The answer comes in time once `warmup` has compiled it, unless the operating system takes the processor away;
        `seriatim.evaluation.time_decisions` measures how late it can be. Least possible is the time the base policy
        itself takes. Turns are taken in sequence, whatever the schedule.

        Raises:
            InputError: `budget_ms` is not above 0, or the call is inside a transformation of JAX.
        """
        start = self._clock()
        # While a program is traced, the clock would measure the tracing.
        for leaf in jax.tree.leaves((info, key, budget_ms)):
            _require_time("act", leaf)
        # The clock was read before: checking the arguments is part of the budget.
        budget = milliseconds(budget_ms)
        deadline = math.inf if budget is None else start + min(budget, LONGEST) / 1e3
        watch, pace = _Watch(self._clock, self.pace), self.pace and self.pace.times(self._slowness)
        made = _decided(self.planner, info, key, deadline, pace, watch, self._pieces)
        if self.pace is not None:
            self._slowness = next_slowness(self._slowness, watch.seconds, watch.expected)
        return admitted(self.planner, info, key, made)


def _bare(planner: Stoppable) -> Anytime:
    return Anytime(planner)


# To JAX it is the planner: the measured times are not compiled.
jax.tree_util.register_pytree_node(Anytime, lambda a: ((a.planner,), None), lambda _, children: _bare(children[0]))


class Unfinished(NamedTuple):
    """A decision after some steps, with all that is needed to go on."""

    noise: Noise | None
    work: Any
    left: Int[Array, ""]
    decision: Decision


class _Watch:
    """Times the pieces of one decision, and compares them with the times that `warmup` measured.

    Attributes:
        clock: tells the seconds.
        promised: the pace that `warmup` measured, all zeros where it was not called.
    """

    def __init__(self, clock: Clock, pace: Pace | None) -> None:
        self.clock = clock
        self.promised = Pace(0.0, 0.0, 0.0) if pace is None else pace
        self.seconds = self.expected = 0.0

    def time(self, piece: Callable[[], R], promised: float) -> tuple[R, float]:
        """Wait for a piece; return its result and the seconds it took. `promised` are those expected, 0 if unknown."""
        before = self.clock()
        result = _finished(piece())
        took = self.clock() - before
        # A piece whose pace is not known says nothing of slowness.
        if promised > 0:
            self.seconds += took
            self.expected += promised
        return result, took


class Pieces(NamedTuple):
    """The compiled pieces of a planner's decision, all functions of (planner, state, key, ...).

    Attributes:
        base: the base control alone, without simulation.
        begin: the base control and its samples, before the first step.
        advance: (..., unfinished, count): up to `count` more steps; returns how many there were, too.
    """

    base: Callable[[Any, State, Key], Decision]
    begin: Callable[[Any, State, Key], Unfinished]
    advance: Callable[[Any, State, Key, Unfinished, int], tuple[Int[Array, ""], Unfinished]]


def _base(planner: Stoppable, info: State, key: Key) -> Decision:
    keys = planner_keys(key)
    base_control = base_control_of(planner.model, planner.base, info, keys.base)
    # Nothing of the engine but this is asked, so no noise is compiled in.
    admissible = engine_of(planner, info, keys).allowed(base_control[None])[0]
    return undecided(base_control, admissible, planner.shape)


def _begin(planner: Stoppable, info: State, key: Key) -> Unfinished:
    keys = planner_keys(key)
    base_control = base_control_of(planner.model, planner.base, info, keys.base)
    search = planner.steps(info, key)
    engine = engine_of(planner, info, keys)
    work, engine = answered(search.begin(engine, base_control), engine)
    return _unfinished(search, engine, work)


def _advance(
    planner: Stoppable, info: State, key: Key, now: Unfinished, count: int | Int[Array, ""]
) -> tuple[Int[Array, ""], Unfinished]:
    search = planner.steps(info, key)
    # `begin` may have put the samples into another order; the engine of the next piece must go on in it.
    engine = engine_of(planner, info, planner_keys(key))._replace(noise=now.noise)
    taken, work = advanced(search, engine, now.work, count)
    return taken, _unfinished(search, engine, work)


def _unfinished(search: Search, engine: CompiledEngine, work: Any) -> Unfinished:
    left = jnp.asarray(search.left(work), jnp.int32)
    return Unfinished(engine.noise, work, left, search.decision(engine, work))


PIECES = Pieces(
    with_state_diagnostics(jit(_base)), with_state_diagnostics(jit(_begin)), with_state_diagnostics(jit(_advance))
)


def _decided(
    planner: Any, info: State, key: Key, deadline: float, pace: Pace | None, watch: _Watch, pieces: Pieces
) -> Decision:
    if deadline < math.inf and (pace is None or watch.clock() + MARGIN * pace.begin > deadline):
        # Nothing may be simulated that would not fit; if that is not known, there is at least an answer first.
        only, _ = watch.time(lambda: pieces.base(planner, info, key), watch.promised.base)
        _require_time("act", only.control)
        # Without a pace the rest is begun on trust, while there is time at all.
        if pace is not None or watch.clock() >= deadline:
            return only
    now, took = watch.time(lambda: pieces.begin(planner, info, key), watch.promised.begin)
    _require_time("act", now.left)
    # Slow at the beginning, slow in the turns to come: the state or the processor is the same.
    if pace is not None and pace.begin > 0:
        pace = pace.slower(took / pace.begin)
    return _take_steps(lambda now, count: pieces.advance(planner, info, key, now, count), now, deadline, pace, watch)


def _take_steps(
    advance: Callable[[Unfinished, int], tuple[Any, Unfinished]],
    now: Unfinished,
    deadline: float,
    pace: Pace | None,
    watch: _Watch,
) -> Decision:
    while left := int(now.left):
        count = affordable(deadline - watch.clock(), left, pace)
        if not count:
            break
        (_, now), took = watch.time(functools.partial(advance, now, count), watch.promised.piece(count))
        pace = learned(pace, count, took)
    return now.decision


def measure(planner: Any, info: State, key: Key, clock: Clock, pieces: Pieces = PIECES) -> Pace:
    """Compile every piece, and time it.

    Raises:
        InputError: the call is being compiled, where no time passes.
    """
    _require_time("warmup", _finished(pieces.base(planner, info, key)).control)
    base = _seconds(lambda: pieces.base(planner, info, key), clock)
    now = pieces.begin(planner, info, key)
    begin = _seconds(lambda: pieces.begin(planner, info, key), clock)
    steps = int(now.left)
    # Nothing is left after the beginning, so there is no step to time.
    if not steps:
        return Pace(begin, 0.0, 0.0, base)
    # Two lengths of one piece tell the time of a step from the time of a call.
    one = _seconds(lambda: pieces.advance(planner, info, key, now, 1), clock)
    # Fewer than were left, if the search ends early.
    taken = int(pieces.advance(planner, info, key, now, steps)[0])
    if taken <= 1:
        return Pace(begin, 0.0, one, base)
    everyone = _seconds(lambda: pieces.advance(planner, info, key, now, steps), clock)
    # Measured times may differ the wrong way round; no step takes less than nothing.
    step = max(0.0, everyone - one) / (taken - 1)
    return Pace(begin, max(0.0, one - step), step, base)


def _seconds(call: Callable[[], Any], clock: Clock) -> float:
    """Time a call, once compiled; an upper quantile."""
    _finished(call())
    seconds: list[float] = []
    while len(seconds) < REPETITIONS and sum(seconds) < PATIENCE:
        before = clock()
        _finished(call())
        seconds.append(clock() - before)
    return float(np.quantile(seconds, QUANTILE))


def _finished(result: R) -> R:
    """Wait until a result is computed."""
    finished: R = jax.block_until_ready(result)
    return finished


def milliseconds(budget_ms: Budget) -> float | None:
    """Return a budget as a number above 0, or None for no deadline.

    Raises:
        InputError: it is neither.
    """
    number = real_number(budget_ms)
    if budget_ms is not None and (number is None or not number > 0):
        raise InputError(
            f"budget_ms={budget_ms!r}: give the milliseconds a decision may take, a number above 0, or None for no "
            "deadline."
        )
    return number


def _require_time(name: str, value: Any) -> None:
    """Refuse a traced value: inside a transformation of JAX there is no time to measure."""
    if isinstance(value, jax.core.Tracer):
        raise InputError(
            f"{name} was called inside jit, vmap or another transformation of JAX, where no time passes; call it from "
            "plain Python, or use decide there."
        )
