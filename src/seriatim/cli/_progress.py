"""Progress on standard error: bars in a terminal after one second, elsewhere a line now and then."""

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import rich.progress
from rich.console import Console

from seriatim.cli._faults import say
from seriatim.cli._output import share

# Seconds that a person waits without any sign of progress. Short commands show no bars.
PATIENCE = 1.0
# Without a terminal: seconds before the first line. Each pause is twice the one before, up to the longest.
PAUSE, LONGEST_PAUSE = 10.0, 60.0


@runtime_checkable
class Show(Protocol):
    """Tells the user which work is going on, and how much of it is done if its total is known."""

    def __call__(self, doing: str, done: float | int = 0, total: int | None = None, note: str = "") -> None:
        """Show `done` of `total`, and a note beside it."""
        ...


@contextlib.contextmanager
def progress() -> Iterator[Show]:
    """Show bars after one second and remove them at the end; without a terminal, write lines that stay.

    Meanwhile the output of the user's code goes to standard error, because standard output is for the answer.
    """
    console = Console(stderr=True)
    with _bars(console) if console.is_terminal else _lines() as show, contextlib.redirect_stdout(sys.stderr):
        yield show


@contextlib.contextmanager
def _bars(console: Console) -> Iterator[Show]:
    bars = _columns(console)
    tasks: dict[str, rich.progress.TaskID] = {}

    def show(doing: str, done: float | int = 0, total: int | None = None, note: str = "") -> None:
        if doing not in tasks:
            tasks[doing] = bars.add_task(doing, total=total, note=note)
        bars.update(tasks[doing], completed=done, total=total, note=note)

    # A command that ends within PATIENCE never shows its bars.
    timer = threading.Timer(PATIENCE, bars.start)
    timer.start()
    try:
        yield show
    finally:
        timer.cancel()
        timer.join()
        if bars.live.is_started:
            bars.stop()


def _columns(console: Console) -> rich.progress.Progress:
    return rich.progress.Progress(
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(bar_width=30),
        rich.progress.TaskProgressColumn(),
        rich.progress.TimeElapsedColumn(),
        rich.progress.TextColumn("{task.fields[note]}"),
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )


@contextlib.contextmanager
def _lines() -> Iterator[Show]:
    begin, latest, over = time.monotonic(), [""], threading.Event()

    def show(doing: str, done: float | int = 0, total: int | None = None, note: str = "") -> None:
        so_far = share(done / total) if total and done else ""
        latest[0] = ", ".join(part for part in (doing, so_far, note) if part)

    def report() -> None:
        pause = PAUSE
        while not over.wait(pause):
            say(f"{time.monotonic() - begin:.0f} s: {latest[0]}")
            pause = min(2 * pause, LONGEST_PAUSE)

    # A thread of its own writes the lines, because the main thread may compile for a long time.
    reporter = threading.Thread(target=report, daemon=True)
    reporter.start()
    try:
        yield show
    finally:
        over.set()
        reporter.join()
