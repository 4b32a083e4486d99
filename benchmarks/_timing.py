"""Timing in turns, so that a noisy machine is noisy for everyone."""

import statistics
import time
from collections.abc import Callable

# Rounds that a median takes at least, however long they last.
FEWEST = 3


def in_turns(
    contestants: dict[str, Callable[[], object]],
    rounds: int,
    *,
    patience: float = float("inf"),
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Return the median seconds of each contestant over rounds in which everyone runs once, after one to warm up.

    Args:
        contestants: what is timed; each must return only when its work is done.
        rounds: how many.
        patience: seconds after which three rounds will do.
        clock: tells seconds; `time.process_time` for what one thread computes, which other processes then hardly
            change.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for run in contestants.values():
        run()
    begin = time.perf_counter()
    for round_number in range(rounds):
        if round_number >= FEWEST and time.perf_counter() - begin > patience:
            break
        for name, run in contestants.items():
            start = clock()
            run()
            seconds[name].append(clock() - start)
    return {name: statistics.median(each) for name, each in seconds.items()}
