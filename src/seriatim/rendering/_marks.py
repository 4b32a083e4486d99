"""Marks in the cells of a grid, and the check that they can be drawn."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from seriatim._errors import InputError

Kind = Literal["agent", "target", "gone", "site"]


class Mark(NamedTuple):
    """One thing in one cell.

    Attributes:
        row: from 0, the top.
        column: from 0, the left.
        kind: "agent", one of the team; "target", what it seeks; "gone", a target that is done with; "site", a place
            that stays.
        label: one to three characters, drawn where they fit.
        level: of a site, from 0 (all is well) to 1 (the worst): its colour. Not used for the others.
    """

    row: int
    column: int
    kind: Kind
    label: str = ""
    level: float | int = 0.0


def of_kind(marks: Iterable[Mark], *kinds: Kind) -> list[Mark]:
    """Return the marks of some kinds, in the order given."""
    return [mark for mark in marks if mark.kind in kinds]


def check_grid(height: int, width: int, marks: Sequence[Mark], walls: Any) -> None:
    """Refuse a grid that cannot be drawn.

    Raises:
        InputError: there are no cells, the walls have another shape, or a mark is outside or of no known kind.
    """
    if height < 1 or width < 1:
        raise InputError(f"height={height}, width={width}: a grid needs at least one row and one column; give both.")
    if walls is not None and np.shape(walls) != (height, width):
        raise InputError(
            f"walls has shape {np.shape(walls)}: the grid has {height} rows and {width} columns; give "
            f"walls of shape ({height}, {width})."
        )
    for mark in marks:
        _check_mark(mark, height, width)


def _check_mark(mark: Mark, height: int, width: int) -> None:
    if not (0 <= mark.row < height and 0 <= mark.column < width):
        raise InputError(
            f"{mark}: the cell is outside the grid; give a row from 0 to {height - 1} and a column from 0 to "
            f"{width - 1}."
        )
    if mark.kind not in get_args(Kind):
        raise InputError(f"{mark}: unknown kind {mark.kind!r}; give one of {', '.join(map(repr, get_args(Kind)))}.")
    if not 0 <= mark.level <= 1:
        raise InputError(f"{mark}: level={mark.level} is no shade; give a number from 0 to 1.")
