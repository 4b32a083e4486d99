"""Arithmetic on single whole numbers while a program is written.

JAX would compile a program for each operation, 20 ms the first time. NumPy gives the same whole numbers and truth
values at once. Real numbers are left to JAX, since XLA takes the smallest of them for 0.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jax.extend.core import JaxprEqn

OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "and": np.bitwise_and,
    "eq": np.equal,
    "ge": np.greater_equal,
    "gt": np.greater,
    "le": np.less_equal,
    "lt": np.less,
    "max": np.maximum,
    "min": np.minimum,
    "mul": np.multiply,
    "ne": np.not_equal,
    "neg": np.negative,
    "not": np.invert,
    "or": np.bitwise_or,
    "sub": np.subtract,
    "xor": np.bitwise_xor,
}


def computed(equation: JaxprEqn, numbers: Sequence[Any]) -> np.ndarray | None:
    """Return the result of an operation on single numbers, or None if it is not one of those known here."""
    # Keys of random numbers are no arrays of NumPy, and real numbers are for JAX.
    if any(not isinstance(x, np.ndarray) or x.dtype.kind not in "biu" for x in numbers):
        return None
    name = equation.primitive.name
    if name == "convert_element_type":
        new = equation.params["new_dtype"]
        return np.asarray(numbers[0].astype(new)) if _is_plain(new) else None
    if name == "select_n" and numbers[0].dtype == bool:
        return np.asarray(np.where(numbers[0], numbers[2], numbers[1]))
    operation = OPERATIONS.get(name)
    if operation is None:
        return None
    # Whole numbers wrap around in XLA, without a warning.
    with np.errstate(over="ignore"):
        return np.asarray(operation(*numbers))


def _is_plain(dtype: Any) -> bool:
    """Say whether NumPy converts whole numbers to a type as XLA does."""
    return isinstance(dtype, np.dtype) and (dtype.kind in "biu" or dtype in (np.float32, np.float64))
