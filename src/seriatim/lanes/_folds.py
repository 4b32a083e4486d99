"""Reductions as folds over slices.

A reduction over an axis of length n combines n slices. Each is computed, used and forgotten: `[agents, flies, lanes]`
is never stored. XLA's CPU compiler makes one vectorised kernel of the chain, with the accumulator in registers,
if two things are seen to.

The chain must be computed once, however many others read it (`materialise`). And it must not be too long: beyond some
64 slices LLVM no longer vectorises it, which makes it 15 times slower. So a long fold is computed piece by piece.

The reductions of a program may need one another, step by step (requests served in turn, unrolled in Python). Every step
would then compute all steps before it. There, a value with several readers is computed once, too (`kept_in_chain`).

Short folds (a coordinate, a handful of moves) stay expressions and are sliced like any other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import jaxpr_as_fun
from jaxtyping import Array

from seriatim.lanes._values import Elementwise, Known, LazyArray, memory

# Folds up to this length stay expressions.
SHORT = 5
# Slices in one piece at most.
PIECE = 50
# Numbers under a fold, all lanes counted, from which its repeated parts are worth a kernel of their own.
LARGE = 2**14
# A value with several readers gets a kernel of its own from so many operations and so many reductions in a row on.
# In 144 lanes 24 operations took less time than 64; stages of spiders and flies have four reductions in a row at most.
LONG, CHAIN = 24, 5


class Kind(NamedTuple):
    """A reduction: its carry after one slice, the merger of two successive carries, and the result of the last."""

    first: Callable[[Array, int], Any]
    merge: Callable[[Any, Any], Any]
    result: Callable[[Any], Array]


def combining(combine: Callable[[Array, Array], Array]) -> Kind:
    """Make the reduction of an associative operation."""
    return Kind(lambda x, _: x, combine, lambda carry: carry)


def extreme(better: Callable[[Array, Array], Array], length: int, dtype: Any) -> Kind:
    """Make the reduction to the place of the best slice, the first of equals; nan beats everything, as in argmin."""

    def first(x: Array, j: int) -> Any:
        # Masks fit values and places alike if both have one width.
        return x, jnp.full(x.shape, j, index_type(x.dtype, length))

    def merge(carry: Any, later: Any) -> Any:
        (best, place), (x, j) = carry, later
        wins = better(x, best)
        if jnp.issubdtype(x.dtype, jnp.inexact):
            # Comparisons with nan are false: the first nan is let in here, and nothing beats it afterwards.
            wins = wins | ((x != x) & (best == best))
        return jnp.where(wins, x, best), jnp.where(wins, j, place)

    return Kind(first, merge, lambda carry: carry[1].astype(dtype))


def index_type(dtype: Any, largest: int) -> Any:
    """Return the type of whole numbers as wide as another type, or wider where `largest` would not fit."""
    wide = {1: jnp.int8, 2: jnp.int16}.get(jnp.dtype(dtype).itemsize, jnp.int32)
    return wide if largest <= np.iinfo(wide).max else jnp.int32


class Fold(LazyArray):
    """A reduction of a value over one axis."""

    def __init__(self, kind: Kind, value: LazyArray, axis: int, dtype: Any) -> None:
        super().__init__((*value.shape[:axis], *value.shape[axis + 1 :]), dtype, shared=value.shared)
        self.kind = kind
        self.value = value
        self.axis = axis
        self.length = value.shape[axis]
        # Every place of the result is made of so many slices, and looks at the value as often.
        self.computes = self.length
        self.reductions = value.reductions + 1

    @property
    def has_kernel(self) -> bool:
        """Say whether this is computed in a kernel of its own."""
        return self.length > SHORT and bool(self.shape)

    def _inputs(self) -> Sequence[LazyArray]:
        # Readers of a kernel of its own do not compute its inputs again, so counting stops here.
        return () if self.has_kernel else (self.value,)

    def prepare(self) -> None:
        if self.length <= SHORT:
            self.value.prepare()
        else:
            self.compute()

    def settle(self) -> None:
        self.compute()

    def _slice(self, axis: int, j: int) -> LazyArray:
        # A long chain is written once, whole; sliced, it would be written again for every slice.
        if self.length > SHORT:
            return Known(self.compute(), shared=self.shared).at(axis, j)
        # The value still has the folded axis, so its axes from there on are one further.
        own = axis + (axis >= self.axis)
        return Fold(self.kind, self.value.at(own, j), self.axis - (own < self.axis), self.dtype)

    def _compute(self) -> Array:
        # One chain of more slices would not be vectorised (PIECE).
        pieces = [range(j, min(j + PIECE, self.length)) for j in range(0, self.length, PIECE)]
        if not self.has_kernel:
            carries = [self._carry(piece) for piece in pieces]
        else:
            # Before the branches are entered: results of one of them are lost to the other pieces.
            _keep_repeated(self.value, self.axis)
            self.value.prepare()
            carries = [materialise(functools.partial(self._carry, piece)) for piece in pieces]
        # From the first slice on, always: sums round in one way, and of equals the first is found.
        return self.kind.result(functools.reduce(self.kind.merge, carries))

    def _carry(self, piece: range) -> Any:
        """Fold some of the slices."""
        carries = [self.kind.first(self.value.at(self.axis, j).compute(), j) for j in piece]
        return functools.reduce(self.kind.merge, carries)


def _keep_repeated(value: LazyArray, axis: int) -> None:
    """Compute the parts once that differ along the folded axis and are repeated along others: every row needs them.

    XLA would rather compute them again in every row than read them. That is right for small folds, where starting one
    more kernel takes longer.
    """
    # Each part once. In a dictionary they keep their order, and with it the program is the same in every process.
    many = list({id(each): each for each in value.repeated(axis)}.values())
    if not many:
        return

    def make() -> list[Array]:
        return [each.compute() for each in many]

    # Written once, to be looked at and perhaps run: a program in it may keep parts of its own.
    program = jax.make_jaxpr(_alone(make))()
    # The last axis of everything that was made are the lanes.
    if value.size * program.out_avals[0].shape[-1] < LARGE:
        return
    for part, array in zip(many, materialise(jaxpr_as_fun(program)), strict=True):
        part.keep(array)


def materialise(make: Callable[[], Any]) -> Any:
    """Compute something once, in a kernel of its own, however many others use it.

    `make` is traced once. It often materialises parts of its own, and to trace it twice would double the work at each
    level.
    """
    made: list[Any] = []

    def alone() -> Any:
        result = _alone(make)()
        made.append(jax.tree.map(jax.typeof, result))
        return result

    def nothing() -> Any:
        # JAX traces the first branch first; should that change, it is traced for its shapes.
        shapes = made[0] if made else jax.eval_shape(alone)
        return jax.tree.map(lambda one: jnp.zeros(one.shape, one.dtype), shapes)

    # XLA would fuse a chain into each of its consumers, and compute it again in every one. A barrier does not stop it
    # (it is removed before fusion), a condition does: a branch is computed once. The condition is always true, which
    # the barrier hides until conditions are no longer simplified.
    return lax.cond(lax.optimization_barrier(jnp.array(True)), alone, nothing)


def kept_in_chain(value: LazyArray) -> LazyArray:
    """Compute a value that several others use in a kernel of its own, if it ends a long chain of reductions.

    Otherwise each step of such a chain computes all steps before it again.
    """
    if value.shared or value.operations(LONG) <= LONG or value.reductions < CHAIN:
        return value
    if jnp.issubdtype(value.dtype, jax.dtypes.extended):  # keys of random numbers
        return value
    # Outside of the branch, so that other readers find these results.
    value.prepare_inputs()
    return Known(materialise(value.compute), shared=False, reductions=value.reductions)


def _alone(make: Callable[[], Any]) -> Callable[[], Any]:
    """Give a function a memory of its own for the results it computes."""

    def call() -> Any:
        with memory():
            return make()

    return call


def fold(kind: Kind, value: LazyArray, axes: tuple[int, ...], dtype: Any) -> LazyArray:
    """Reduce over axes, the last first."""
    for axis in sorted(axes, reverse=True):
        value = Fold(kind, value, axis, dtype)
    return value


def masked(condition: LazyArray, value: LazyArray, otherwise: LazyArray) -> LazyArray:
    """Return `value` where the condition holds, else `otherwise`, all of one shape or scalars."""
    # A scalar's shape is the shortest there is.
    shape = max((condition.shape, value.shape, otherwise.shape), key=len)
    return Elementwise(lambda c, x, y: jnp.where(c, x, y), (condition, value, otherwise), shape, value.dtype)
