"""Reductions as folds over slices.

A reduction over an axis of length n combines n slices, each of them computed, used and forgotten: `[agents, flies,
lanes]` is never there, `[agents, lanes]` is, n times. Slices are contiguous, so every step is a long vector operation.

Short folds (a coordinate, a handful of moves) stay expressions and are sliced like any other. Longer ones are computed
once, behind a barrier: without it the compiler fuses the chain into each of its consumers, and computes it again in
every one. Still longer ones become loops, so that the program stays small.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from seriatim.lanes._values import Elementwise, Index, Known, Value

# Folds up to this length stay expressions; up to that one they are unrolled; beyond, loops take so many steps at a time.
SHORT = 5
UNROLLED = 16
BLOCK = 8

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
        carry = self.kind.first(self._part(0))
        if self.length > SHORT:
            return self.kind.result(self._loop(carry))
        for j in range(1, self.length):
            carry = self.kind.step(carry, self._part(j), j)
        return self.kind.result(carry)

    def _part(self, j: Index) -> Array:
        return self.value.at(self.axis, j).compute()

    def _loop(self, carry: Any) -> Any:
        self.value.prepare()
        steps = self.length - 1
        block = min(BLOCK, steps // 2)
        rest = steps % block
        for j in range(1, 1 + rest):
            carry = self.kind.step(carry, self._part(j), j)

        def take(b: Array, carry: Any) -> Any:
            for i in range(block):
                j = 1 + rest + block * b + i
                carry = self.kind.step(carry, self._part(j), j)
            return carry

        return lax.fori_loop(0, steps // block, take, carry)


def fold(kind: Kind, value: Value, axes: tuple[int, ...], dtype: Any) -> Value:
    """Reduce over axes, the last first."""
    for axis in sorted(axes, reverse=True):
        value = Fold(kind, value, axis, dtype)
    return value


def masked(condition: Value, value: Value, otherwise: Value) -> Value:
    """Return `value` where the condition holds, else `otherwise`, all of one shape or scalars."""
    shape = max((condition.shape, value.shape, otherwise.shape), key=len)
    return Elementwise(lambda c, x, y: jnp.where(c, x, y), (condition, value, otherwise), shape, value.dtype)
