"""Checks of arguments that users give: numbers within bounds, and functions. A wrong one is refused in one sentence.

A number that is still being traced cannot be read, so it passes.
"""

import inspect
import math
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from seriatim._errors import InputError
from seriatim._numbers import is_whole, real_number

# Stages, episodes, samples and the like are counted in 32 bits.
MOST = 2**31 - 1


def require_whole(
    name: str, value: Any, least: int = 1, most: int = MOST, *, what: str = "a whole number", advice: str = ""
) -> None:
    """Refuse a value that is no whole number from `least` to `most`; `what` describes it, `advice` ends the sentence.

    Raises:
        InputError: it is out of bounds or no whole number. True, False and 2.0 are refused too.
    """
    if not is_whole(value, least):
        raise InputError(f"{name}={value!r}: give {what} from {least} up{advice}.")
    if value > most:
        raise InputError(f"{name}={value:,}: give {what} from {least} to {most:,}{advice}.")


def require_real(
    name: str,
    value: Any,
    advice: str,
    *,
    least: float | int | None = None,
    above: float | int | None = None,
    most: float | int | None = None,
    below: float | int | None = None,
) -> None:
    """Refuse a value that is no real number within the bounds, or is NaN; `give {advice}` ends the sentence.

    Raises:
        InputError: it is another type, True or False, or out of bounds.
    """
    if isinstance(value, jax.core.Tracer):
        return
    number = real_number(value)
    if (
        number is None
        or number != number
        or (least is not None and number < least)
        or (above is not None and number <= above)
        or (most is not None and number > most)
        or (below is not None and number >= below)
    ):
        raise InputError(f"{name}={value!r}: give {advice}.")


def seconds_of(max_seconds: Any) -> float:
    """Return a limit of time in double precision, as clocks need it; None becomes infinity.

    Raises:
        InputError: it is no number of seconds from 0 up, nor None.
    """
    if max_seconds is None:
        return math.inf
    require_real("max_seconds", max_seconds, "a number of seconds from 0 up, or None for no limit", least=0)
    return float(max_seconds)


def as_numbers(name: str, given: Any) -> Float[np.ndarray, "..."]:
    """Return real numbers in double precision.

    Raises:
        InputError: they are no real numbers.
    """
    try:
        found = np.asarray(given)
        fits = found.dtype.kind in "iuf"
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise InputError(f"{name} is {given!r:.80}, which is no array of numbers; give one.")
    return found.astype(np.float64)


def require_callable(name: str, value: Any, form: str, arguments: int | None = None) -> None:
    """Refuse a value that cannot be called with this number of arguments; `form` describes the expected function.

    Raises:
        InputError: it is no function, or it takes another number of arguments.
    """
    if not callable(value) or isinstance(value, type):
        raise InputError(f"{name}={value!r} cannot be called; give {form}.")
    if arguments is None:
        return
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):  # functions written in C may have no signature
        return
    try:
        signature.bind(*range(arguments))
    except TypeError as error:
        raise InputError(f"{name} cannot be called with {arguments} arguments ({error}); give {form}.") from None
