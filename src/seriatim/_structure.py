"""Comparing pytrees of arrays by structure, shape and dtype, leaf by leaf, in words."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from seriatim._errors import InputError, in_one_line
from seriatim._numbers import fits


def shapes(tree: Any) -> Any:
    """Replace every leaf by its shape and dtype."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.result_type(leaf)), tree)


def require_arrays(what: str, tree: Any) -> None:
    """Refuse leaves that are no arrays, and numbers that no array can hold.

    Raises:
        InputError: naming the first such leaf.
    """
    try:
        leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    except (TypeError, ValueError) as error:  # the names in a dictionary cannot be sorted
        raise InputError(f"{what} is no pytree of arrays: {in_one_line(error)}.") from error
    for path, leaf in leaves:
        if isinstance(leaf, int) and not fits(leaf):
            raise InputError(
                f"{what + jax.tree_util.keystr(path)} is {leaf}, a whole number too large for JAX "
                f"({8 * jax.dtypes.canonicalize_dtype(int).itemsize} bits); give a float."
            )
        if not isinstance(leaf, (jax.Array, jax.ShapeDtypeStruct, np.ndarray, np.generic, bool, int, float, complex)):
            place = what + jax.tree_util.keystr(path)
            kind = type(leaf).__name__
            raise InputError(f"{place} is {leaf!r} of type {kind}; a pytree of arrays is expected.")


def require_same(what: str, seen: Any, expected: Any, reason: str) -> None:
    """Refuse a tree that differs from the expected one in structure, shape or dtype.

    Raises:
        InputError: naming the first such leaf.
    """
    if str(jax.tree.structure(seen)) != str(jax.tree.structure(expected)):
        raise InputError(
            f"{what} has the structure {jax.tree.structure(seen)}, where {jax.tree.structure(expected)} is expected: "
            f"{reason}."
        )
    pairs = zip(jax.tree_util.tree_flatten_with_path(seen)[0], jax.tree.leaves(expected), strict=True)
    for (path, leaf), other in pairs:
        if (leaf.shape, leaf.dtype) != (other.shape, other.dtype):
            raise InputError(
                f"{what}{jax.tree_util.keystr(path)} is {in_words(leaf)}, where {in_words(other)} is expected: "
                f"{reason}."
            )


def in_words(leaf: Any) -> str:
    """Write a shape and dtype as `int32[3, 2]`."""
    return f"{leaf.dtype}[{', '.join(map(str, leaf.shape))}]"
