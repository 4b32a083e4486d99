"""An episode in the terminal: the state as text, the stage, the cost so far and the evidence of the last decision."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from seriatim import _optional
from seriatim._errors import InputError
from seriatim.cli._episode import Stage
from seriatim.cli._faults import asked
from seriatim.cli._output import console, with_errors
from seriatim.cli._progress import progress

# Arrays with more elements than this are shortened.
LONGEST = 60

Frame = Callable[[Any, Sequence[Stage]], None]


@contextlib.contextmanager
def watching(model: Any, delay: float) -> Iterator[Frame]:
    """Show frames, each for at least `delay` seconds: in place in a terminal, one after the other elsewhere."""
    out = console()
    with contextlib.nullcontext() if not out.is_terminal else _live(out) as live:

        def show(state: Any, played: Sequence[Stage]) -> None:
            frame = Group(Text(headline(played, float(model.discount))), *_picture(model, state), *_controls(played))
            if live is None:
                out.print(frame)
            else:
                live.update(frame, refresh=True)
                time.sleep(delay)

        yield show


@contextlib.contextmanager
def not_watching(horizon: int) -> Iterator[Frame]:
    """Show the progress of the episode instead of its frames."""
    with progress() as busy:

        def show(_: Any, played: Sequence[Stage]) -> None:
            busy("playing", len(played), horizon)

        yield show


def headline(played: Sequence[Stage], discount: float) -> str:
    """Write the stage, the cost so far, and the improvement of the last choice over the base control."""
    cost = float(np.sum([discount**t * stage.cost for t, stage in enumerate(played)]))
    line = f"stage {len(played)}   cost so far {cost:.4g}"
    if not played or math.isnan(played[-1].improvement):
        return line
    (gain,) = with_errors([float(played[-1].improvement)], [float(played[-1].standard_error)])
    return f"{line}   improvement over the base control {gain}"


def _live(out: Console) -> Live:
    return Live(console=out, auto_refresh=False, vertical_overflow="crop")


def _picture(model: Any, state: Any) -> list[Text]:
    """Return the model's own picture, or the arrays of the state, long ones shortened."""
    if _optional.text(model) is not None:
        picture = asked(model, "text", state)
        if not isinstance(picture, str):
            raise InputError(f"{type(model).__name__}.text returned {picture!r:.60}; a string is expected.")
        return [Text.from_ansi(picture)]
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return [Text(f"state{jax.tree_util.keystr(path)} {_shortened(leaf)}") for path, leaf in leaves]


def _shortened(leaf: Any) -> str:
    return np.array2string(np.asarray(leaf), threshold=LONGEST, precision=4, prefix="state ")


def _controls(played: Sequence[Stage]) -> list[Text]:
    return [Text(f"control {_shortened(played[-1].control)}")] if played else []
