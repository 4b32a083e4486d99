"""The three ways to apply a function of one state to many, lanes last.

A function that says `lanes_last = True` (or whose model does) keeps a last axis apart if it gets one, and is called as
it is. On a CPU, all others are transformed (`lanes`). Accelerators do reductions over middle axes well by themselves,
and wait for the host at every condition, which `lanes` is made of: there, `jax.vmap` serves.

Some numbers of lanes suit the machine: whole vectors, in rows that do not compete for places of the cache. The rest of
a row, where it does not fill a vector, is computed number by number: with 50 spiders and flies, 44 lanes took 50
microseconds a stage and 48 lanes 19. The numbers of a lane lie one row apart. Where rows are a large power of two long,
all the numbers of a lane belong in the same few places of the cache and drive each other out: with 15 spiders and
flies, 1,024 lanes of 16 bits took 2.1 times as long as 800 took for as many decisions. Rows of an odd number of vectors
are spread over all places.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax

from seriatim import _optional
from seriatim._platform import on_cpu
from seriatim.lanes._interpret import lanes


def map_lanes(function: Callable[..., Any], in_axes: Sequence[int | None], *, of: Any = None) -> Callable[..., Any]:
    """Make a function of many states, lanes last, from a pure function of one.

    Args:
        function: of pytrees of arrays.
        in_axes: for each argument, -1 if its arrays have a last axis of lanes, None if all lanes share it.
        of: the object whose attribute `lanes_last` says what the function is; by default the function itself.
    """
    # Written for many states by its author: nothing is left to transform.
    if _optional.lanes_last(function if of is None else of):
        return function
    if on_cpu():
        return lanes(function, in_axes)
    return jax.vmap(function, tuple(in_axes), -1)


# A vector of numbers of 16 bits; of wider ones, two.
VECTOR = 16
# From so many lanes on rows are long enough to compete for places.
LONG = 128


def padded_lane_count(lanes: int) -> int:
    """Return a good number of lanes, `lanes` at least and at most 31 more."""
    if lanes <= VECTOR:
        return 1 << (lanes - 1).bit_length()
    vectors = -(-lanes // VECTOR)
    # An odd number of vectors: rows are then spread over all places of the cache.
    return VECTOR * (vectors | 1 if lanes >= LONG else vectors)
