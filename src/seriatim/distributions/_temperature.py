"""Temperatures of relaxed choices: a low one is close to a discrete choice, but has large derivatives.

This module makes no schedules: those of optax are functions `step -> number` and can be used directly, as can any other
function. Such functions may reach zero, which a temperature must not.
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
    """Return `step -> max(schedule(step), floor)`, so that no schedule reaches zero.

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


def as_temperature(
    temperature: Real[ArrayLike, "..."], kind: Any, batch: tuple[int, ...] = (), name: str = "temperature"
) -> Float[Array, "..."]:
    """Return one temperature, or one for each row of a batch, as numbers of type `kind`.

    Args:
        temperature: of a shape that broadcasts to `batch`.
        kind: a floating type.
        batch: how many rows there are, along each axis.
        name: for messages.

    Raises:
        InputError: it is not a finite number above zero, or its shape does not broadcast to `batch`. Traced
            temperatures cannot be read, so only their shape is checked.
    """
    if not _broadcasts(np.shape(temperature), batch):
        several = f", or one for each row, of a shape that broadcasts to {batch}" if batch else ""
        raise InputError(
            f"{name} has shape {np.shape(temperature)}; give one number{several}; map over several with jax.vmap."
        )
    if not isinstance(temperature, jax.core.Tracer) and not _is_positive(temperature, kind):
        raise InputError(
            f"{name}={temperature}: give a finite number above 0, such as 0.5; for choices at temperature 0 use "
            "gumbel_max."
        )
    return jnp.asarray(temperature, kind)


def for_categories(temperature: Float[Array, "..."]) -> Float[Array, "..."]:
    """Add an axis of categories to the temperatures of rows; a single number stays as it is."""
    return temperature[..., None] if temperature.ndim else temperature


def _broadcasts(shape: tuple[int, ...], batch: tuple[int, ...]) -> bool:
    """Say whether arrays of a shape broadcast to the batch without making it larger."""
    short = len(batch) - len(shape)
    return short >= 0 and all(one in (1, many) for one, many in zip(shape, batch[short:], strict=True))


def _is_positive(temperature: Any, kind: Any) -> bool:
    try:
        values = np.asarray(temperature, np.float64)
    except (TypeError, ValueError):
        return False
    return bool(((np.finfo(kind).tiny <= values) & (values <= np.finfo(kind).max)).all())
