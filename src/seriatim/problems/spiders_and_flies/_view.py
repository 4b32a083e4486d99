"""The view of one spider: its own place, and the cells around it as far as its vision goes.

Each spider gets the numbers

    own row, own column (of 1, across the grid), then for every cell within `vision` moves, in the order of `window`:
    living flies there  |  other spiders there  |  whether it is a wall or outside

Flies and spiders have no identity in this window: only their numbers in each cell count, so it fits any number of them.
Walls do not hide the cells behind them. An absent spider sees nothing, and is not seen.

For a relaxed state the same numbers are expectations, and differentiable. Those of flies are computed from `untouched`,
because the chance that a spider is near a fly and the chance that the fly lives are not independent.
"""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from seriatim.problems.spiders_and_flies._hunt import Hunt
from seriatim.problems.spiders_and_flies._relaxed import RelaxedHunt
from seriatim.problems.spiders_and_flies._terrain import Terrain


def window(terrain: Terrain, vision: float | int | None) -> Int[np.ndarray, "cells 2"]:
    """List the cells a spider sees, by (rows, columns) from its own, row by row.

    Args:
        terrain: the grid; offsets that lead out of it from every cell are left out.
        vision: moves on an open grid; None is everything.
    """
    reach = terrain.height + terrain.width if vision is None else min(vision, terrain.height + terrain.width)
    rows, columns = (min(math.floor(reach), size - 1) for size in (terrain.height, terrain.width))
    down, right = np.mgrid[-rows : rows + 1, -columns : columns + 1].reshape(2, -1)
    seen = abs(down) + abs(right) <= reach
    return np.stack([down[seen], right[seen]], axis=1).astype(np.int32)


def observe(model: Any, state: Hunt | RelaxedHunt) -> Float[Array, "m k"]:
    """Return the view of each spider, as k = 2 + 3 * cells numbers."""
    cells = window(model.terrain, model.vision)
    parts = _expected(model, state, cells) if isinstance(state, RelaxedHunt) else _seen(model, state, cells)
    seen = jnp.concatenate(parts, axis=1)
    return seen if state.active is None else jnp.where(state.active[:, None], seen, 0)


def _seen(model: Any, state: Hunt, cells: Int[np.ndarray, "cells 2"]) -> list[Float[Array, "m _"]]:
    """Count flies, other spiders and walls in the window of each spider."""
    # Numbers are int32, because sums of cells and offsets may exceed the range of narrow types.
    spiders, flies = state.spiders.astype(jnp.int32), state.flies.astype(jnp.int32)
    around = spiders[:, None] + cells
    there = jnp.ones(model.num_agents, bool) if state.active is None else state.active
    other = ~jnp.eye(model.num_agents, dtype=bool) & there
    at_fly = jnp.all(around[:, None] == flies[None, :, None], axis=-1) & state.alive[:, None]
    at_other = jnp.all(around[:, None] == spiders[None, :, None], axis=-1) & other[:, :, None]
    framed, reach = _framed_walls(model, cells)
    walls = framed[around[..., 0] + reach[0], around[..., 1] + reach[1]]
    place = spiders.astype(float) / _span(model.terrain)
    return [place, jnp.sum(at_fly, axis=1, dtype=float), jnp.sum(at_other, axis=1, dtype=float), walls]


def _expected(model: Any, state: RelaxedHunt, cells: Int[np.ndarray, "cells 2"]) -> list[Float[Array, "m _"]]:
    """Take the expectation of what `_seen` counts, spiders being independent."""
    there = state.spiders if state.active is None else jnp.where(state.active[:, None, None], state.spiders, 0)
    framed, (up, left) = _framed_walls(model, cells)
    # All spiders except the one that looks.
    others = jnp.pad(jnp.sum(there, axis=0) - there, ((0, 0), (up, up), (left, left)))
    spiders = _in_window(others, state.spiders, cells)
    walls = _in_window(jnp.broadcast_to(framed, others.shape), state.spiders, cells)
    return [state.position / _span(model.terrain), _expected_flies(state, cells), spiders, walls]


def _expected_flies(state: RelaxedHunt, cells: Int[np.ndarray, "cells 2"]) -> Float[Array, "m cells"]:
    """Add up, over flies, the chance that a spider has the fly in a cell of its window and no spider has met it."""
    m, n, height, width = state.untouched.shape
    # The cells in which a spider must stand to have the fly at each cell of its window.
    stand = state.flies.astype(jnp.int32)[:, None] - cells
    inside = jnp.all((stand >= 0) & (stand < jnp.array([height, width], jnp.int32)), axis=-1)
    row, column = jnp.clip(stand[..., 0], 0, height - 1), jnp.clip(stand[..., 1], 0, width - 1)
    chance = jnp.where(inside, state.untouched[:, jnp.arange(n)[:, None], row, column], 0)
    # The spider's own factor is in `chance` already: it is the chance that this spider has not met the fly.
    oneself = jnp.eye(m, dtype=bool)[:, :, None]
    by_others = jnp.prod(jnp.where(oneself, 1, state.not_met[None]), axis=1)
    return jnp.einsum("mnk,mn->mk", chance, by_others)


def _framed_walls(
    model: Any, cells: Int[np.ndarray, "cells 2"]
) -> tuple[Float[Array, "framed_height framed_width"], tuple[int, int]]:
    """Put a wall around the grid, as broad as the vision; return the grid and the breadth in rows and columns."""
    terrain = model.terrain
    reach = int(cells[:, 0].max()), int(cells[:, 1].max())
    walls = jnp.zeros((terrain.height, terrain.width), bool) if model.walls is None else model.walls
    return jnp.pad(walls.astype(float), [(each, each) for each in reach], constant_values=1), reach


def _in_window(
    image: Float[Array, "m framed_height framed_width"],
    weight: Float[Array, "m height width"],
    cells: Int[np.ndarray, "cells 2"],
) -> Float[Array, "m cells"]:
    """Return, for each cell d of the window, the sum over x of `weight[x] image[x + d]`.

    This is a convolution, but a library's takes twice as long on images of 10 x 10 cells, and its derivative five times
    as long. Here the image is shifted sideways once for each column of the window, and sliced for each row.
    """
    height, width = weight.shape[1:]
    up, left = (image.shape[1] - height) // 2, (image.shape[2] - width) // 2
    shifted = jnp.stack([image[:, :, column : column + width] for column in range(2 * left + 1)], axis=1)
    parts = []
    for row in np.unique(cells[:, 0]).tolist():
        columns = cells[cells[:, 0] == row, 1] + left
        part = shifted[:, columns.min() : columns.max() + 1, row + up : row + up + height]
        parts.append(jnp.einsum("mkhw,mhw->mk", part, weight))
    return jnp.concatenate(parts, axis=1)


def _span(terrain: Terrain) -> Float[Array, "2"]:
    return jnp.array([max(terrain.height - 1, 1), max(terrain.width - 1, 1)], float)
