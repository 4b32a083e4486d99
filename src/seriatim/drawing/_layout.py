"""Where the marks of one cell are drawn, so that all of them are seen.

Up to four stand apart from one another. Of more, each kind becomes a single mark with a count.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from seriatim.drawing._marks import Mark, of_kind

# For one to four marks in a cell: their distances (right, down) from its centre, in cells, and their size.
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


def spread(marks: Sequence[Mark]) -> list[Placed]:
    """Place marks, those of one cell apart from one another; kinds that may overlap are spread in separate calls."""
    cells: dict[tuple[int, int], list[Mark]] = defaultdict(list)
    for mark in marks:
        cells[mark.row, mark.column].append(mark)
    return [placed for cell in cells.values() for placed in _in_one_cell(cell)]


def _in_one_cell(marks: list[Mark]) -> list[Placed]:
    groups = [[mark] for mark in marks] if len(marks) <= len(SLOTS) else _by_kind(marks)
    offsets, size = SLOTS[len(groups) - 1]
    placed = []
    for group, (right, down) in zip(groups, offsets, strict=True):
        shown = max(group, key=lambda mark: mark.level)
        placed.append(Placed(shown, shown.column + 0.5 + right, shown.row + 0.5 + down, size, len(group)))
    return placed


def _by_kind(marks: list[Mark]) -> list[list[Mark]]:
    kinds = dict.fromkeys(mark.kind for mark in marks)
    return [of_kind(marks, kind) for kind in kinds]
