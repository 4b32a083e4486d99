"""Layout of the marks in one cell, so that all of them are seen.

Up to four stand apart from one another. Of more, each kind becomes a single mark with a count.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from seriatim.rendering._marks import Mark, of_kind

# For one to four marks in a cell: their distances (right, down) from its centre and their size, as parts of
# the size of a mark that is alone.
SLOTS: tuple[tuple[tuple[tuple[float, float], ...], float], ...] = (
    (((0.0, 0.0),), 1.0),
    (((-0.23, 0.0), (0.23, 0.0)), 0.6),
    (((0.0, -0.24), (-0.24, 0.2), (0.24, 0.2)), 0.55),
    (((-0.24, -0.24), (0.24, -0.24), (-0.24, 0.24), (0.24, 0.24)), 0.54),
)


class Placed(NamedTuple):
    """A mark and its place: the centre in cells from the top left corner, and the size, 1 where it is alone.

    `stands_for` is a number of marks, of which `mark` is the first, or the one of highest level.
    """

    mark: Mark
    x: float
    y: float
    size: float
    stands_for: int = 1


def spread(marks: Sequence[Mark], room: float = 1.0) -> list[Placed]:
    """Place marks, those of one cell apart from one another; kinds that may overlap are spread in separate calls.

    `room` is the side, in cells, of what a mark that is alone may take: more than 1 on grids of very small cells.
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
    kinds = dict.fromkeys(mark.kind for mark in marks)
    return [of_kind(marks, kind) for kind in kinds]
