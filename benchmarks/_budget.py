"""A benchmark that must be over in time: what would take too long is left out, and said to be."""

import sys
import time
from collections.abc import Callable


class Budget:
    """Seconds to spend from now on; what is done is said as it is done."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._begin = clock()

    def left(self) -> float:
        """Return the seconds that are left."""
        return max(0.0, self.seconds - (self._clock() - self._begin))

    def too_long(self, expected: float) -> str | None:
        """Say why something is left out, or return None where there is time for it."""
        left = self.left()
        return None if expected < left else f"up to {expected:,.0f} s expected, {left:,.0f} s left"

    def say(self, what: str) -> None:
        """Show what was done, and how much of the time has passed."""
        print(f"[{self.seconds - self.left():3.0f} of {self.seconds:.0f} s] {what}", file=sys.stderr, flush=True)
