"""Time spent before a program can run: writing it, in Python (JAX calls it tracing), and compiling it (XLA).

JAX reports each of these when it is over, with its duration. They lie one in another: a function is traced while
another is, and constants are compiled and computed meanwhile. So spans of time are joined before they are added up.
"""

import threading
import time
from typing import NamedTuple

import jax

COMPILING = "/jax/core/compile/backend_compile_duration"
TRACING = ("/jax/core/compile/jaxpr_trace_duration", "/jax/core/compile/jaxpr_to_mlir_module_duration")

_spans: list[tuple[float, float]] = []
_compiled: list[float] = []
_lock = threading.Lock()  # programs may be compiled in several threads


class Preparation(NamedTuple):
    """Seconds spent tracing and compiling (or fetching compiled programs from the cache)."""

    tracing: float
    compiling: float

    def since(self, before: "Preparation") -> "Preparation":
        """Return what was spent after `before`."""
        return Preparation(max(0.0, self.tracing - before.tracing), self.compiling - before.compiling)


def preparation() -> Preparation:
    """Return what this process has spent so far. Work of several threads at the same time counts once as tracing."""
    compiling = sum(_compiled)
    return Preparation(sum(end - begin for begin, end in _spans) - compiling, compiling)


def _listen(event: str, duration_secs: float, **_: str | int) -> None:
    if event == COMPILING:
        _compiled.append(duration_secs)
    if event == COMPILING or event in TRACING:
        with _lock:
            _join(time.monotonic() - duration_secs, time.monotonic())


def _join(begin: float, end: float) -> None:
    """Add a span that is over; those within it, which ended before, go. A report comes a moment after the end."""
    while _spans and sum(_spans[-1]) / 2 >= begin:
        _spans.pop()
    _spans.append((begin, end))


jax.monitoring.register_event_duration_secs_listener(_listen)
