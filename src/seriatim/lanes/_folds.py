"""Reductions as folds over slices.

A reduction over an axis of length n combines n slices, each of them computed, used and forgotten: `[agents, flies,
lanes]` is never there. One row of the result is made at a time, `[lanes]` with its accumulator in registers, and rows
follow one another in a loop. The loop does three things at once: the program stays small, slices stay in the cache, and
the result is *computed*: XLA would fuse an unrolled chain into each of its consumers, and compute it again in every one
(a barrier does not help on CPU: it is removed before fusion).

Short folds (a coordinate, a handful of moves) stay expressions and are sliced like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from seriatim.lanes._values import Elementwise, Index, Known, Value, memory

# Folds up to this length stay expressions.
SHORT = 5

Step = Callable[[Any, Array, Index], Any]


class Kind(NamedTuple):
    """A reduction: what it carries after the first slice, what each further slice makes of it, and the result."""

    first: Callable[[Array], Any]
    step: Step
    result: Callable[[Any], Array]


def combining(combine: Callable[[Array, Array], Array]) -> Kind:
    """Make the reduction of an associative operation."""
    return Kind(lambda x: x, lambda carry, x, _: combine(carry, x), lambda carry: carry)


def extreme(better: Callable[[Array, Array], Array], dtype: Any) -> Kind:
    """Make the reduction to the place of the best slice, the first of equals; NaN beats everything, as in argmin."""

    def first(x: Array) -> Any:
        return x, jnp.zeros(x.shape, dtype)

    def step(carry: Any, x: Array, j: Index) -> Any:
        best, place = carry
        wins = better(x, best)
        if jnp.issubdtype(x.dtype, jnp.inexact):
            wins = wins | ((x != x) & (best == best))
        return jnp.where(wins, x, best), jnp.where(wins, jnp.asarray(j, dtype), place)

    return Kind(first, step, lambda carry: carry[1])


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

    def _slice(self, axis: int, j: Index) -> Value:
        if self.length > SHORT:
            return Known(self.compute(), shared=self.shared).at(axis, j)
        own = axis + (axis >= self.axis)
        return Fold(self.kind, self.value.at(own, j), self.axis - (own < self.axis), self.dtype)

    def _compute(self) -> Array:
        if self.length <= SHORT or not self.shape:
            return self._row(self.value, self.axis)
        self.value.prepare()
        along = 1 if self.axis == 0 else 0
        axis = self.axis - (along < self.axis)

        def row(i: Array) -> Array:
            with memory():
                return self._row(self.value.at(along, i), axis)

        rows: Array = lax.map(row, jnp.arange(self.shape[0]))
        return rows

    def _row(self, value: Value, axis: int) -> Array:
        """Fold a value over an axis, all of it at once."""
        carry = self.kind.first(value.at(axis, 0).compute())
        for j in range(1, self.length):
            carry = self.kind.step(carry, value.at(axis, j).compute(), j)
        return self.kind.result(carry)


def fold(kind: Kind, value: Value, axes: tuple[int, ...], dtype: Any) -> Value:
    """Reduce over axes, the last first."""
    for axis in sorted(axes, reverse=True):
        value = Fold(kind, value, axis, dtype)
    return value


def masked(condition: Value, value: Value, otherwise: Value) -> Value:
    """Return `value` where the condition holds, else `otherwise`, all of one shape or scalars."""
    shape = max((condition.shape, value.shape, otherwise.shape), key=len)
    return Elementwise(lambda c, x, y: jnp.where(c, x, y), (condition, value, otherwise), shape, value.dtype)
