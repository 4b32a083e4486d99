"""Timing in turns, so that a noisy machine is noisy for everyone."""

import statistics
import time
from collections.abc import Callable


def in_turns(contestants: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each contestant over rounds in which everyone runs once, after one to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for round_number in range(rounds + 1):
        for name, run in contestants.items():
            begin = time.perf_counter()
            run()
            if round_number:
                seconds[name].append(time.perf_counter() - begin)
    return {name: statistics.median(each) for name, each in seconds.items()}
