"""Reductions as folds over slices.

A reduction over an axis of length n combines n slices, each of them computed, used and forgotten: `[agents, flies,
lanes]` is never there. One row of the result is made at a time, `[lanes]` with its accumulator in registers, and rows
follow one another in a loop. The loop does three things at once: the program stays small, slices stay in the cache, and
the result is *computed*: XLA would fuse an unrolled chain into each of its consumers, and compute it again in every one
(a barrier does not help on CPU: it is removed before fusion).

Short folds (a coordinate, a handful of moves) stay expressions and are sliced like any other. Long folds are computed
piece by piece, each piece a loop of its own: beyond some 64 slices LLVM gives up on vectorising the chain, which makes
it 15 times slower.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from seriatim.lanes._values import Elementwise, Known, Value, memory

# Folds up to this length stay expressions.
SHORT = 5
# Slices in one piece at most.
PIECE = 50


class Kind(NamedTuple):
    """A reduction: what it carries after one slice, what two carries in succession make, and the result."""

    first: Callable[[Array, int], Any]
    merge: Callable[[Any, Any], Any]
    result: Callable[[Any], Array]


def combining(combine: Callable[[Array, Array], Array]) -> Kind:
    """Make the reduction of an associative operation."""
    return Kind(lambda x, _: x, combine, lambda carry: carry)


def extreme(better: Callable[[Array, Array], Array], dtype: Any) -> Kind:
    """Make the reduction to the place of the best slice, the first of equals; NaN beats everything, as in argmin."""

    def first(x: Array, j: int) -> Any:
        return x, jnp.full(x.shape, j, dtype)

    def merge(carry: Any, later: Any) -> Any:
        (best, place), (x, j) = carry, later
        wins = better(x, best)
        if jnp.issubdtype(x.dtype, jnp.inexact):
            wins = wins | ((x != x) & (best == best))
        return jnp.where(wins, x, best), jnp.where(wins, j, place)

    return Kind(first, merge, lambda carry: carry[1])


class Fold(Value):
    """A reduction of a value over one axis."""

    def __init__(self, kind: Kind, value: Value, axis: int, dtype: Any) -> None:
        super().__init__((*value.shape[:axis], *value.shape[axis + 1 :]), dtype, shared=value.shared)
        self.kind = kind
        self.value = value
        self.axis = axis
        self.length = value.shape[axis]

    def prepare(self) -> None:
        if self.length <= SHORT:
            self.value.prepare()
        else:
            self.compute()

    def _slice(self, axis: int, j: Any) -> Value:
        if self.length > SHORT:
            return Known(self.compute(), shared=self.shared).at(axis, j)
        own = axis + (axis >= self.axis)
        return Fold(self.kind, self.value.at(own, j), self.axis - (own < self.axis), self.dtype)

    def _compute(self) -> Array:
        pieces = [range(j, min(j + PIECE, self.length)) for j in range(0, self.length, PIECE)]
        if self.length <= SHORT or not self.shape:
            carries = [self._carry(self.value, self.axis, piece) for piece in pieces]
        else:
            self.value.prepare()
            carries = [self._rows(piece) for piece in pieces]
        return self.kind.result(functools.reduce(self.kind.merge, carries))

    def _rows(self, piece: range) -> Any:
        """Fold one row after the other."""
        along = 1 if self.axis == 0 else 0

        def row(i: Array) -> Any:
            with memory():
                return self._carry(self.value.at(along, i), self.axis - (along < self.axis), piece)

        return lax.map(row, jnp.arange(self.shape[0]))

    def _carry(self, value: Value, axis: int, piece: range) -> Any:
        """Fold some slices of a value, whole ones."""
        return functools.reduce(self.kind.merge, [self.kind.first(value.at(axis, j).compute(), j) for j in piece])


def fold(kind: Kind, value: Value, axes: tuple[int, ...], dtype: Any) -> Value:
    """Reduce over axes, the last first."""
    for axis in sorted(axes, reverse=True):
        value = Fold(kind, value, axis, dtype)
    return value


def masked(condition: Value, value: Value, otherwise: Value) -> Value:
    """Return `value` where the condition holds, else `otherwise`, all of one shape or scalars."""
    shape = max((condition.shape, value.shape, otherwise.shape), key=len)
    return Elementwise(lambda c, x, y: jnp.where(c, x, y), (condition, value, otherwise), shape, value.dtype)
