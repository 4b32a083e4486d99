"""Temperatures of relaxed choices: how near to a discrete choice, at the price of how large a derivative.

Schedules are not made here: those of optax are functions `step -> number` and serve as they are, as does every function
of one's own. What they may do and a temperature must not is reach zero.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Real

from seriatim._errors import InputError

Schedule = Callable[[Any], Any]


def temperature_schedule(schedule: Schedule, floor: float | int) -> Callable[[Any], Float[Array, ""]]:
    """Return `step -> max(schedule(step), floor)`: any schedule, kept from reaching zero.

    E. Jang, S. Gu and B. Poole (Categorical Reparameterization with Gumbel-Softmax, ICLR 2017) anneal by
    `max(0.5, exp(-r t))`, which is `temperature_schedule(optax.exponential_decay(1.0, 1, exp(-r)), floor=0.5)`.

    Args:
        schedule: from a number of steps, which may be traced, to a temperature.
        floor: the lowest temperature, above zero.

    Raises:
        InputError: `floor` is not a positive number, or `schedule` cannot be called.
    """
    if not callable(schedule):
        raise InputError(f"schedule={schedule!r} cannot be called; give a function from a step to a temperature.")
    lowest = as_temperature(floor, jnp.result_type(float), name="floor")
    return lambda step: jnp.maximum(jnp.asarray(schedule(step), lowest.dtype), lowest)


def as_temperature(temperature: Real[ArrayLike, ""], kind: Any, name: str = "temperature") -> Float[Array, ""]:
    """Return the temperature as a number of type `kind`.

    Raises:
        InputError: it is no number, or not a finite one above zero. Traced temperatures cannot be read: of these only
            the shape is checked.
    """
    if np.ndim(temperature) != 0:
        raise InputError(
            f"{name} has shape {np.shape(temperature)}; give one number, and map over several with jax.vmap."
        )
    if not isinstance(temperature, jax.core.Tracer) and not _is_positive(temperature, kind):
        raise InputError(
            f"{name}={temperature}: give a finite number above 0, such as 0.5; for choices at temperature 0 use "
            "gumbel_max."
        )
    return jnp.asarray(temperature, kind)


def _is_positive(temperature: Any, kind: Any) -> bool:
    try:
        value = float(np.asarray(temperature))
    except (TypeError, ValueError):
        return False
    return bool(np.finfo(kind).tiny <= value <= np.finfo(kind).max)
