"""Ctrl-C: an interruption is always noticed, and the process then ends without a crash.

Python raises `KeyboardInterrupt` between any two steps of the main thread. Two things go wrong with that.

* XLA compiles in a thread of its own, while the main thread waits. An interruption ends the waiting and frees the
  objects of the main thread, among them the program that is being compiled. The other thread goes on reading the
  program, which ends in a segmentation fault. So interruptions are kept: their tracebacks keep the objects of the
  interrupted functions alive. A process that was interrupted ends without tidying up, and without waiting for
  computations that nobody needs any more.
* C code calls some Python functions, such as one of JAX at every garbage collection. An interruption that is raised in
  such a function is swallowed (Python writes "Exception ignored in ..."). So it is raised again a little later.
"""

import _thread
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

# Seconds after which a swallowed interruption is raised again. By then the function that swallowed it has returned.
AGAIN = 0.05


class Interruptions:
    """The interruptions so far; each keeps alive what it interrupted."""

    def __init__(self) -> None:
        self.heard: list[KeyboardInterrupt] = []


@contextlib.contextmanager
def listening() -> Iterator[Interruptions]:
    """Keep interruptions, and raise those again that were swallowed.

    Only the main thread receives signals. In another thread nothing changes, nor where Ctrl-C has another handler.
    """
    found = Interruptions()
    is_ours = threading.current_thread() is threading.main_thread()
    if not is_ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield found
        return

    def interrupt(*_: Any) -> None:
        # The list keeps the exception, and with its traceback the frames of the interrupted functions.
        found.heard.append(KeyboardInterrupt())
        raise found.heard[-1]

    before, say = sys.unraisablehook, signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, interrupt)
    # Python calls this hook with every exception that C code swallowed.
    sys.unraisablehook = lambda swallowed: _again() if _is_interruption(swallowed) else before(swallowed)
    try:
        yield found
    finally:
        sys.unraisablehook = before
        signal.signal(signal.SIGINT, say)


def _is_interruption(swallowed: Any) -> bool:
    return issubclass(swallowed.exc_type, KeyboardInterrupt)


def _again() -> None:
    # Another thread raises it, because the hook itself still runs inside the function that swallows exceptions.
    timer = threading.Timer(AGAIN, _interrupt_main_thread)
    timer.daemon = True
    timer.start()


def _interrupt_main_thread() -> None:
    """Interrupt the main thread as Ctrl-C does: by a signal if possible, which also ends a blocking system call."""
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, signal.SIGINT)
    else:
        _thread.interrupt_main()


def end_at_once(status: int) -> None:
    """End the process at once, after the two things that must be done: end Ray's processes and flush the output."""
    ray = sys.modules.get("ray")
    if ray is not None:
        ray.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # its reader has gone, or it is closed
            stream.flush()
    # Unlike `sys.exit`, this waits for no thread and frees nothing that XLA's threads still read.
    os._exit(status)
