"""Deadlines: the best decision that can be had in the time there is.

A decision in turns can stop after any of them: agents that have not had their turn keep the base policy's control.

Theorem (any time). Let u_k be the joint control after k turns. u_0 is the base control, which is admissible and
feasible, every turn moves to an allowed joint control or stays, and on the simulated costs Q(x, u_{k+1}) <= Q(x, u_k).
So every u_k is admissible, feasible, and there no worse than the base control; after the last turn it is the planner's
decision.

A compiled program cannot be interrupted, and waking one up costs more than a small turn takes. So the host hands over
turns in pieces: one program takes any number of them (the number is an argument, so it is compiled once), and every
piece returns a whole decision. A piece is as many turns as are expected to take half of the time left; that it takes
longer is thereby noticed while there is time. Only turns that take less than waking the program up are not divided
further. So there are about log2(m) pieces, often just one. A turn is handed over only if it fits into the rest as a
whole; where none does, the last decision is returned, early rather than late.

What turns take is measured by `warmup`. A piece that takes longer than it says, because the state is harder or the
processor busy, makes everything expected of the rest of the decision longer by the same factor. What a decision took,
compared with what `warmup` says, is kept beside the planner as its *slowness*, and the next decision reckons with it:
a processor that is busy stays busy. A planner is a value and does not change; the slowness is in a table that forgets
planners that are gone. Without `warmup` the first turn is the measure, and is begun on trust. A clock inside the
compiled loop, a callback, would stop more exactly, but waits for Python at every turn, and for the device on an
accelerator.

What is promised is thus as good as the clock: a turn in which the operating system takes the processor away is late.
`seriatim.evaluation.time_decisions` measures how often.

Source of the idea: T. Dean, M. Boddy, An analysis of time-dependent planning, AAAI 1988 (anytime algorithms).
"""

import functools
import math
import time
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias, TypeVar

import jax
import numpy as np
from jaxtyping import Array, Int

from seriatim._errors import InputError
from seriatim._numbers import Budget, real_number
from seriatim._record import with_fields
from seriatim.model import Key, State
from seriatim.policy import Decision

Clock: TypeAlias = Callable[[], float]
R = TypeVar("R")

# The part of the time left that one piece may be expected to take.
SHARE = 0.5
# Nothing is begun that would not fit if it took so many times as long as expected.
MARGIN = 1.25
# Times measured for one figure, the seconds after which fewer will do, and the quantile that counts: what is slower
# than it is the machine's other work rather than ours, and to expect it always would leave most of the time unused.
REPETITIONS = 20
PATIENCE = 0.5
QUANTILE = 0.75
# No budget is longer, in milliseconds: thirty thousand years.
LONGEST = 1e15
# Slowness follows what decisions take, from one to the next up by this factor at most, so that one interruption counts
# little, and down by this one, so that a busy processor is not forgotten in between. It is at least 1.
UP, DOWN = 1.5, 0.9
_slowness: weakref.WeakKeyDictionary[Any, float] = weakref.WeakKeyDictionary()


class Pace(NamedTuple):
    """What the pieces of a decision take, in seconds.

    Attributes:
        begin: the base control with its samples.
        call: a call that takes turns, without them.
        turn: each turn in it.
        base: the base control alone; 0 where that is not known.
    """

    begin: float
    call: float
    turn: float
    base: float = 0.0

    def slower(self, times: float) -> "Pace":
        """Return the pace of turns that take so many times as long, if that is more."""
        return self._replace(call=max(1.0, times) * self.call, turn=max(1.0, times) * self.turn)

    def piece(self, turns: int) -> float:
        """Return what a piece of so many turns takes."""
        return self.call + turns * self.turn

    def times(self, factor: float) -> "Pace":
        """Return the pace at which everything takes so many times as long."""
        return Pace(*(factor * seconds for seconds in self))


class _Watch:
    """Times the pieces of one decision, and compares them with what `warmup` says.

    Attributes:
        clock: tells the seconds.
        promised: the pace that `warmup` measured, all zeros where it was not called.
        slowness: how many times as long lately.
    """

    def __init__(self, clock: Clock, pace: Pace | None, slowness: float) -> None:
        self.clock, self.slowness = clock, slowness
        self.promised = Pace(0.0, 0.0, 0.0) if pace is None else pace
        self.seconds = self.expected = 0.0

    def time(self, piece: Callable[[], R], promised: float) -> tuple[R, float]:
        """Wait for a piece; return its result and the seconds it took. `promised` is what it takes, 0 if unknown."""
        before = self.clock()
        result = _finished(piece())
        took = self.clock() - before
        if promised > 0:
            self.seconds += took
            self.expected += promised
        return result, took

    def slowness_now(self) -> float:
        """Return the slowness that the next decision is to reckon with."""
        ratio = self.seconds / self.expected if self.expected > 0 else 1.0
        return max(1.0, self.slowness * min(UP, max(DOWN, ratio / self.slowness)))


class Unfinished(NamedTuple):
    """A decision after some turns, with what is needed to go on."""

    work: Any
    turns_taken: Int[Array, ""]
    turns_left: Int[Array, ""]
    decision: Decision


class Pieces(NamedTuple):
    """The compiled pieces of a planner's decision, all functions of (planner, state, key, ...).

    Attributes:
        base: the base control alone, without simulation.
        begin: the base control and its samples, before the first turn.
        advance: (..., work, count): up to `count` more turns.
    """

    base: Callable[[Any, State, Key], Decision]
    begin: Callable[[Any, State, Key], Unfinished]
    advance: Callable[[Any, State, Key, Any, int], Unfinished]


def act(
    pieces: Pieces, planner: Any, info: State, key: Key, budget_ms: Budget, clock: Clock = time.perf_counter
) -> Decision:
    """Decide within `budget_ms` milliseconds from now; None takes all turns.

    Raises:
        InputError: `budget_ms` is not above 0, or the call is being compiled, where no time passes.
    """
    start = clock()
    for leaf in jax.tree.leaves((info, key, budget_ms)):
        _require_time("act", leaf)
    budget = milliseconds(budget_ms)
    deadline = math.inf if budget is None else start + min(budget, LONGEST) / 1e3
    watch = _Watch(clock, planner.pace, _slowness.get(planner, 1.0))
    made = _decided(pieces, planner, info, key, deadline, watch)
    if planner.pace is not None:
        _slowness[planner] = watch.slowness_now()
    return made


def _decided(pieces: Pieces, planner: Any, info: State, key: Key, deadline: float, watch: _Watch) -> Decision:
    pace, bare = planner.pace and planner.pace.times(watch.slowness), without_pace(planner)
    if deadline < math.inf and (pace is None or watch.clock() + MARGIN * pace.begin > deadline):
        # Nothing may be simulated that would not fit; if that is not known, there is at least an answer first.
        only, _ = watch.time(lambda: pieces.base(bare, info, key), watch.promised.base)
        _require_time("act", only.control)
        if pace is not None or watch.clock() >= deadline:
            return only
    now, took = watch.time(lambda: pieces.begin(bare, info, key), watch.promised.begin)
    _require_time("act", now.turns_left)
    if pace is not None and pace.begin > 0:
        pace = pace.slower(took / pace.begin)
    return _take_turns(lambda work, count: pieces.advance(bare, info, key, work, count), now, deadline, pace, watch)


def _take_turns(
    advance: Callable[[Any, int], Unfinished], now: Unfinished, deadline: float, pace: Pace | None, watch: _Watch
) -> Decision:
    while turns_left := int(now.turns_left):
        count = affordable(deadline - watch.clock(), turns_left, pace)
        if not count:
            break
        now, took = watch.time(functools.partial(advance, now.work, count), watch.promised.piece(count))
        pace = _learned(pace, count, took)
    return now.decision


def _learned(pace: Pace | None, turns: int, seconds: float) -> Pace:
    """Return the pace to reckon with after a piece that took so long."""
    if pace is None:
        return Pace(0.0, 0.0, seconds / turns)
    expected = pace.piece(turns)
    return pace.slower(seconds / expected) if expected > 0 else pace._replace(turn=seconds / turns)


def affordable(left: float, turns_left: int, pace: Pace | None) -> int:
    """Return how many turns to hand over with `left` seconds to go: 0 if not even one fits.

    Args:
        left: seconds to the deadline.
        turns_left: turns not yet taken.
        pace: what they are expected to take; None where none has been timed.
    """
    if left == math.inf:
        return turns_left
    if pace is None:
        return 1 if left > 0 else 0
    rest = left / MARGIN - pace.call
    if pace.turn > rest:
        return 0
    if pace.turn == 0:
        return turns_left
    spent = max(SHARE * rest, min(rest, pace.call))
    return min(turns_left, max(1, math.floor(spent / pace.turn)))


def measure(pieces: Pieces, planner: Any, info: State, key: Key, clock: Clock = time.perf_counter) -> Pace:
    """Compile every piece, and time it.

    Raises:
        InputError: the call is being compiled, where no time passes.
    """
    bare = without_pace(planner)
    _require_time("warmup", _finished(pieces.base(bare, info, key)).control)
    base = _seconds(lambda: pieces.base(bare, info, key), clock)
    now = pieces.begin(bare, info, key)
    begin = _seconds(lambda: pieces.begin(bare, info, key), clock)
    turns = int(now.turns_left)
    if not turns:
        return Pace(begin, 0.0, 0.0, base)
    one = _seconds(lambda: pieces.advance(bare, info, key, now.work, 1), clock)
    end = pieces.advance(bare, info, key, now.work, turns)
    taken = int(end.turns_taken)
    if taken <= 1:
        return Pace(begin, 0.0, one, base)
    everyone = _seconds(lambda: pieces.advance(bare, info, key, now.work, turns), clock)
    turn = max(0.0, everyone - one) / (taken - 1)
    return Pace(begin, max(0.0, one - turn), turn, base)


def without_pace(planner: Any) -> Any:
    """Return the planner as it is compiled: paces differ, programs do not."""
    return planner if planner.pace is None else with_fields(planner, pace=None)


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
    """Wait for what is being computed."""
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
    """Refuse a value that is not yet one: under a transformation, also of the planner or with everything known."""
    if isinstance(value, jax.core.Tracer):
        raise InputError(
            f"{name} was called inside jit, vmap or another transformation of JAX, where no time passes; call it from "
            "plain Python, or use decide there."
        )
