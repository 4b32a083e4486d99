"""Walls as one path: a rectangle for each run of blocked cells in a row.

A real map has thousands of blocked cells and hundreds of runs, so the path is several times smaller than a rectangle a
cell, and neighbours in a row show no seam.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool


def wall_path(walls: Bool[np.ndarray, "height width"]) -> str:
    """Write the blocked cells as SVG path data, one unit a cell; no two rectangles overlap."""
    return "".join(f"M{column} {row}h{length}v1h-{length}z" for row, column, length in runs(walls))


def runs(walls: Bool[np.ndarray, "height width"]) -> Iterator[tuple[int, int, int]]:
    """Yield (row, first column, length) of each longest run of blocked cells, row by row."""
    edges = np.diff(np.pad(np.asarray(walls, np.int8), ((0, 0), (1, 1))), axis=1)
    rows, starts = np.nonzero(edges == 1)
    _, ends = np.nonzero(edges == -1)
    for row, start, end in zip(rows.tolist(), starts.tolist(), ends.tolist(), strict=True):
        yield row, start, end - start
