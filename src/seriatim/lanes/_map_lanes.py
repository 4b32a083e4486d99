"""The three ways to apply a function of one state to many, lanes last.

A function that says `lanes_last = True` (or whose model does) keeps a last axis apart if it gets one, and is called as
it is. On a CPU, all others are transformed (`lanes`). Accelerators do reductions over middle axes well by themselves,
and wait for the host at every condition, which `lanes` is made of: there, `jax.vmap` serves.
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
    if _optional.lanes_last(function if of is None else of):
        return function
    if on_cpu():
        return lanes(function, in_axes)
    return jax.vmap(function, tuple(in_axes), -1)
