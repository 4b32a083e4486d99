"""Checks of arguments, and the warning of an iteration that stopped early."""

import math
import operator
import time
import warnings
from typing import Any

import numpy as np
from jaxtyping import Float

from seriatim._errors import InputError
from seriatim._numbers import real_number
from seriatim.exact._rows import Source


class NotConverged(UserWarning):
    """An iteration stopped before it met its tolerance; the message states the bound it did meet."""


def warn_not_converged(method: str, iterations: int, reached: str) -> None:
    """Say loudly that `method` stopped early, and what holds of its result."""
    warnings.warn(
        f"{method} stopped after {iterations} iterations, before it converged: {reached}. Raise max_iterations, "
        "max_seconds or tolerance.",
        NotConverged,
        stacklevel=3,
    )


def latest_of(max_seconds: float | int | None) -> float:
    """Return the time on the monotonic clock after which nothing more is begun; infinity without a limit.

    Raises:
        InputError: the limit is no number from 0 up.
    """
    if max_seconds is None:
        return math.inf
    number = real_number(max_seconds)
    if number is None or not number >= 0:
        raise InputError(f"max_seconds={max_seconds!r}: give a number from 0 up, or None for no limit.")
    return time.monotonic() + number


def check_limits(tolerance: float, max_iterations: int) -> None:
    """Refuse a tolerance that is not positive and a limit that is no positive whole number."""
    if not (np.isfinite(tolerance) and tolerance > 0):
        raise InputError(f"tolerance={tolerance}: give a positive number, in the units of the stage cost.")
    check_iterations(max_iterations)


def check_iterations(max_iterations: int) -> None:
    """Refuse a limit that is no positive whole number."""
    try:
        positive = operator.index(max_iterations) >= 1
    except TypeError:
        positive = False
    if not positive:
        raise InputError(f"max_iterations={max_iterations}: give a whole number from 1 up.")


def check_cost_to_go(found: Source, cost_to_go: Any) -> Float[np.ndarray, " s"]:
    """Return a cost-to-go as numbers in double precision, one a state."""
    values = np.asarray(cost_to_go, np.float64)
    if values.shape != (found.num_states,):
        raise InputError(f"cost_to_go has shape {values.shape}; one number a state, ({found.num_states},), is needed.")
    if np.isnan(values).any() or (values == -np.inf).any():
        raise InputError(f"cost_to_go of state {np.argmax(~(values > -np.inf))} is not a number above -inf.")
    return values


def team_order(order: tuple[int, ...] | None, num_agents: int) -> tuple[int, ...]:
    """Return the agents in their turn, 0, 1, ... by default."""
    if order is None:
        return tuple(range(num_agents))
    if sorted(order) != list(range(num_agents)):
        raise InputError(f"order={order!r} is no order of {num_agents} agents; give each of 0..{num_agents - 1} once.")
    return tuple(order)
