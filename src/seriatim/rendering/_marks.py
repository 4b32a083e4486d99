"""Marks in the cells of a grid: a check that they can be drawn, and a layout in which all of them are visible.

Up to four marks in a cell stand apart from one another. If there are more, each kind becomes one mark with a count.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from seriatim._errors import InputError

Kind = Literal["agent", "target", "gone", "site"]


class Mark(NamedTuple):
    """One thing to draw in one cell.

    Attributes:
        row: from 0, the top.
        column: from 0, the left.
        kind: "agent", one of the team; "target", a thing that agents look for; "gone", a target that is finished;
            "site", a place that stays.
        label: one to three characters, drawn if they fit.
        level: for the colour of a site, from 0 (all is well) to 1 (the worst). Other kinds do not use it.
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


# For one to four marks in a cell: their distances (right, down) from its centre and their size, as parts of
# the size of a mark that is alone.
SLOTS: tuple[tuple[tuple[tuple[float, float], ...], float], ...] = (
    (((0.0, 0.0),), 1.0),
    (((-0.23, 0.0), (0.23, 0.0)), 0.6),
    (((0.0, -0.24), (-0.24, 0.2), (0.24, 0.2)), 0.55),
    (((-0.24, -0.24), (0.24, -0.24), (-0.24, 0.24), (0.24, 0.24)), 0.54),
)


class Placed(NamedTuple):
    """A mark and its place: the centre in cells from the top left corner, and the size, 1 for a mark that is alone.

    `stands_for` is the number of marks that it stands for; `mark` is the first of them with the highest level.
    """

    mark: Mark
    x: float
    y: float
    size: float
    stands_for: int = 1


def spread(marks: Sequence[Mark], room: float = 1.0) -> list[Placed]:
    """Place marks, those of one cell apart from one another; kinds that may overlap are spread in separate calls.

    `room` is the side, in cells, of the square for a mark that is alone: more than 1 on grids of very small cells.
    """
    cells: dict[tuple[int, int], list[Mark]] = defaultdict(list)
    for mark in marks:
        cells[mark.row, mark.column].append(mark)
    return [placed for cell in cells.values() for placed in _in_one_cell(cell, room)]


def _in_one_cell(marks: list[Mark], room: float) -> list[Placed]:
    groups = [[mark] for mark in marks] if len(marks) <= len(SLOTS) else _by_kind(marks)
    offsets, size = SLOTS[len(groups) - 1]
    placed = []
    for group, (right, down) in zip(groups, offsets, strict=True):
        shown = max(group, key=lambda mark: mark.level)
        x, y = shown.column + 0.5 + room * right, shown.row + 0.5 + room * down
        placed.append(Placed(shown, x, y, size, len(group)))
    return placed


def _by_kind(marks: list[Mark]) -> list[list[Mark]]:
    # Unlike a set, a dict keeps the order of the marks, so that equal states give equal pictures.
    kinds = dict.fromkeys(mark.kind for mark in marks)
    return [of_kind(marks, kind) for kind in kinds]
