"""The terrain of a grid world: open moves, distances between cells, and the first moves of shortest paths.

On an open grid these have a closed form (Manhattan distance), which vectorises better than any table. With obstacles
they are looked up in distance fields, which are computed once. Positions are (row, column); moves are

    0 stay   1 up   2 down   3 left   4 right

A *course* packs the distance to a target and the first of the moves that begin a shortest path there into one number,
`8 * distance + move`. The smallest course over several targets therefore holds the distance to a nearest one, and the
first move that leads to any of the nearest.

Numbers are as narrow as the size of the grid allows; on no grid of at most `MAX_CELLS` cells do they need more than 32
bits.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Integer, UInt8

from seriatim._record import record, static
from seriatim.problems._distance_fields import UNREACHABLE, distance_fields
from seriatim.problems.spiders_and_flies._nearest import first_move_to_nearest

MOVES = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))
# Numbers of half the size are twice as fast: a vector register holds twice as many of them.
NARROW = np.int16
# The most cells of a grid: even for cells in one row, the numbers of `_nearest`, about 32 times as large, fit 32 bits.
MAX_CELLS = 50_000_000


def position_type(height: int, width: int) -> Any:
    """Return the type of rows and columns on a grid: 16 bits where they, -1, and all differences fit, else 32."""
    return NARROW if max(height, width) <= np.iinfo(NARROW).max else np.int32


def course_type(longest: int) -> Any:
    """Return the type of courses: 16 bits if all up to the distance `longest` and one larger number fit, else 32."""
    return np.int16 if 8 * longest + 8 < np.iinfo(np.int16).max else np.int32


@record
class Terrain:
    """A grid, open or with walls.

    Attributes:
        height: rows.
        width: columns.
        cells: the cells in play, `[F, 2]`.
        number: the place in `cells` of each cell of the grid (`row * width + column`), `[grid]`; 0 if out of play.
        open_moves: with walls, bit k says whether move k is possible, `[grid]`; None on an open grid.
        courses: with walls, the course from every cell to each target, `[targets, grid]`; None on an open grid.
        target: with walls, the place in `courses` of each cell that is a target, `[grid]`.
    """

    cells: Int[Array, "F 2"]
    number: Int[Array, " grid"]
    open_moves: UInt8[Array, " grid"] | None
    courses: Integer[Array, "targets grid"] | None
    target: Int[Array, " grid"] | None
    height: int = static()
    width: int = static()

    def place(self, positions: Int[Array, "k 2"]) -> Int[Array, " k"]:
        """Return the places of positions in `cells`."""
        return self.number[self.cell(positions)]

    def cell(self, positions: Int[Array, "k 2"]) -> Int[Array, " k"]:
        """Return the numbers of the cells at positions, `row * width + column`."""
        # Numbers of cells need more bits than rows and columns do.
        row, column = positions[:, 0].astype(jnp.int32), positions[:, 1].astype(jnp.int32)
        return row * self.width + column

    def moves(self, positions: Int[Array, "k 2"]) -> Bool[Array, "k 5"]:
        """Say which moves are possible at each position; staying always is."""
        row, column = positions[:, 0], positions[:, 1]
        if self.open_moves is None:
            # The first entry is staying, which is possible everywhere.
            inside = (row >= 0, row > 0, row < self.height - 1, column > 0, column < self.width - 1)
            return jnp.stack(inside, axis=1)
        bits = self.open_moves[self.cell(positions)]
        return jnp.stack([(bits >> move) & 1 == 1 for move in range(5)], axis=1)

    def step(self, positions: Int[Array, "k 2"], moves: Int[Array, " k"]) -> Int[Array, "k 2"]:
        """Move; a move that is not possible is a stay."""
        row, column = positions[:, 0], positions[:, 1]
        down = (moves == 2).astype(row.dtype) - (moves == 1).astype(row.dtype)
        right = (moves == 4).astype(row.dtype) - (moves == 3).astype(row.dtype)
        if self.open_moves is None:
            row = jnp.clip(row + down, 0, self.height - 1)
            column = jnp.clip(column + right, 0, self.width - 1)
            return jnp.stack([row, column], axis=1)
        # All numbers have one width, so that vector operations need no conversions.
        bits = self.open_moves[self.cell(positions)].astype(row.dtype)
        free = (bits >> moves.astype(row.dtype)) & 1
        return jnp.stack([row + free * down, column + free * right], axis=1)

    def course(self, positions: Int[Array, "k 2"], targets: Int[Array, "n 2"]) -> Int[Array, "k n"]:
        """Return the course from each position to each target; `no_course()` where there is none."""
        if self.courses is None or self.target is None:
            return _open_course(positions, targets, self._course_type())
        goal = self.target[self.cell(targets)]
        return self.courses[goal[None, :], self.cell(positions)[:, None]]

    def towards_nearest(
        self, positions: Int[Array, "k 2"], targets: Int[Array, "n 2"], counts: Bool[Array, "k_or_1 n"]
    ) -> Int[Array, " k"]:
        """Return the first of the moves that lead to a nearest of the targets that count; 0 if there is none."""
        if self.courses is None:
            return first_move_to_nearest(positions, targets, counts, self.height, self.width)
        course = self.course(positions, targets)
        none = jnp.asarray(self.no_course(), course.dtype)
        nearest = jnp.min(jnp.where(counts, course, none), axis=1)
        # The move is in the three lowest bits.
        return jnp.where(nearest < none, nearest & 7, 0)

    def no_course(self) -> int:
        """Return a number that no course exceeds; it stands for a target that cannot be reached or does not count."""
        return int(np.iinfo(self._course_type()).max)

    def _course_type(self) -> Any:
        # On an open grid the largest distance is that from a corner to (-1, -1), the place of flies not yet arrived.
        return course_type(self.height + self.width) if self.courses is None else self.courses.dtype


def _open_course(positions: Int[Array, "k 2"], targets: Int[Array, "n 2"], dtype: Any) -> Int[Array, "k n"]:
    positions, targets = positions.astype(dtype), targets.astype(dtype)
    down = targets[:, 0][None] - positions[:, 0][:, None]
    right = targets[:, 1][None] - positions[:, 1][:, None]
    sideways = jnp.where(right < 0, 3, jnp.where(right > 0, 4, 0))
    move = jnp.where(down < 0, 1, jnp.where(down > 0, 2, sideways))
    return 8 * (jnp.abs(down) + jnp.abs(right)) + move


def open_terrain(height: int, width: int) -> Terrain:
    """Return a grid without walls."""
    every = np.arange(height * width, dtype=np.int32)
    cells = np.stack(np.divmod(every, np.int32(width)), axis=1).astype(position_type(height, width))
    return Terrain(jnp.asarray(cells), jnp.asarray(every), None, None, None, height=height, width=width)


def walled_terrain(
    passable: Bool[np.ndarray, "height width"],
    in_play: Int[np.ndarray, " F"],
    targets: Int[np.ndarray, " n"],
) -> Terrain:
    """Return a grid with walls.

    Args:
        passable: the cells that are no walls.
        in_play: the cells in play, `row * width + column`.
        targets: the cells to which courses are kept.
    """
    height, width = passable.shape
    number = np.zeros(passable.size, np.int32)
    number[in_play] = np.arange(len(in_play))
    target = np.zeros(passable.size, np.int32)
    target[targets] = np.arange(len(targets))
    ahead = neighbours(passable)
    stays = ahead == np.arange(passable.size)[:, None]
    # Bit 0 is staying, which is always possible.
    bits = np.bitwise_or.reduce(np.where(stays[:, 1:], 0, 1 << np.arange(1, 5)), axis=1) | 1
    return Terrain(
        cells=jnp.asarray(np.stack(np.divmod(in_play, width), axis=1).astype(position_type(height, width))),
        number=jnp.asarray(number),
        open_moves=jnp.asarray(bits.astype(np.uint8)),
        courses=jnp.asarray(_courses(ahead, targets)),
        target=jnp.asarray(target),
        height=height,
        width=width,
    )


def neighbours(passable: Bool[np.ndarray, "height width"]) -> Int[np.ndarray, "grid 5"]:
    """Return the cell that each move leads to from each cell: the cell itself where the move is not possible."""
    height, width = passable.shape
    # A frame of walls around the grid makes the border an ordinary case.
    framed = np.pad(passable, 1)
    here = np.arange(height * width, dtype=np.int32).reshape(height, width)
    ahead = []
    for down, right in MOVES:
        free = passable & framed[1 + down : 1 + down + height, 1 + right : 1 + right + width]
        ahead.append(np.where(free, here + down * width + right, here).ravel())
    return np.stack(ahead, axis=1)


def _courses(ahead: Int[np.ndarray, "cells 5"], targets: Int[np.ndarray, " n"]) -> Integer[np.ndarray, "n cells"]:
    distance = distance_fields(ahead[:, 1:], targets)
    reached = distance != UNREACHABLE
    longest = int(distance.max(where=reached, initial=0))
    # The type takes half the memory if distances are short, as they are in all but the largest mazes.
    dtype = course_type(longest)
    move = np.zeros(distance.shape, np.int8)
    # Moves are written backwards, so that the first one that begins a shortest path is written last.
    for k in range(4, 0, -1):
        move[np.take(distance, ahead[:, k], axis=1) < distance] = k
    return np.where(reached, 8 * np.where(reached, distance, 0) + move, np.iinfo(dtype).max).astype(dtype)
