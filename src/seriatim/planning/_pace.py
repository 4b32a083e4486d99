"""The pace of a planner: how long its pieces of work take, and how many turns there is time for."""

import math
from typing import NamedTuple

# The part of the time left that one piece may be expected to take.
SHARE = 0.5
# Nothing is begun that would not fit if it took so many times as long as expected.
MARGIN = 1.25
# Slowness follows what decisions take, from one to the next up by this factor at most, so that one interruption counts
# little, and down by this one, so that a busy processor is not forgotten in between. It is at least 1.
UP, DOWN = 1.5, 0.9


class Pace(NamedTuple):
    """The times of the pieces of a decision, in seconds.

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
        """Return the time of a piece of so many turns."""
        return self.call + turns * self.turn

    def times(self, factor: float) -> "Pace":
        """Return the pace at which everything takes so many times as long."""
        return Pace(*(factor * seconds for seconds in self))


def learned(pace: Pace | None, turns: int, seconds: float) -> Pace:
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
        pace: the times that they are expected to take; None where none has been timed.
    """
    if left == math.inf:
        return turns_left
    if pace is None:
        return 1 if left > 0 else 0
    # If everything takes MARGIN times as long, it still ends in time.
    rest = left / MARGIN - pace.call
    if pace.turn > rest:
        return 0
    if pace.turn == 0:
        return turns_left
    # A piece shorter than a call would spend most of the time on calls.
    spent = max(SHARE * rest, min(rest, pace.call))
    return min(turns_left, max(1, math.floor(spent / pace.turn)))


def next_slowness(slowness: float, seconds: float, expected: float) -> float:
    """Return the slowness to reckon with after a decision that took `seconds` where its pace says `expected`."""
    ratio = seconds / expected if expected > 0 else 1.0
    # `ratio` is the slowness of this decision; the memory follows it within UP and DOWN.
    return max(1.0, slowness * min(UP, max(DOWN, ratio / slowness)))
