"""`jax.jit` for functions whose arguments may hold more than arrays.

Models and policies arrive as records, plain objects or bare functions, often one inside another (a planner holds its
base policy). Array leaves are traced, so that new numbers do not compile again; every other leaf (a function, an
object that is no pytree, a string) is a compile-time constant, compared by equality.
"""

import functools
from collections.abc import Callable, Hashable
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

P = ParamSpec("P")
R = TypeVar("R")

_TRACED = (jax.Array, np.ndarray, np.generic, bool, int, float, complex)


def jit(function: Callable[P, R], *, static_argnames: tuple[str, ...] = ()) -> Callable[P, R]:
    """Compile `function`; leaves of its arguments that are not arrays or numbers become constants.

    Args:
        function: a pure function of pytrees.
        static_argnames: keyword arguments that are constants whatever they are (sizes, lengths).
    """

    @functools.partial(jax.jit, static_argnums=(1, 2, 3), inline=True)
    def compiled(traced: Any, constants: Any, structure: Any, options: Any) -> R:
        others = iter(constants)
        leaves = [next(others).value if t is None else t for t in traced]
        args, kwargs = jax.tree.unflatten(structure, leaves)
        return function(*args, **kwargs, **dict(options))

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        options = tuple((k, v) for k, v in sorted(kwargs.items()) if k in static_argnames)
        rest = {k: v for k, v in kwargs.items() if k not in static_argnames}
        leaves, structure = jax.tree.flatten((args, rest))
        traced = [leaf if isinstance(leaf, _TRACED) else None for leaf in leaves]
        constants = tuple([_Constant(leaf) for leaf, t in zip(leaves, traced, strict=True) if t is None])
        result: R = compiled(traced, constants, structure, options)
        return result

    return call


def unless_mapped(alone: Callable[P, R], together: Callable[P, R]) -> Callable[P, R]:
    """Make a function of pytrees that is `alone`, but `together` where `jax.vmap` maps it: two ways to one result.

    The mapping may happen long after the call, inside another trace. So every array is handed over as an argument, and
    none is kept.
    """

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        arrays, whole = split((args, kwargs))

        def apply(function: Callable[P, R], arrays: list[Any]) -> R:
            args, kwargs = whole([jnp.asarray(array) for array in arrays])
            return function(*args, **kwargs)

        one = jax.custom_batching.custom_vmap(functools.partial(apply, alone))

        @one.def_vmap
        def _(count: int, mapped: list[list[bool]], arrays: list[Any]) -> tuple[R, Any]:
            axes = [0 if is_mapped else None for is_mapped in mapped[0]]
            results = jax.vmap(functools.partial(apply, together), (axes,), axis_size=count)(arrays)
            return results, jax.tree.map(lambda _: True, results)

        result: R = one(arrays)
        return result

    return call


def split(tree: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """Return the array leaves of a tree, and a function that puts the tree together with others in their place."""
    leaves, structure = jax.tree.flatten(tree)
    is_array = [isinstance(leaf, (jax.Array, np.ndarray)) for leaf in leaves]

    def whole(arrays: list[Any]) -> Any:
        given = iter(arrays)
        parts = [next(given) if array else leaf for leaf, array in zip(leaves, is_array, strict=True)]
        return jax.tree.unflatten(structure, parts)

    return [leaf for leaf, array in zip(leaves, is_array, strict=True) if array], whole


class _Constant:
    """A value compared by equality where it can be hashed, by identity where it cannot."""

    __slots__ = ("_key", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self._key: Any = value if isinstance(value, Hashable) else id(value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Constant) and bool(self._key == other._key)

    def __hash__(self) -> int:
        return hash(self._key)
