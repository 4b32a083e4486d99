"""Lazy arrays with lanes: expressions that can be asked for one slice without being computed whole.

A value stands for an array of some shape at *every* lane. Computed, it is an array `[*shape, lanes]`, or `[*shape]` if
all lanes share it. `at(axis, j)` is the slice `x[..., j, ...]` as a value again; for an expression it slices the
inputs, so a reduction that folds over slices never meets the product of axes it reduces.
"""

from __future__ import annotations

import contextlib
import functools
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array


class _Memories(threading.local):
    """The results computed so far, those of the innermost branch last.

    A result of a branch has no meaning outside of it, nor in another thread, which writes a program of its own.
    """

    def __init__(self) -> None:
        self.stack: list[dict[tuple[int, Any], tuple[Any, Any]]] = []


_memories = _Memories()


@contextlib.contextmanager
def memory() -> Iterator[None]:
    """Remember all results until this ends."""
    _memories.stack.append({})
    try:
        yield
    finally:
        _memories.stack.pop()


def _recalled(owner: Any, what: Any) -> Any:
    """Return the remembered result, or None."""
    # Outer branches count too: a result from before a branch can be read inside it.
    found = (results.get((id(owner), what)) for results in reversed(_memories.stack))
    return next((entry[1] for entry in found if entry is not None), None)


def remembered(owner: Any, what: Any, make: Callable[[], Any]) -> Any:
    """Return the remembered result of an owner; if there is none, make it."""
    result = _recalled(owner, what)
    if result is None:
        result = make()
        # The owner is kept too, so that no other object takes its id.
        _memories.stack[-1][id(owner), what] = owner, result
    return result


class LazyArray:
    """A lazy array; `shape` does not count the lanes."""

    # The operations that make one place of this out of places of its inputs. Each input is read as often.
    computes = 0

    def __init__(self, shape: Sequence[int], dtype: Any, *, shared: bool) -> None:
        self.shape = tuple(shape)
        self.dtype = dtype
        self.shared = shared

    @property
    def size(self) -> int:
        """The number of places of one lane."""
        return math.prod(self.shape)

    def at(self, axis: int, j: int) -> LazyArray:
        """Return the slice at place `j` of an axis."""

        def make() -> LazyArray:
            # A value that has been computed is not computed again slice by slice.
            array = _recalled(self, "array")
            return (self if array is None else Known(array, shared=self.shared))._slice(axis, j)

        # The same slice is the same object, so that its results are found again.
        part: LazyArray = remembered(self, (axis, j), make)
        return part

    def turned(self, order: Sequence[int]) -> LazyArray:
        """Return the value with its axes in another order: axis `i` of the result is axis `order[i]` of this.

        An expression is turned where it begins, so that what is computed of it lies in memory in the new order.
        """
        return self if list(order) == list(range(len(self.shape))) else Transpose(self, order)

    def compute(self) -> Array:
        """Return the array, `[*shape, lanes]`, or `[*shape]` if it is shared."""
        array: Array = remembered(self, "array", self._compute)
        return array

    def keep(self, array: Array) -> None:
        """Let `array` be the value of this from now on."""
        # The second entry says that it was kept: from now on this is a mere view, and not worth keeping again.
        _memories.stack[-1][id(self), "array"] = _memories.stack[-1][id(self), "materialise"] = self, array

    def repeated(self, axis: int) -> list[LazyArray]:
        """List the parts that differ along an axis, are repeated along others, and are more than views."""
        del axis
        return []

    def is_view(self) -> bool:
        """Say whether this is only another way to look at something known, or has been kept."""
        return _recalled(self, "materialise") is not None

    def more_than_view(self) -> list[LazyArray]:
        """Return this in a list, which is empty if it is only a view."""
        return [] if self.is_view() else [self]

    @functools.cached_property
    def reductions(self) -> int:
        """The length of the longest chain of reductions behind this, each of which needs the one before."""
        return max((value.reductions for value in self._inputs()), default=0)

    def operations(self, most: int) -> int:
        """Count the operations of one place since the last kernel of its own; stop counting beyond `most`."""
        seen: set[int] = set()
        left: list[tuple[LazyArray, int]] = [(self, 1)]
        count = 0
        while left and count <= most:
            value, times = left.pop()
            # A value that all lanes share is computed once for all of them, which is nothing beside the lanes.
            if id(value) not in seen and not value.shared:
                seen.add(id(value))
                count += times * value.computes
                # A fold looks at its inputs once for each of its slices.
                left += [(each, times * max(1, value.computes)) for each in value._inputs()]
        return count

    def prepare(self) -> None:
        """Compute the inputs now that would otherwise be computed with every slice."""
        self.prepare_inputs()

    def prepare_inputs(self) -> None:
        """Compute the inputs now that would otherwise be computed by every reader of this value."""
        for value in self._inputs():
            value.prepare()

    def settle(self) -> None:
        """Compute this now, unless it is a view of something that is computed already."""
        for value in self._inputs():
            value.settle()

    def _inputs(self) -> Sequence[LazyArray]:
        return ()

    def _slice(self, axis: int, j: int) -> LazyArray:
        raise NotImplementedError

    def _compute(self) -> Array:
        raise NotImplementedError


class Known(LazyArray):
    """An array."""

    def __init__(self, array: Array, *, shared: bool, reductions: int = 0) -> None:
        super().__init__(array.shape if shared else array.shape[:-1], array.dtype, shared=shared)
        self.array = array
        self.reductions = reductions

    def compute(self) -> Array:
        return self.array

    def is_view(self) -> bool:
        return True

    def _slice(self, axis: int, j: int) -> LazyArray:
        return Part(self, axis, j)


class Part(LazyArray):
    """One place along an axis of a value that is known: cut out where it is used, since a view costs nothing there."""

    def __init__(self, value: LazyArray, axis: int, j: int) -> None:
        super().__init__(_without(value.shape, axis), value.dtype, shared=value.shared)
        self.value = value
        self.axis = axis
        self.j = j

    def is_view(self) -> bool:
        return True

    def _inputs(self) -> Sequence[LazyArray]:
        return (self.value,)

    def _slice(self, axis: int, j: int) -> LazyArray:
        return Part(self, axis, j)

    def _compute(self) -> Array:
        return lax.index_in_dim(self.value.compute(), self.j, self.axis, keepdims=False)


class Elementwise(LazyArray):
    """A function of values of the same shape, place by place; scalars and axes of length 1 are repeated."""

    computes = 1

    def __init__(
        self, function: Callable[..., Array], inputs: Sequence[LazyArray], shape: Sequence[int], dtype: Any
    ) -> None:
        super().__init__(shape, dtype, shared=all(x.shared for x in inputs))
        self.function = function
        self.inputs = tuple(inputs)

    def turned(self, order: Sequence[int]) -> LazyArray:
        parts = [x if x.shape == () else x.turned(order) for x in self.inputs]
        return Elementwise(self.function, parts, [self.shape[a] for a in order], self.dtype)

    def settle(self) -> None:
        self.compute()

    def repeated(self, axis: int) -> list[LazyArray]:
        # An input as large as this is not repeated itself, but may be made of parts that are.
        differing = [x for x in self.inputs if x.shape and x.shape[axis] > 1]
        return [part for x in differing for part in (x.repeated(axis) if x.size == self.size else x.more_than_view())]

    def _inputs(self) -> Sequence[LazyArray]:
        return self.inputs

    def _slice(self, axis: int, j: int) -> LazyArray:
        parts = [x if x.shape == () else x.at(axis, 0 if x.shape[axis] == 1 else j) for x in self.inputs]
        return Elementwise(self.function, parts, _without(self.shape, axis), self.dtype)

    def _compute(self) -> Array:
        return self.function(*aligned(self.inputs, self.shape))


class Broadcast(LazyArray):
    """A value repeated along new axes: axis `i` of it becomes axis `axes[i]`."""

    def __init__(self, value: LazyArray, shape: Sequence[int], axes: Sequence[int]) -> None:
        super().__init__(shape, value.dtype, shared=value.shared)
        self.value = value
        self.axes = tuple(axes)

    def turned(self, order: Sequence[int]) -> LazyArray:
        places = [list(order).index(axis) for axis in self.axes]
        # XLA broadcasts to axes in increasing order only, so the value itself is turned as far as that takes.
        inner = sorted(range(len(places)), key=places.__getitem__)
        return Broadcast(self.value.turned(inner), [self.shape[a] for a in order], sorted(places))

    def prepare(self) -> None:
        # A value that is repeated is computed once, not at every repetition.
        self.value.settle()

    def settle(self) -> None:
        self.value.settle()

    def is_view(self) -> bool:
        return self.value.is_view()

    def _inputs(self) -> Sequence[LazyArray]:
        return (self.value,)

    def repeated(self, axis: int) -> list[LazyArray]:
        # Along such an axis this is the same everywhere.
        if axis not in self.axes or self.value.shape[self.axes.index(axis)] == 1:
            return []
        return (
            self.value.repeated(self.axes.index(axis)) if self.value.size == self.size else self.value.more_than_view()
        )

    def _slice(self, axis: int, j: int) -> LazyArray:
        value, axes = self.value, self.axes
        if axis in axes:
            own = axes.index(axis)
            value = value.at(own, 0 if value.shape[own] == 1 else j)
            axes = axes[:own] + axes[own + 1 :]
        return broadcast(value, _without(self.shape, axis), [a - (a > axis) for a in axes])

    def _compute(self) -> Array:
        inner = self.value.compute()
        if self.shared:
            return lax.broadcast_in_dim(inner, self.shape, self.axes)
        return lax.broadcast_in_dim(inner, (*self.shape, inner.shape[-1]), (*self.axes, len(self.shape)))


class Unshared(LazyArray):
    """A value that all lanes share, among values that they do not: it has one lane, which broadcasts."""

    def __init__(self, value: LazyArray) -> None:
        super().__init__(value.shape, value.dtype, shared=False)
        self.value = value

    def _slice(self, axis: int, j: int) -> LazyArray:
        return Unshared(self.value.at(axis, j))

    def _compute(self) -> Array:
        return self.value.compute()[..., None]


class Stack(LazyArray):
    """Values one after the other along an axis."""

    def __init__(self, values: Sequence[LazyArray], axis: int, shape: Sequence[int]) -> None:
        super().__init__(shape, values[0].dtype, shared=all(x.shared for x in values))
        self.values = tuple(values)
        self.axis = axis

    def turned(self, order: Sequence[int]) -> LazyArray:
        parts = [x.turned(order) for x in self.values]
        return Stack(parts, list(order).index(self.axis), [self.shape[a] for a in order])

    def prepare(self) -> None:
        self.compute()

    def settle(self) -> None:
        self.compute()

    def _inputs(self) -> Sequence[LazyArray]:
        return self.values

    def _slice(self, axis: int, j: int) -> LazyArray:
        if axis != self.axis:
            parts = [x.at(axis, j) for x in self.values]
            return Stack(parts, self.axis - (axis < self.axis), _without(self.shape, axis))
        for value in self.values:
            if j < value.shape[axis]:
                part = value.at(axis, j)
                # Slices of one stack must agree on having lanes, or a fold could not combine them.
                return part if part.shared == self.shared else Unshared(part)
            j -= value.shape[axis]
        raise IndexError(j)

    def _compute(self) -> Array:
        parts = [aligned([x], x.shape, shared=self.shared)[0] for x in self.values]
        # Parts that all lanes share come with one lane.
        lanes = max((part.shape[-1] for part in parts), default=1)
        if not self.shared:
            parts = [jnp.broadcast_to(part, (*part.shape[:-1], lanes)) for part in parts]
        return lax.concatenate(parts, self.axis)


class Window(LazyArray):
    """A part of a value along one axis, from `start` on."""

    def __init__(self, value: LazyArray, axis: int, start: int, length: int) -> None:
        shape = (*value.shape[:axis], length, *value.shape[axis + 1 :])
        super().__init__(shape, value.dtype, shared=value.shared)
        self.value = value
        self.axis = axis
        self.start = start

    def is_view(self) -> bool:
        return self.value.is_view()

    def _inputs(self) -> Sequence[LazyArray]:
        return (self.value,)

    def _slice(self, axis: int, j: int) -> LazyArray:
        if axis == self.axis:
            return self.value.at(axis, self.start + j)
        return Window(self.value.at(axis, j), self.axis - (axis < self.axis), self.start, self.shape[self.axis])

    def _compute(self) -> Array:
        stop = self.start + self.shape[self.axis]
        return lax.slice_in_dim(self.value.compute(), self.start, stop, axis=self.axis)


class Reverse(LazyArray):
    """A value in reverse order along an axis."""

    def __init__(self, value: LazyArray, axis: int) -> None:
        super().__init__(value.shape, value.dtype, shared=value.shared)
        self.value = value
        self.axis = axis

    def is_view(self) -> bool:
        return self.value.is_view()

    def _inputs(self) -> Sequence[LazyArray]:
        return (self.value,)

    def _slice(self, axis: int, j: int) -> LazyArray:
        if axis == self.axis:
            return self.value.at(axis, self.shape[axis] - 1 - j)
        return Reverse(self.value.at(axis, j), self.axis - (axis < self.axis))

    def _compute(self) -> Array:
        return lax.rev(self.value.compute(), (self.axis,))


class Transpose(LazyArray):
    """A value with its axes in another order: axis `i` of this is axis `order[i]` of it."""

    def __init__(self, value: LazyArray, order: Sequence[int]) -> None:
        super().__init__([value.shape[a] for a in order], value.dtype, shared=value.shared)
        self.value = value
        self.order = tuple(order)

    def turned(self, order: Sequence[int]) -> LazyArray:
        return self.value.turned([self.order[a] for a in order])

    def is_view(self) -> bool:
        return self.value.is_view()

    def _inputs(self) -> Sequence[LazyArray]:
        return (self.value,)

    def _slice(self, axis: int, j: int) -> LazyArray:
        # Without that axis, those behind it in the value are numbered one less.
        own = self.order[axis]
        rest = [a - (a > own) for a in _without(self.order, axis)]
        return Transpose(self.value.at(own, j), rest)

    def _compute(self) -> Array:
        order = self.order if self.shared else (*self.order, len(self.order))
        return lax.transpose(self.value.compute(), order)


def broadcast(value: LazyArray, shape: Sequence[int], axes: Sequence[int]) -> LazyArray:
    """Repeat a value along new axes, or return it where there are none."""
    same = value.shape == tuple(shape) and list(axes) == list(range(len(shape)))
    return value if same else Broadcast(value, shape, axes)


def aligned(values: Sequence[LazyArray], shape: Sequence[int], *, shared: bool | None = None) -> list[Array]:
    """Compute values so that they broadcast against each other: scalars get axes, shared ones an axis of lanes."""
    shared = all(x.shared for x in values) if shared is None else shared
    arrays = []
    for x in values:
        array = x.compute()
        if x.shape == () and shape:
            array = array.reshape((1,) * len(shape) + array.shape)
        arrays.append(lax.expand_dims(array, (array.ndim,)) if x.shared and not shared else array)
    # Primitives of JAX do not broadcast by themselves.
    if len({a.shape for a in arrays}) < 2:
        return arrays
    target = jnp.broadcast_shapes(*(a.shape for a in arrays))
    return [a if a.shape == target else jnp.broadcast_to(a, target) for a in arrays]


def _without(items: Sequence[int], place: int) -> tuple[int, ...]:
    return (*items[:place], *items[place + 1 :])
