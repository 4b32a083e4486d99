"""The first move towards a nearest of several targets, on an open grid, in seven operations a pair.

The nearest target and the first move towards it (rows before columns: up, down, left, right) are found together. Each
pair of a position and a target gets one number, and its minimum over the targets answers both questions. With a and b
the rows and columns from the position to the target, the number is a sum

    K(a, b) = G(a) + H(b)        G(a) = max(|16 a + 2|, 9)        H(b) = |16 b + 1|

since the first move depends on the sign of a, and on that of b only if a is 0. Both are 16 times a distance plus a
small number that orders targets at equal distance: G subtracts 2 for a target above, adds 2 for one below and 9 in the
same row; H subtracts 1 on the left and adds 1 otherwise. So K + 3 = 16 (|a| + |b|) + code, with

    code   0 2   4 6   11     13
    move   up    down  left   right      = 1 + code // 4

Proof for G: |16 a + 2| is at least 14 unless a = 0, where it is 2.

Absolute values and maxima vectorise better than conditions, whose masks change width. If the constants are added to the
targets beforehand, 16 a + 2 is one subtraction. Targets that do not count are put into a row far below, so that no mask
for each pair is needed. The packing is this project's own.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

UNIT = 16  # more than the largest code


def first_move_to_nearest(
    positions: Int[Array, "k 2"], targets: Int[Array, "n 2"], counts: Bool[Array, "k_or_1 n"], height: int, width: int
) -> Int[Array, " k"]:
    """Return the first of the moves that begin a shortest path to any of the nearest targets.

    Args:
        positions: (row, column) of the agents that move.
        targets: (row, column) of the targets.
        counts: which targets count, for each or for all positions.
        height: rows of the grid.
        width: columns of the grid.

    Returns:
        1 up, 2 down, 3 left, 4 right; 0 at a target, and where none counts.
    """
    none = UNIT * (height + width)  # more than any distance on the grid
    # The largest sum belongs to a target that does not count: it is far below the grid, and on the other side.
    dtype = positions.dtype if 2 * none + UNIT <= np.iinfo(positions.dtype).max else jnp.int32
    row, column = (positions.astype(dtype)[:, axis, None] * UNIT for axis in (0, 1))
    rows, columns = (targets.astype(dtype)[None, :, axis] * UNIT for axis in (0, 1))
    # A target that does not count is farther away than any on the grid, so it is never the nearest of several.
    rows = jnp.where(counts, rows + 2, jnp.asarray(none + UNIT * height, dtype))
    downwards = jnp.maximum(jnp.abs(rows - row), 9)
    sideways = jnp.abs((columns + 1) - column)
    least = jnp.min(downwards + sideways, axis=1) + 3
    move = 1 + ((least & (UNIT - 1)) >> 2)
    return jnp.where((least >= UNIT) & (least < none), move, 0)
