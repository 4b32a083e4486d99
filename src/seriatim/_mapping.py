"""Functions with two ways to one result: one for a single state, one for many that `jax.vmap` maps.

JAX has `custom_vmap` for this, which traces the way for a single state even where it is mapped, and throws it away. In
a program that evaluates a planner three of five simulations were traced for nothing. So this is a primitive of its own:
the shapes of its results are given, and the way for a single state is traced when a program needs it, while that is
lowered. What a model raises then comes from there.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

P = ParamSpec("P")
R = TypeVar("R")
# What a way is given, and what it returns: arrays, flat.
Arrays = Sequence[Any]

_two_ways = Primitive("two_ways")
_two_ways.multiple_results = True


def two_ways(
    alone: Callable[[Arrays], Any],
    mapped: Callable[[int, list[bool], Arrays], Any],
    arrays: Arrays,
    like: Any,
) -> Any:
    """Return `alone(arrays)`; where `jax.vmap` maps it, `mapped(count, which, arrays)`.

    The mapping may happen long after the call, inside another trace. So every array is handed over, and neither way may
    keep one.

    Args:
        alone: from arrays to a pytree of arrays.
        mapped: from the number mapped over, which arrays are mapped, along their first axes, and the arrays, to the
            same pytree with a first axis more.
        arrays: of one state.
        like: a pytree like the result, for its shapes and types.
    """
    leaves, structure = jax.tree.flatten(like)
    shapes = tuple([jax.ShapeDtypeStruct(np.shape(leaf), jnp.result_type(leaf)) for leaf in leaves])
    stops_at_nan = jax.debug_nans.value
    found = _two_ways.bind(
        *arrays,
        alone=functools.partial(_as_called, alone, shapes, stops_at_nan),
        mapped=functools.partial(_mapped_as_called, mapped, shapes, stops_at_nan),
        shapes=shapes,
    )
    return jax.tree.unflatten(structure, found)


def _as_called(alone: Callable[[Arrays], Any], shapes: Any, stops_at_nan: bool, *arrays: Any) -> list[Any]:
    """Trace under the flags of the call, whatever holds when the program is lowered."""
    with jax.debug_nans(stops_at_nan):
        return _typed(alone(arrays), shapes)


def _mapped_as_called(
    mapped: Callable[[int, list[bool], Arrays], Any],
    shapes: Any,
    stops_at_nan: bool,
    count: int,
    which: list[bool],
    arrays: Arrays,
) -> list[Any]:
    with jax.debug_nans(stops_at_nan):
        return _typed(mapped(count, which, arrays), shapes)


def _typed(found: Any, shapes: Any) -> list[Any]:
    return [jnp.asarray(leaf, shape.dtype) for leaf, shape in zip(jax.tree.leaves(found), shapes, strict=True)]


def _batched(arrays: Arrays, axes: Sequence[Any], *, alone: Any, mapped: Any, shapes: Any) -> tuple[Any, Any]:
    del alone
    which = [axis is not None for axis in axes]
    count = next(np.shape(x)[axis] for x, axis, here in zip(arrays, axes, which, strict=True) if here)
    first = [jnp.moveaxis(x, axis, 0) if here else x for x, axis, here in zip(arrays, axes, which, strict=True)]
    return mapped(count, which, first), [0] * len(shapes)


def _differentiated(primals: Arrays, tangents: Arrays, *, alone: Any, mapped: Any, shapes: Any) -> tuple[Any, Any]:
    del mapped, shapes
    return jax.jvp(lambda *arrays: alone(*arrays), tuple(primals), tuple(map(ad.instantiate_zeros, tangents)))


_two_ways.def_impl(lambda *arrays, alone, mapped, shapes: jax.jit(alone)(*arrays))  # noqa: ARG005
_two_ways.def_abstract_eval(lambda *_, alone, mapped, shapes: [_aval(shape) for shape in shapes])  # noqa: ARG005
batching.primitive_batchers[_two_ways] = _batched
ad.primitive_jvps[_two_ways] = _differentiated
mlir.register_lowering(
    _two_ways,
    mlir.lower_fun(lambda *arrays, alone, mapped, shapes: alone(*arrays), multiple_results=True),  # noqa: ARG005
)


def _aval(shape: jax.ShapeDtypeStruct) -> Any:
    return jax.core.ShapedArray(shape.shape, shape.dtype)


def unless_mapped(alone: Callable[P, R], together: Callable[P, R], like: Callable[..., Any]) -> Callable[P, R]:
    """Make a function of pytrees that is `alone`, but `together` where `jax.vmap` maps it: two ways to one result.

    Args:
        alone: serves one state.
        together: serves one state too, and is mapped.
        like: says of the same arguments what the result is like, for its shapes and types.
    """

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        arrays, whole = split((args, kwargs))

        def apply(function: Callable[P, R], arrays: Arrays) -> R:
            args, kwargs = whole([jnp.asarray(array) for array in arrays])
            return function(*args, **kwargs)

        def mapped(count: int, which: list[bool], arrays: Arrays) -> R:
            axes = [0 if here else None for here in which]
            found: R = jax.vmap(functools.partial(apply, together), (axes,), axis_size=count)(list(arrays))
            return found

        result: R = two_ways(functools.partial(apply, alone), mapped, arrays, like(*args, **kwargs))
        return result

    return call


def split(tree: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """Return the array leaves of a tree, and a function that puts the tree together with others in their place."""
    leaves, structure = jax.tree.flatten(tree)
    is_array = [isinstance(leaf, (jax.Array, np.ndarray)) for leaf in leaves]
    # Without the arrays, which may belong to a trace: what keeps the function must not keep them.
    others = [None if array else leaf for leaf, array in zip(leaves, is_array, strict=True)]

    def whole(arrays: list[Any]) -> Any:
        given = iter(arrays)
        parts = [next(given) if array else other for other, array in zip(others, is_array, strict=True)]
        return jax.tree.unflatten(structure, parts)

    return [leaf for leaf, array in zip(leaves, is_array, strict=True) if array], whole
