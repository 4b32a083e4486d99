"""The hunting ground: maps and cells that a user gives are read, checked and turned into arrays.

All spiders and flies are in the largest connected part of the map, so that every spider can reach every fly.
"""

import operator
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Int
from scipy import ndimage

from seriatim._arguments import require_real
from seriatim._errors import InputError
from seriatim.formats import GridMap, load_agents, load_map, load_scenarios
from seriatim.problems.spiders_and_flies._terrain import MAX_CELLS, Terrain, open_terrain, walled_terrain

Cells: TypeAlias = str | Path | tuple[tuple[int, int], ...]  # an .agents or .scen file, or (row, column) pairs

# The most courses that are kept: targets times cells, two bytes each. A 100 x 100 map with flies everywhere just fits.
MAX_COURSES = 100_000_000
# Larger whole numbers are mistakes. This number and twice as much fit into 32 bits.
MOST = 10**9


class Ground(NamedTuple):
    """The terrain, the first cells of spiders and flies (None: drawn for each episode), and the walls for pictures."""

    terrain: Terrain
    starts: Int[np.ndarray, "m 2"] | None
    fly_cells: Int[np.ndarray, "n 2"] | None
    walls: Bool[np.ndarray, "height width"] | None


def hunting_ground(options: Any, *, everywhere: bool) -> Ground:
    """Read and check the map and the cells a user asks for.

    Args:
        options: has `spiders`, `flies`, `width`, `height`, `map`, `starts`, `fly_cells` and `collisions`.
        everywhere: flies may come to be in any cell, not only in `fly_cells`.

    Raises:
        InputError: a size is out of range, a file or a cell is wrong, or there is not enough room.
    """
    grid = _grid(options)
    part = grid.passable if options.map is None else _largest_part(grid)
    starts = _cells("starts", options.starts, options.spiders, "spiders", grid, part)
    flies = _cells("fly_cells", options.fly_cells, options.flies, "flies", grid, part)
    _check_room(options, starts, flies, int(part.sum()))
    if options.map is None:
        return Ground(open_terrain(grid.height, grid.width), starts, flies, None)
    in_play = np.flatnonzero(part.ravel())
    targets = in_play if everywhere or flies is None else np.unique(flies @ [grid.width, 1])
    _check_courses(grid, len(targets))
    return Ground(walled_terrain(grid.passable, in_play, targets), starts, flies, ~grid.passable)


def at_least(lowest: int, name: str, value: Any, meaning: str) -> int:
    """Return a whole number; refuse one that is too small or beyond 10**9, and any other value."""
    try:
        number = operator.index(value)
    except TypeError:
        number = lowest - 1
    if number < lowest or isinstance(value, bool):
        raise InputError(f"{name}={value!r}: {meaning}; give a whole number from {lowest} up.")
    if number > MOST:
        raise InputError(f"{name}={value!r}: {meaning}; give a whole number of at most {MOST:,}.")
    return number


def check_discount(discount: Any) -> None:
    """Refuse a discount outside (0, 1]."""
    require_real("discount", discount, "a number above 0 and at most 1", above=0, most=1)


def _grid(options: Any) -> GridMap:
    if isinstance(options.map, GridMap):
        return _playable(options.map)
    if options.map is not None:
        return _playable(load_map(options.map))
    for name in ("width", "height"):
        at_least(1, name, getattr(options, name), "cells of the grid")
    _check_size(f"width={options.width}, height={options.height}", options.width * options.height)
    return GridMap(np.ones((options.height, options.width), bool), name=f"the {options.height} x {options.width} grid")


def _playable(grid: GridMap) -> GridMap:
    _check_size(grid.name, grid.passable.size)
    return grid


def _check_size(name: str, cells: int) -> None:
    if cells > MAX_CELLS:
        raise InputError(f"{name}: the grid has {cells:,} cells; give one of at most {MAX_CELLS:,}.")


def _largest_part(grid: GridMap) -> Bool[np.ndarray, "height width"]:
    """Mark the largest connected part of the map, the first of equally large ones."""
    label, _ = ndimage.label(grid.passable)
    size = np.bincount(label[grid.passable])
    part: Bool[np.ndarray, "height width"] = label == size.argmax()
    return part


def _cells(
    name: str, given: Cells | None, count: int, what: str, grid: GridMap, part: Bool[np.ndarray, "height width"]
) -> Int[np.ndarray, "count 2"] | None:
    """Return the first `count` cells of a user; refuse cells that are not open or that others cannot reach."""
    if given is None:
        return None
    found = _from_file(name, given, grid) if isinstance(given, (str, Path)) else _pairs(name, given)
    if len(found) < count:
        raise InputError(f"{name} has {len(found)} cells for {count} {what}; give at least as many cells as {what}.")
    for row, column in found[:count]:  # checked before they are stored in 32 bits
        check_cell(name, row, column, grid.name, grid.passable, part)
    return np.array(found[:count], np.int32).reshape(count, 2)


def check_cell(
    name: str,
    row: int,
    column: int,
    ground: str,
    passable: Bool[np.ndarray, "height width"],
    part: Bool[np.ndarray, "height width"],
) -> None:
    """Refuse a cell that is outside, a wall, or out of play.

    Args:
        name: the argument that names the cell.
        row: of the cell.
        column: of the cell.
        ground: the name of the grid.
        passable: the cells that are no walls.
        part: the cells in play.

    Raises:
        InputError: the cell is refused.
    """
    height, width = passable.shape
    if not (0 <= row < height and 0 <= column < width):
        raise InputError(
            f"{name}: ({row}, {column}) is outside {ground}; rows 0..{height - 1} and columns 0..{width - 1} are "
            "expected."
        )
    if not passable[row, column]:
        raise InputError(f"{name}: ({row}, {column}) is a wall of {ground}; give an open cell.")
    if not part[row, column]:
        raise InputError(
            f"{name}: ({row}, {column}) cannot be reached from the largest open part of {ground}, where the "
            "game is played; give a cell of that part."
        )


def _from_file(name: str, path: str | Path, grid: GridMap) -> Sequence[tuple[int, int]]:
    """Read cells from a file; in scenarios spiders have the starts and flies the goals."""
    if Path(path).suffix.lower() != ".scen":
        return load_agents(path, grid)
    return [one.start if name == "starts" else one.goal for one in load_scenarios(path, grid)]


def _pairs(name: str, given: Any) -> list[tuple[int, int]]:
    try:
        return [(operator.index(row), operator.index(column)) for row, column in given]
    except (TypeError, ValueError):
        raise InputError(
            f"{name}={given!r}: (row, column) pairs of whole numbers, or the path of an .agents or .scen file, are "
            "expected."
        ) from None


def _check_room(
    options: Any, starts: Int[np.ndarray, "m 2"] | None, flies: Int[np.ndarray, "n 2"] | None, room: int
) -> None:
    """Refuse too few cells: each spider and fly starts in its own, except spiders that are told to share one."""
    m = options.spiders if starts is None else len(np.unique(starts, axis=0))
    n = options.flies if flies is None else len(np.unique(flies, axis=0))
    if m + n > room:
        raise InputError(
            f"spiders={options.spiders} and flies={options.flies} need {m + n} cells to start in, but the grid has "
            f"{room} open and connected; give fewer, or a larger grid."
        )
    if starts is not None and not options.collisions and m < options.spiders:
        raise InputError("starts names a cell twice, which collisions=False forbids; give each spider its own cell.")
    if starts is None or flies is None:
        return
    shared = set(map(tuple, starts.tolist())) & set(map(tuple, flies.tolist()))
    if shared:
        raise InputError(f"fly_cells: a spider starts on {min(shared)}; give flies cells without a spider.")


def _check_courses(grid: GridMap, targets: int) -> None:
    count = targets * grid.passable.size
    if count > MAX_COURSES:
        raise InputError(
            f"{grid.name}: shortest paths from {grid.passable.size:,} cells to {targets:,} where flies may be make "
            f"{count:,} entries, more than {MAX_COURSES:,}; give fly_cells with flies that stay, or a smaller map."
        )
