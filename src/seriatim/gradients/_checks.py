"""Checks of the arguments of estimators. Values inside `jit` and `vmap` cannot be read and are not checked."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from seriatim._errors import InputError
from seriatim._numbers import is_whole


def check_parameters(parameters: Any, name: str = "parameters") -> None:
    """Refuse parameters that cannot have a gradient: integers, as logits that were written without a point."""
    for leaf in jax.tree.leaves(parameters):
        if not jnp.issubdtype(jnp.result_type(leaf), jnp.floating):
            raise InputError(
                f"{name} of dtype {jnp.result_type(leaf)} have no gradient; "
                "give floating point numbers, such as jnp.zeros((2, 3))."
            )


def check_logits(logits: Any) -> None:
    """Refuse logits that are no array of floats with a last axis of categories."""
    if not hasattr(logits, "shape") or not hasattr(logits, "dtype"):
        raise InputError(f"logits are a {type(logits).__name__}; give an array, such as jnp.zeros((2, 3)).")
    if not logits.shape or logits.shape[-1] == 0:
        raise InputError(f"logits of shape {logits.shape} have no categories; give at least one along the last axis.")
    check_parameters(logits)
    if not isinstance(logits, jax.core.Tracer) and not bool((np.asarray(logits, np.float64) < np.inf).all()):
        place = np.argwhere(~(np.asarray(logits, np.float64) < np.inf))[0].tolist()
        raise InputError(f"logits{place} is {logits[tuple(place)]}; give numbers below infinity, -inf for never.")


def check_mean_and_std(mean_and_std: Any) -> None:
    """Refuse parameters that are no pair of mean and standard deviation, and standard deviations below zero."""
    if not isinstance(mean_and_std, tuple | list) or len(mean_and_std) != 2:
        raise InputError(f"mean_and_std is a {type(mean_and_std).__name__}; give a pair (mean, std) of arrays.")
    check_parameters(mean_and_std)
    std = mean_and_std[1]
    if not isinstance(std, jax.core.Tracer) and not (np.asarray(std, np.float64) >= 0).all():
        raise InputError(f"std={std}: give numbers from 0 up, such as jax.nn.softplus(raw).")


def check_temperature(temperature: Any) -> None:
    """Refuse a temperature that is not one positive number."""
    if np.ndim(temperature) != 0:
        raise InputError(
            f"temperature has shape {np.shape(temperature)}; give one number, and map over several with jax.vmap."
        )
    if isinstance(temperature, jax.core.Tracer):
        return
    try:
        # NumPy's: JAX's own would be traced inside `jit`, and could not be read.
        fine = 0 < float(np.asarray(temperature)) < np.inf
    except (TypeError, ValueError):
        fine = False
    if not fine:
        raise InputError(
            f"temperature={temperature}: a relaxed choice needs a positive, finite one; 0.5 is a usual start."
        )


def check_count(name: str, count: Any, least: int, why: str) -> None:
    """Refuse a number of samples that is no whole number, or too small for the estimator."""
    if not is_whole(count, least):
        raise InputError(f"{name}={count!r}: {why}; give a whole number from {least} up.")
