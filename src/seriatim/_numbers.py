"""Numbers, asked of users who may have no type checker."""

import math
import numbers
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Real

# Milliseconds: any real number, of Python, NumPy or JAX; None is no deadline.
Budget: TypeAlias = Real[ArrayLike, ""] | float | int | None


def is_whole(value: Any, least: int) -> bool:
    """Say whether a value is a whole number, NumPy's included, from `least` up; True and False are none."""
    return not isinstance(value, bool) and isinstance(value, numbers.Integral) and int(value) >= least


def fits(value: int) -> bool:
    """Say whether a whole number of Python can be one of JAX: it has 32 bits there, or 64 where that is configured."""
    limits = np.iinfo(jax.dtypes.canonicalize_dtype(int))
    return bool(limits.min <= value <= limits.max)


def real_number(value: Any) -> float | None:
    """Return a real number of Python, NumPy or JAX as a float, None where a value is none; True and False are none."""
    if isinstance(value, (np.ndarray, np.generic, jax.Array)):
        real = jnp.issubdtype(value.dtype, jnp.floating) or jnp.issubdtype(value.dtype, jnp.integer)
        return float(value) if real and value.ndim == 0 else None
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return None
    number: Any = value
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf
