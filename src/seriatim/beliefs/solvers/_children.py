"""Tables of histories: from (history, control, observation) to the number of the next one, in arrays of fixed size.

Observations may be anything, and more than could be listed: m robots that each see one of l levels make l**m of them.
So they are not numbered but marked, by 64 bits that two different observations share with probability 2**-64. The
table is open addressing with linear probing, at most half full.

Source: D. Knuth, The Art of Computer Programming, vol. 3, 2nd ed., 1998, section 6.4.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, UInt32

from seriatim.model import Observation

# Odd constants of the 32-bit mixer by A. Appleby (MurmurHash3, 2011), and a seed for each half of a mark.
FIRST, SECOND = 0x85EBCA6B, 0xC2B2AE35
SEEDS = (0x9E3779B9, 0x7F4A7C15)


class Children(NamedTuple):
    """Slots: the edge (history times controls plus control; -1 where empty), the mark, and the history that follows."""

    edge: Int[Array, " slots"]
    mark: UInt32[Array, "slots 2"]
    child: Int[Array, " slots"]


def no_children(count: int) -> Children:
    """Return a table with room for `count` entries."""
    slots = 1 << (2 * count - 1).bit_length()
    return Children(jnp.full(slots, -1, jnp.int32), jnp.zeros((slots, 2), jnp.uint32), jnp.zeros(slots, jnp.int32))


def find(table: Children, edge: Int[Array, ""], mark: UInt32[Array, " 2"]) -> tuple[Int[Array, ""], Bool[Array, ""]]:
    """Return the slot of an entry, or the empty one where it belongs; and whether it is there."""
    last = jnp.uint32(table.edge.shape[0] - 1)

    def other(slot: UInt32[Array, ""]) -> Bool[Array, ""]:
        return (table.edge[slot] >= 0) & ~((table.edge[slot] == edge) & jnp.all(table.mark[slot] == mark))

    start = _mixed(mark[0] ^ _mixed(edge.astype(jnp.uint32))) & last
    slot = jax.lax.while_loop(other, lambda slot: (slot + 1) & last, start)
    return slot.astype(jnp.int32), table.edge[slot] >= 0


def mark(observation: Observation) -> UInt32[Array, " 2"]:
    """Return 64 bits that stand for an observation."""
    words = jnp.concatenate([_words(jnp.asarray(leaf)) for leaf in jax.tree.leaves(observation)])
    places = jnp.arange(words.shape[0], dtype=jnp.uint32)
    return jnp.stack([jnp.sum(_mixed(words ^ _mixed(places + jnp.uint32(seed))), dtype=jnp.uint32) for seed in SEEDS])


def _words(leaf: Array) -> UInt32[Array, " k"]:
    if jnp.issubdtype(leaf.dtype, jnp.floating):
        whole = leaf + jnp.zeros((), leaf.dtype)  # -0 is 0
        wide = whole if leaf.dtype.itemsize >= 4 else whole.astype(jnp.float32)
        return jax.lax.bitcast_convert_type(wide, jnp.uint32).reshape(-1)
    if leaf.dtype.itemsize == 8:
        return jax.lax.bitcast_convert_type(leaf, jnp.uint32).reshape(-1)
    return leaf.astype(jnp.uint32).reshape(-1)


def _mixed(word: UInt32[Array, "*k"]) -> UInt32[Array, "*k"]:
    """Spread every bit over all."""
    word = (word ^ (word >> 16)) * jnp.uint32(FIRST)
    word = (word ^ (word >> 13)) * jnp.uint32(SECOND)
    return word ^ (word >> 16)
