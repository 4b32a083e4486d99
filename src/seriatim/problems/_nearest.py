"""The first move towards a nearest of several targets, on an open grid, in nine operations a pair.

Which target is nearest, and which move leads to it first (rows before columns: up, down, left, right), are asked
together: one number for each pair, whose minimum over the targets answers both. With a and b the rows and columns from
a position to a target, it is a sum

    K(a, b) = G(a) + H(b)        G(a) = max(-16 a, 16 a + 3, 6)        H(b) = max(1 - 16 b, 16 b + 2)

since the first move depends on the sign of a, and on that of b only where a is 0. Both are 16 times a distance and a
little more, which orders targets that are equally far: G adds 0 above, 3 below, 6 in the same row, and H adds 1 on the
left, 2 otherwise. So K = 16 (|a| + |b|) + code, with

    code   1 2   4 5   7      8
    move   up    down  left   right

Proof for G: at a <= -1 the first term is the largest, at a >= 1 the second, at 0 the third; for H likewise.

Maxima of linear functions vectorise better than conditions (whose masks change width), and -16 a and 16 a + 3 are one
subtraction each if the constants are taken off the positions beforehand. Targets that do not count are put into a row
far below, not masked pair by pair. The packing is this project's own.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

UNIT = 16  # above the largest code


def first_move_to_nearest(
    positions: Int[Array, "k 2"], targets: Int[Array, "n 2"], counts: Bool[Array, "k_or_1 n"], height: int, width: int
) -> Int[Array, " k"]:
    """Return the first of the moves that begin a shortest path to any of the nearest targets.

    Args:
        positions: (row, column) of those who move.
        targets: (row, column) of what they move to.
        counts: which targets count, for each or for all positions.
        height: rows of the grid.
        width: columns of the grid.

    Returns:
        1 up, 2 down, 3 left, 4 right; 0 at a target, and where none counts.
    """
    none = UNIT * (height + width)  # more than any distance on the grid
    dtype = positions.dtype if 2 * none + UNIT <= np.iinfo(positions.dtype).max else jnp.int32
    row, column = (positions.astype(dtype)[:, axis, None] * UNIT for axis in (0, 1))
    rows, columns = (targets.astype(dtype)[None, :, axis] * UNIT for axis in (0, 1))
    rows = jnp.where(counts, rows, jnp.asarray(none + UNIT * height, dtype))
    downwards = jnp.maximum(jnp.maximum(row - rows, rows - (row - 3)), 6)
    sideways = jnp.maximum((column + 1) - columns, columns - (column - 2))
    least = jnp.min(downwards + sideways, axis=1)
    code = least % UNIT
    move = 1 + (code > 3).astype(dtype) + (code > 6) + (code > 7)
    return jnp.where((least >= UNIT) & (least < none), move, 0)
