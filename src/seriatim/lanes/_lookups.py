"""Lookups and updates along short axes, as folds.

`x[i]` at every lane is `sum_j where(i == j, x_j, 0)`: n comparisons and selections, all of them long vector operations,
where a gather takes one address at a time. Updates compare the other way round. Along long axes a gather is cheaper,
and in tables that all lanes share it looks numbers up one by one. Other cases are declined (None).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import ShapedArray
from jax.extend.core import JaxprEqn
from jax.lax import GatherScatterMode
from jaxtyping import Array

from seriatim.lanes._folds import Fold, combining, index_type, masked
from seriatim.lanes._values import Broadcast, Elementwise, Known, LazyArray, broadcast

# Longest axis along which a fold beats a gather that takes whole rows, and one that takes single numbers.
LONGEST, SMALL = 64, 12


def gathered(equation: JaxprEqn, table: LazyArray, index: LazyArray) -> LazyArray | None:
    """Look up in a table: along one axis if it differs between lanes, along several if all lanes share it."""
    numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
    along, paired = numbers.start_index_map, numbers.operand_batching_dims
    # One place of every axis that is looked up, and all of the others; windows in between are left to vmap.
    whole = all(sizes[axis] == (1 if axis in (*along, *paired) else n) for axis, n in enumerate(table.shape))
    if _are_keys(table) or not whole or tuple(sorted(along)) != tuple(numbers.collapsed_slice_dims) or 0 in table.shape:
        return None
    # A fold goes along one axis: several are treated like one that is too long.
    length = table.shape[along[0]] if len(along) == 1 else LONGEST + 1
    if table.shared and length > SMALL:
        return None if paired or _is_too_large(table) else _in_shared_table(equation, table, index)
    if length > LONGEST:
        return None
    out = result_of(equation)
    # The last axis of the index has a number for each axis looked up, of which there is one here.
    places = index.at(len(index.shape) - 1, 0)
    batch = [axis for axis in range(len(out.shape)) if axis not in numbers.offset_dims]
    pairs = dict(zip(paired, numbers.start_indices_batching_dims, strict=True))
    offsets = iter(numbers.offset_dims)
    # The axis looked up is put behind those of the result, and folded over there.
    last = len(out.shape)
    axes = [
        last if axis == along[0] else batch[pairs[axis]] if axis in pairs else next(offsets)
        for axis in range(len(table.shape))
    ]
    return _looked_up(table, axes, places, batch, out, equation.params["mode"], equation.params["fill_value"])


def _in_shared_table(equation: JaxprEqn, table: LazyArray, index: LazyArray) -> LazyArray:
    """Look numbers up one by one in the flattened table: an elementwise operation of the indices."""
    numbers, out = equation.params["dimension_numbers"], result_of(equation)
    mode, fill = equation.params["mode"], equation.params["fill_value"]
    # Flat, so that an entry has one number and the lookup has one operand.
    flat = table.compute().reshape(-1)
    strides = _strides(table.shape)
    batch = [axis for axis in range(len(out.shape)) if axis not in numbers.offset_dims]
    last = len(index.shape) - 1
    looked = [(broadcast(index.at(last, k), out.shape, batch), axis) for k, axis in enumerate(numbers.start_index_map)]
    rest = [axis for axis in range(len(table.shape)) if axis not in numbers.collapsed_slice_dims]
    whole = [
        (Broadcast(_iota(table.shape[axis], jnp.int32), out.shape, [place]), axis)
        for axis, place in zip(rest, numbers.offset_dims, strict=True)
    ]
    # The part of each axis in the number of an entry: computed before it is repeated along the other axes.
    parts = [
        _elementwise(_offset(table.shape[axis], strides[axis]), place, jnp.int32) for place, axis in [*looked, *whole]
    ]

    # Offsets are clipped, so XLA need not see to it again.
    def look(*offsets: Array) -> Array:
        return flat.at[sum(offsets)].get(mode="promise_in_bounds")

    found = Elementwise(look, parts, out.shape, out.dtype)
    if mode != GatherScatterMode.FILL_OR_DROP:
        return found
    inside = [_elementwise(_is_inside(table.shape[axis]), place, bool) for place, axis in looked]
    everywhere = Elementwise(lambda *parts: functools.reduce(jnp.logical_and, parts), inside, out.shape, jnp.bool_)
    return masked(everywhere, found, _constant(_fill(out.dtype) if fill is None else fill, out.dtype))


def _offset(length: int, stride: int) -> Callable[[Array], Array]:
    return lambda i: _clipped(i, length - 1) * stride


def _clipped(i: Array, last: int) -> Array:
    """Move places to 0 .. last. A type that does not hold the last place is narrow, and fits into 32 bits."""
    within = jnp.clip(i, 0, last) if last <= np.iinfo(i.dtype).max else jnp.maximum(i, 0)
    return within.astype(jnp.int32)


def _is_inside(length: int) -> Callable[[Array], Array]:
    # No place is beyond the table if the type does not even hold its last one.
    return lambda i: (i >= 0) & (i <= length - 1) if length - 1 <= np.iinfo(i.dtype).max else i >= 0


def _looked_up(
    table: LazyArray, axes: list[int], places: LazyArray, batch: list[int], out: Any, mode: Any, fill_value: Any
) -> LazyArray | None:
    """Fold over a last axis, the one looked up; `axes` and `batch` say where the others go."""
    length = table.shape[axes.index(len(out.shape))]
    # In these modes a lookup outside of the table gives its nearest entry, as in jax.lax.gather.
    if mode != GatherScatterMode.FILL_OR_DROP:
        places = _elementwise(lambda i: jnp.clip(i, 0, length - 1), places)
    elif fill_value is None:
        fill_value = _fill(out.dtype)
    result = _sum_of_selected(table, axes, places, batch, out)
    if mode != GatherScatterMode.FILL_OR_DROP:
        return result
    inside = broadcast(_elementwise(_is_inside(length), places, bool), out.shape, batch)
    return masked(inside, result, _constant(fill_value, out.dtype))


def _sum_of_selected(table: LazyArray, axes: list[int], places: LazyArray, batch: list[int], out: Any) -> LazyArray:
    length, last = table.shape[axes.index(len(out.shape))], len(out.shape)
    shape = (*out.shape, length)
    # Masks fit numbers and places alike if both have one width.
    narrow = index_type(out.dtype, length)
    # Places outside become -1 or `length`, which no entry has; narrowed as they are, they could come to lie inside.
    lowest = max(-1, int(np.iinfo(places.dtype).min))
    places = _elementwise(lambda i: jnp.clip(i, lowest, length).astype(narrow), places, narrow)
    one_hot = Elementwise(
        lambda i, j: i == j,
        (Broadcast(places, shape, batch), Broadcast(_iota(length, places.dtype), shape, [last])),
        shape,
        jnp.bool_,
    )
    # At most one entry is selected, so either operation returns it as it is; XLA adds no truth values.
    combine = lax.bitwise_or if out.dtype == bool else lax.add
    selected = masked(one_hot, broadcast(table, shape, axes), _nothing(out.dtype))
    return Fold(combining(combine), selected, last, out.dtype)


def sliced(equation: JaxprEqn, value: LazyArray, *starts: LazyArray) -> LazyArray | None:
    """Cut a slice at a place that differs between lanes: of any size from a shared table, else of length 1."""
    sizes = equation.params["slice_sizes"]
    if _are_keys(value):
        return None
    if value.shared and 0 not in value.shape and not _is_too_large(value):
        return _slice_of_shared_table(value, sizes, starts)
    cut = [axis for axis, (size, n) in enumerate(zip(sizes, value.shape, strict=True)) if size != n]
    if value.shared or len(cut) != 1 or sizes[cut[0]] != 1 or value.shape[cut[0]] > LONGEST:
        return None
    axis = cut[0]
    # As in jax.lax.dynamic_slice, a slice that would begin outside is moved inside.
    start = _elementwise(lambda i: jnp.clip(i, 0, value.shape[axis] - 1), starts[axis])
    rest = [a for a in range(len(sizes)) if a != axis]
    out = result_of(equation)
    shape = tuple(out.shape[a] for a in rest)
    axes = [len(rest) if a == axis else rest.index(a) for a in range(len(sizes))]
    # Of the zeros only shape and type are read.
    one = _sum_of_selected(value, axes, start, [], jnp.zeros(shape, out.dtype))
    return Broadcast(one, out.shape, rest)


def _slice_of_shared_table(table: LazyArray, sizes: tuple[int, ...], starts: tuple[LazyArray, ...]) -> LazyArray:
    """Look up number by number: place `i` along an axis is `start + i`, the start moved so that all lies inside."""
    places = []
    for axis, (start, size) in enumerate(zip(starts, sizes, strict=True)):
        last = table.shape[axis] - size
        within = Broadcast(_iota(size, jnp.int32), sizes, [axis])
        # `last` is bound here, since the function is called after the loop.
        places.append(Elementwise(lambda i, j, last=last: _clipped(i, last) + j, (start, within), sizes, jnp.int32))
    flat, strides = table.compute().reshape(-1), _strides(table.shape)

    def look(*where: Array) -> Array:
        number = sum(place * stride for place, stride in zip(where, strides, strict=True))
        return flat.at[number].get(mode="promise_in_bounds")

    return Elementwise(look, places, sizes, table.dtype)


def updated(equation: JaxprEqn, value: LazyArray, update: LazyArray, *starts: LazyArray) -> LazyArray | None:
    """Replace a slice of length 1 along one axis."""
    del equation
    cut = [axis for axis, (size, n) in enumerate(zip(update.shape, value.shape, strict=True)) if size != n]
    if _are_keys(value) or len(cut) != 1 or update.shape[cut[0]] != 1 or value.shape[cut[0]] > LONGEST:
        return None
    axis, length = cut[0], value.shape[cut[0]]
    start = _elementwise(lambda i: jnp.clip(i, 0, length - 1), starts[axis])
    # The type of any index holds LONGEST, so numbering the places does not overflow.
    hit = _elementwise_pair(lambda i, j: i == j, start, _iota(length, start.dtype), (length,), jnp.bool_)
    rest = [a for a in range(len(value.shape)) if a != axis]
    new = Broadcast(update.at(axis, 0), value.shape, rest)
    return masked(Broadcast(hit, value.shape, [axis]), new, value)


def scattered(equation: JaxprEqn, value: LazyArray, index: LazyArray, updates: LazyArray) -> LazyArray | None:
    """Add to, or replace, places along one axis; to replace, one place only, since the order of more is not defined."""
    numbers = equation.params["dimension_numbers"]
    along = numbers.scatter_dims_to_operand_dims
    plain = len(along) == 1 and numbers.inserted_window_dims == along and not numbers.operand_batching_dims
    batch = [axis for axis in range(len(updates.shape)) if axis not in numbers.update_window_dims]
    adds = equation.primitive.name == "scatter-add"
    replaces = equation.primitive.name == "scatter" and equation.params["update_jaxpr"] is None
    window = tuple(updates.shape[axis] for axis in numbers.update_window_dims)
    whole = plain and window == tuple(n for axis, n in enumerate(value.shape) if axis != along[0])
    if not whole or not (adds or replaces) or _are_keys(value):
        return None
    if index.shape[-1:] != (1,) or len(batch) > 1 or not (adds or not batch):
        return None
    # An update outside equals no place and so is dropped, as all modes but CLIP want it.
    if value.shape[along[0]] > LONGEST or equation.params["mode"] == GatherScatterMode.CLIP:
        return None
    axis, length = along[0], value.shape[along[0]]
    places = index.at(len(index.shape) - 1, 0)
    rest = [a for a in range(len(value.shape)) if a != axis]
    if not batch:
        hit = _elementwise_pair(lambda i, j: i == j, places, _iota(length, places.dtype), (length,), jnp.bool_)
        new = broadcast(updates, value.shape, rest)
        if adds:
            new = Elementwise(lax.add, (value, new), value.shape, value.dtype)
        return masked(Broadcast(hit, value.shape, [axis]), new, value)
    return _added(value, axis, places, updates, batch[0])


def _added(value: LazyArray, axis: int, places: LazyArray, updates: LazyArray, batch: int) -> LazyArray:
    """Fold over the updates: each is added where its place is."""
    count, last = places.shape[0], len(value.shape)
    shape = (*value.shape, count)
    one_hot = Elementwise(
        lambda i, j: i == j,
        (Broadcast(places, shape, [last]), Broadcast(_iota(value.shape[axis], places.dtype), shape, [axis])),
        shape,
        jnp.bool_,
    )
    rest = iter(a for a in range(len(value.shape)) if a != axis)
    spread = broadcast(updates, shape, [last if a == batch else next(rest) for a in range(len(updates.shape))])
    # Several updates of one place are added up, as a scatter does it.
    total = Fold(combining(lax.add), masked(one_hot, spread, _nothing(value.dtype)), last, value.dtype)
    return Elementwise(lax.add, (value, total), value.shape, value.dtype)


def result_of(equation: JaxprEqn) -> ShapedArray:
    """Return shape and dtype of an equation's only result."""
    result = equation.outvars[0].aval
    assert isinstance(result, ShapedArray)
    return result


def _are_keys(value: LazyArray) -> bool:
    """Say whether a value is made of typed keys of random numbers, which cannot be added up."""
    return bool(jnp.issubdtype(value.dtype, jax.dtypes.extended))


def _is_too_large(table: LazyArray) -> bool:
    """Say whether the entries of a table are more than can be numbered by 32 bits."""
    return math.prod(table.shape) > np.iinfo(np.int32).max


def _strides(shape: tuple[int, ...]) -> list[int]:
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def _fill(dtype: Any) -> Any:
    """Return the result of a lookup outside the table, as in jax.lax.gather."""
    if jnp.issubdtype(dtype, jnp.inexact):
        return jnp.nan
    if jnp.issubdtype(dtype, jnp.bool_):
        return True
    limits = np.iinfo(dtype)
    return limits.min if jnp.issubdtype(dtype, jnp.signedinteger) else limits.max


def _iota(length: int, dtype: Any) -> LazyArray:
    return Known(jnp.arange(length, dtype=dtype), shared=True)


def _constant(number: Any, dtype: Any) -> LazyArray:
    return Known(jnp.asarray(number, dtype), shared=True)


def _nothing(dtype: Any) -> LazyArray:
    """Return the number that changes no other when it is added; 0.0 would change -0.0."""
    return _constant(-0.0 if jnp.issubdtype(dtype, jnp.inexact) else 0, dtype)


def _elementwise(function: Any, value: LazyArray, dtype: Any = None) -> LazyArray:
    """Apply a function place by place; before the value is repeated, where it is."""
    if isinstance(value, Broadcast):
        return Broadcast(_elementwise(function, value.value, dtype), value.shape, value.axes)
    return Elementwise(function, (value,), value.shape, value.dtype if dtype is None else dtype)


def _elementwise_pair(function: Any, one: LazyArray, other: LazyArray, shape: tuple[int, ...], dtype: Any) -> LazyArray:
    return Elementwise(function, (one, other), shape, dtype)
