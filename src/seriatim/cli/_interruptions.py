"""Ctrl-C: it is heard whatever the process is doing, and the process ends well.

Python raises `KeyboardInterrupt` between any two steps of the main thread. Two things go wrong with that.

* XLA compiles in a thread of its own, while the main thread waits. An interruption ends the waiting, and what the main
  thread held is freed: the program that is being compiled. The other thread goes on reading it, which ends in a
  segmentation fault. So interruptions are kept: their tracebacks hold what the interrupted functions held. And a
  process that was interrupted ends without tidying up, and without waiting for computations nobody wants any more.
* Raised in a function that is called by C code, such as JAX's at every collection of garbage, it is swallowed (Python
  says "Exception ignored in ..."). So it is raised again.
"""

import _thread
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

# Seconds after which an interruption that was swallowed is raised again: the function that swallowed it has returned.
AGAIN = 0.05


class Interruptions:
    """The interruptions so far; each keeps alive what it interrupted."""

    def __init__(self) -> None:
        self.heard: list[KeyboardInterrupt] = []


@contextlib.contextmanager
def listening() -> Iterator[Interruptions]:
    """Keep interruptions, and raise again those that were swallowed.

    Signals reach the main thread alone; nothing changes in another, or where Ctrl-C does something else already.
    """
    found = Interruptions()
    is_ours = threading.current_thread() is threading.main_thread()
    if not is_ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield found
        return

    def interrupt(*_: Any) -> None:
        found.heard.append(KeyboardInterrupt())
        raise found.heard[-1]

    before, say = sys.unraisablehook, signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, interrupt)
    sys.unraisablehook = lambda swallowed: _again() if _is_interruption(swallowed) else before(swallowed)
    try:
        yield found
    finally:
        sys.unraisablehook = before
        signal.signal(signal.SIGINT, say)


def _is_interruption(swallowed: Any) -> bool:
    return issubclass(swallowed.exc_type, KeyboardInterrupt)


def _again() -> None:
    timer = threading.Timer(AGAIN, _interrupt_main_thread)
    timer.daemon = True
    timer.start()


def _interrupt_main_thread() -> None:
    """Interrupt it as Ctrl-C does: by a signal where there are some, since that ends its waiting for the system too."""
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, signal.SIGINT)
    else:
        _thread.interrupt_main()


def end_at_once(status: int) -> None:
    """End the process with nothing but what must be done: what was written is shown, and Ray's processes end."""
    ray = sys.modules.get("ray")
    if ray is not None:
        ray.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # whoever read it has gone, or it was closed
            stream.flush()
    os._exit(status)
