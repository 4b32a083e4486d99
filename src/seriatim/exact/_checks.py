"""Checks of arguments, and the warning of an iteration that stopped early."""

import time
import warnings
from typing import Any

import numpy as np
from jaxtyping import Float

from seriatim._arguments import as_numbers, require_real, require_whole, seconds_of
from seriatim._errors import InputError
from seriatim.exact._rows import Source


class NotConverged(UserWarning):
    """An iteration stopped before it met its tolerance; the message states the bound it did meet."""


def warn_not_converged(method: str, iterations: int, reached: str) -> None:
    """Warn that `method` stopped early, and say what its result still guarantees."""
    warnings.warn(
        f"{method} stopped after {iterations} iterations, before it converged: {reached}. Raise max_iterations, "
        "max_seconds or tolerance.",
        NotConverged,
        stacklevel=3,
    )


def latest_of(max_seconds: float | int | None) -> float:
    """Return the time on the monotonic clock after which nothing more is begun; infinity without a limit.

    Raises:
        InputError: the limit is no number of seconds from 0 up.
    """
    return time.monotonic() + seconds_of(max_seconds)


def check_limits(tolerance: float, max_iterations: int) -> None:
    """Refuse a tolerance that is not positive and a limit that is no positive whole number."""
    advice = "a positive number, in the units of the stage cost"
    require_real("tolerance", tolerance, advice, above=0, below=np.inf)
    check_iterations(max_iterations)


def check_iterations(max_iterations: int) -> None:
    """Refuse a limit that is no positive whole number."""
    require_whole("max_iterations", max_iterations)


def check_cost_to_go(found: Source, cost_to_go: Any) -> Float[np.ndarray, " s"]:
    """Return a cost-to-go as numbers in double precision, one a state."""
    values = as_numbers("cost_to_go", cost_to_go)
    if values.shape != (found.num_states,):
        raise InputError(f"cost_to_go has shape {values.shape}; one number a state, ({found.num_states},), is needed.")
    if np.isnan(values).any() or (values == -np.inf).any():
        raise InputError(f"cost_to_go of state {np.argmax(~(values > -np.inf))} is not a number above -inf.")
    return values


def _is_order(order: Any, num_agents: int) -> bool:
    try:
        return sorted(order) == list(range(num_agents)) and not any(isinstance(agent, bool) for agent in order)
    except TypeError:
        return False


def team_order(order: tuple[int, ...] | None, num_agents: int) -> tuple[int, ...]:
    """Return the agents in their turn, 0, 1, ... by default."""
    if order is None:
        return tuple(range(num_agents))
    if not _is_order(order, num_agents):
        raise InputError(f"order={order!r} is no order of {num_agents} agents; give each of 0..{num_agents - 1} once.")
    return tuple(order)
