"""Probabilities that users give."""

from typing import Any

import numpy as np
from jaxtyping import Float

from seriatim._errors import InputError

# Single-precision probabilities that sum further than this from one are mistakes, not rounding.
ROUNDING = 1e-4


def probabilities(given: Any, count: int, what: str = "The belief", of: str = "") -> Float[np.ndarray, " s"]:
    """Return a distribution of so many states, as it was given, in double precision.

    Raises:
        InputError: it has another shape, or these are no probabilities that sum to one.
    """
    try:
        found = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        raise InputError(
            f"{what} is {given!r}; {count} probabilities that sum to 1 are expected, one for each state{of}."
        ) from None
    if found.shape != (count,) or not is_distribution(found):
        seen = f"has shape {found.shape} and sum {found.sum():.6g}, its least entry is {found.min(initial=np.inf):.6g}"
        raise InputError(f"{what} {seen}; {count} probabilities that sum to 1 are expected, one for each state{of}.")
    return found


def is_distribution(given: Float[np.ndarray, "... s"]) -> bool:
    """Say whether all rows are distributions; NaN is no probability."""
    return bool((given >= 0).all() and (abs(given.sum(axis=-1) - 1) <= ROUNDING).all())
