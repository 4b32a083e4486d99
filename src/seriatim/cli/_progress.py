"""Progress on standard error, for what takes more than a second."""

import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import rich.progress
from rich.console import Console

# Seconds without any sign of life that a person does not mind.
PATIENCE = 1.0


@runtime_checkable
class Show(Protocol):
    """Say what is being done, and how much of it is done; without a total, only that it goes on."""

    def __call__(self, doing: str, done: int = 0, total: int | None = None, note: str = "") -> None:
        """Show `done` of `total`, and a note beside it."""
        ...


@contextlib.contextmanager
def progress() -> Iterator[Show]:
    """Show bars once a second has passed, and wipe them away at the end; none where nobody is watching.

    Meanwhile what the user's code prints goes to standard error: standard output is for the answer.
    """
    console = Console(stderr=True)
    bars = _bars(console)
    tasks: dict[str, rich.progress.TaskID] = {}

    def show(doing: str, done: int = 0, total: int | None = None, note: str = "") -> None:
        if doing not in tasks:
            tasks[doing] = bars.add_task(doing, total=total, note=note)
        bars.update(tasks[doing], completed=done, total=total, note=note)

    timer = threading.Timer(PATIENCE, bars.start)
    if console.is_terminal:
        timer.start()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield show
    finally:
        timer.cancel()
        if timer.ident is not None:
            timer.join()
        if bars.live.is_started:
            bars.stop()


def _bars(console: Console) -> rich.progress.Progress:
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
