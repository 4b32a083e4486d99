"""The first move towards a nearest of several targets, on an open grid, in seven operations a pair.

Which target is nearest, and which move leads to it first (rows before columns: up, down, left, right), are asked
together: one number for each pair, whose minimum over the targets answers both. With a and b the rows and columns from
a position to a target, it is a sum

    K(a, b) = G(a) + H(b)        G(a) = max(|16 a + 2|, 9)        H(b) = |16 b + 1|

since the first move depends on the sign of a, and on that of b only where a is 0. Both are 16 times a distance and a
little, which orders targets that are equally far: G takes 2 off above, adds 2 below and 9 in the same row; H takes 1
off on the left and adds 1 otherwise. So K + 3 = 16 (|a| + |b|) + code, with

    code   0 2   4 6   11     13
    move   up    down  left   right      = 1 + code // 4

Proof for G: |16 a + 2| is at least 14 unless a = 0, where it is 2.

Absolute values and maxima vectorise better than conditions (whose masks change width), and 16 a + 2 is one subtraction
if the constants are put on the targets beforehand. Targets that do not count are put into a row far below, not masked
pair by pair. The packing is this project's own.
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
    # The largest sum is that of a target that does not count: far below the grid, and at its other side.
    dtype = positions.dtype if 2 * none + UNIT <= np.iinfo(positions.dtype).max else jnp.int32
    row, column = (positions.astype(dtype)[:, axis, None] * UNIT for axis in (0, 1))
    rows, columns = (targets.astype(dtype)[None, :, axis] * UNIT for axis in (0, 1))
    # Its distance is more than any on the grid, so a target that does not count never is the nearest.
    rows = jnp.where(counts, rows + 2, jnp.asarray(none + UNIT * height, dtype))
    downwards = jnp.maximum(jnp.abs(rows - row), 9)
    sideways = jnp.abs((columns + 1) - column)
    least = jnp.min(downwards + sideways, axis=1) + 3
    move = 1 + ((least & (UNIT - 1)) >> 2)
    return jnp.where((least >= UNIT) & (least < none), move, 0)
