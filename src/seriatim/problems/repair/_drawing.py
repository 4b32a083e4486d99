"""Pictures of the repair problem: sites coloured by damage, the ways between them, and the robots.

A line and a grid are drawn in their own shape. Any other graph is laid out so that sites many moves apart are drawn far
apart (classical scaling of the distances). Its sites are then put on the cells of a grid, each in a cell of its own.

Source: W. Torgerson, Multidimensional Scaling: I. Theory and Method, Psychometrika 17, 1952.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import scipy.optimize
from jaxtyping import Float, Int

from seriatim.problems.repair._sites import Edges, sites
from seriatim.rendering import Mark, grid_svg, grid_text

# The grid has so many cells for each site of a graph, so that sites can lie apart.
ROOM = 2

Cell = tuple[int, int]


class Plan(NamedTuple):
    """The place of each site in the picture, and the ways between sites."""

    height: int
    width: int
    cells: tuple[Cell, ...]
    ways: tuple[tuple[Cell, Cell], ...]


@lru_cache(maxsize=16)
def plan(edges: Edges, count: int, width: int | None) -> Plan:
    """Lay sites out in rows of `width` or, if that is None, by their distances."""
    if width is None:
        cells = _spread_out(np.asarray(sites(edges, count).distance, float))
    else:
        cells = tuple((site // width, site % width) for site in range(count))
    ways = tuple((cells[a], cells[b]) for a, b in edges)
    return Plan(1 + max(row for row, _ in cells), 1 + max(column for _, column in cells), cells, ways)


def picture(where: Plan, damage: Float[np.ndarray, " n"], positions: Int[np.ndarray, " m"]) -> str:
    """Draw damage, from 0 to 1, and robots, as SVG."""
    return grid_svg(where.height, where.width, _marks(where, damage, positions), ways=where.ways)


def lines(where: Plan, damage: Float[np.ndarray, " n"], positions: Int[np.ndarray, " m"]) -> str:
    """Draw the same for the terminal."""
    return grid_text(where.height, where.width, _marks(where, damage, positions))


def _marks(where: Plan, damage: Float[np.ndarray, " n"], positions: Int[np.ndarray, " m"]) -> list[Mark]:
    levels = np.clip(damage, 0, 1)
    drawn = [Mark(*cell, "site", level=float(level)) for cell, level in zip(where.cells, levels, strict=True)]
    return drawn + [Mark(*where.cells[int(site)], "agent", str(i)) for i, site in enumerate(positions, 1)]


def _spread_out(distance: Float[np.ndarray, "n n"]) -> tuple[Cell, ...]:
    n = len(distance)
    side = int(np.ceil(np.sqrt(ROOM * n)))
    centring = np.eye(n) - 1 / n
    values, vectors = np.linalg.eigh(-centring @ distance**2 @ centring / 2)
    places = vectors[:, -2:] * np.sqrt(np.maximum(values[-2:], 0))
    # An eigenvector has no fixed sign. It is chosen so that the first site lies to the left of the middle and above it.
    places = places * np.where(places[0] > 0, -1, 1)
    extent = np.ptp(places, axis=0)
    places = (places - places.min(axis=0)) / np.where(extent > 0, extent, 1) * (side - 1)
    free = np.array([(row, column) for row in range(side) for column in range(side)])
    far = ((places[:, None, ::-1] - free[None]) ** 2).sum(axis=-1)
    _, chosen = scipy.optimize.linear_sum_assignment(far)
    return tuple((int(row), int(column)) for row, column in free[chosen])
