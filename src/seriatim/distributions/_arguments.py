"""Arguments of all distributions: logits of any real type and shape, and the type in which they are computed."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from seriatim._errors import InputError


def as_logits(logits: Any) -> Float[Array, "*batch c"]:
    """Return logits as an array of floats; integers become the default float.

    Raises:
        InputError: there is no axis of categories, no category on it, or the numbers are not real.
    """
    given = as_floats("logits", logits)
    if given.ndim == 0 or given.shape[-1] == 0:
        raise InputError(f"logits of shape {given.shape} have no categories; give at least one along the last axis.")
    return given


def as_floats(name: str, values: Any) -> Float[Array, "..."]:
    """Return real numbers as an array of floats."""
    try:
        given = jnp.asarray(values)
    except (TypeError, ValueError):
        raise InputError(f"{name} are {type(values).__name__}, which is no array of numbers; give one.") from None
    if jnp.issubdtype(given.dtype, jax.dtypes.extended):
        raise InputError(f"{name} are random keys of shape {given.shape}; give numbers.")
    if jnp.issubdtype(given.dtype, jnp.complexfloating):
        raise InputError(f"{name} are {given.dtype} numbers; give real ones.")
    return given if jnp.issubdtype(given.dtype, jnp.floating) else given.astype(float)


def require_whole_numbers(name: str, values: Any) -> None:
    """Refuse an index that is no array of whole numbers: there is no category between two others.

    Raises:
        InputError: naming the type.
    """
    try:
        kind: Any = jnp.result_type(values if hasattr(values, "dtype") else np.asarray(values))
    except (TypeError, ValueError):
        kind = type(values).__name__
    if not (isinstance(kind, np.dtype) and jnp.issubdtype(kind, jnp.integer)):
        raise InputError(f"{name} is of type {kind}; give whole numbers, the numbers of categories.")


def check_shapes(**shapes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape that shapes broadcast to.

    Raises:
        InputError: they do not.
    """
    try:
        return jnp.broadcast_shapes(*shapes.values())
    except ValueError:
        seen = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise InputError(f"shapes do not fit together: {seen}; give shapes that broadcast, as NumPy has it.") from None


def precise(*values: Float[Array, "..."]) -> Any:
    """Return the type to compute in: float64 if one of the values is, float32 otherwise.

    A bfloat16 has only 8 bits of precision: sums of logits and noise would often tie, always for the first category.
    """
    return jnp.float64 if any(value.dtype == jnp.float64 for value in values) else jnp.float32
