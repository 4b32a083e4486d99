"""Distances from many sources at once, on any graph whose edges cost 1.

The method is breadth-first search from many sources together. The frontier is one array of (source, cell) pairs, so
that a level takes only a few numpy operations for all sources.

Source: E. Moore, The Shortest Path through a Maze, 1959.
"""

import numpy as np
from jaxtyping import Int, Int32

from seriatim._errors import InputError

# The entry of cells to which no path leads.
UNREACHABLE = np.iinfo(np.int32).max
# The distances of so many pairs fit the processor's cache. A search of more pairs together is slower, not faster.
PAIRS_AT_ONCE = 2**19


def distance_fields(
    neighbours: Int[np.ndarray, "cells c"], sources: Int[np.ndarray, " sources"]
) -> Int32[np.ndarray, "sources cells"]:
    """Return the number of edges on a shortest path from each source to every cell.

    Args:
        neighbours: the cells one edge away from each cell; a cell with fewer than `c` of them repeats any of them, or
            itself.
        sources: cells.

    Returns:
        Distances, int32; `UNREACHABLE` where no path leads. On a graph with edges in both directions, such as a grid,
        they are also the distances *to* the source.

    Raises:
        InputError: a neighbour or a source is not a cell, or there are more cells than 32 bits can number.

    >>> line = np.array([[0, 1], [0, 2], [1, 2], [3, 3]])
    >>> distance_fields(line, np.array([0]))[0, :3].tolist()
    [0, 1, 2]
    """
    cells = len(neighbours)
    if cells > UNREACHABLE:
        raise InputError(f"neighbours has {cells:,} cells; distances between at most {UNREACHABLE:,} can be found.")
    _require_cells("neighbours", neighbours, cells)
    _require_cells("sources", sources, cells)
    ahead = np.ascontiguousarray(neighbours.T, np.int32)
    at_once = max(1, PAIRS_AT_ONCE // max(1, cells))
    fields = np.empty((len(sources), cells), np.int32)
    for first in range(0, len(sources), at_once):
        some = slice(first, first + at_once)
        fields[some] = _search(ahead, sources[some].astype(np.int32))
    return fields


def _search(ahead: Int32[np.ndarray, "c cells"], sources: Int32[np.ndarray, " n"]) -> Int32[np.ndarray, "n cells"]:
    """Search from all sources together; the pair of source i and a cell is numbered `i * cells + cell`."""
    n, cells = len(sources), ahead.shape[1]
    distance = np.full(n * cells, UNREACHABLE, np.int32)
    # The place in the frontier of the last entry that reached a pair. If several reach it at once, only this one stays.
    claimed = np.empty(n * cells, np.int32)
    base, cell = np.arange(n, dtype=np.int32) * np.int32(cells), sources
    distance[base + cell] = 0
    level = 0
    while len(cell):
        level += 1
        reached = np.concatenate([base + column[cell] for column in ahead])
        reached = reached[distance[reached] == UNREACHABLE]
        # Each entry writes its place, later ones overwrite earlier ones, and only entries that still find theirs stay.
        places = np.arange(len(reached), dtype=np.int32)
        claimed[reached] = places
        reached = reached[claimed[reached] == places]
        distance[reached] = level
        cell = reached % np.int32(cells)
        base = reached - cell
    return distance.reshape(n, cells)


def _require_cells(name: str, numbers: Int[np.ndarray, "..."], cells: int) -> None:
    wrong = numbers[(numbers < 0) | (numbers >= cells)]
    if wrong.size:
        raise InputError(f"{name} holds {wrong[0]}, which is no cell; numbers from 0 to {cells - 1} are expected.")
