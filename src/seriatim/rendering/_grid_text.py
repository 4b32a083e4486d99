"""A state on a grid as text, one character a cell, for the terminal."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from seriatim.rendering._marks import Mark, check_grid, of_kind

FREE, WALL, AGENT, TARGET, GONE = "·", "█", "●", "◆", "\N{MULTIPLICATION SIGN}"
# The levels of a site, from 0 to 1. The full block stands for walls, so it is missing here.
LEVELS = "▁▂▃▄▅▆▇"


def grid_text(
    height: int, width: int, marks: Sequence[Mark], *, walls: Bool[np.ndarray, "height width"] | None = None
) -> str:
    """Draw a grid and its marks as text, one line for each row, without colours.

    `●` is an agent, a digit the number of agents in one cell (`+` for ten or more), `◆` a target, `×` one that is gone,
    `█` a wall, `·` a free cell, and `▁` to `▇` a site, higher for a worse level. If a cell has several of them, the
    first in this list is shown.

    Raises:
        InputError: there are no cells, the walls have another shape, or a mark is outside.
    """
    check_grid(height, width, marks, walls)
    cells = np.full((height, width), FREE)
    if walls is not None:
        cells[np.asarray(walls, bool)] = WALL
    # Later characters cover earlier ones. If a cell has several sites, the worst is shown.
    for mark in sorted(of_kind(marks, "site"), key=lambda mark: mark.level):
        cells[mark.row, mark.column] = LEVELS[round(mark.level * (len(LEVELS) - 1))]
    for kind, sign in (("gone", GONE), ("target", TARGET)):
        for mark in marks:
            if mark.kind == kind:
                cells[mark.row, mark.column] = sign
    for cell, count in Counter((mark.row, mark.column) for mark in of_kind(marks, "agent")).items():
        cells[cell] = _agents(count)
    return "\n".join(map("".join, cells.tolist()))


def _agents(count: int) -> str:
    if count == 1:
        return AGENT
    return str(count) if count < 10 else "+"
