"""Checks of what estimators are given. Values inside `jit` and `vmap` cannot be read and are not checked."""

import operator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from seriatim._errors import InputError


def check_parameters(parameters: Any) -> None:
    """Refuse parameters that cannot have a gradient: integers, as logits that were written without a point."""
    for leaf in jax.tree.leaves(parameters):
        if not jnp.issubdtype(jnp.result_type(leaf), jnp.floating):
            raise InputError(
                f"parameters of dtype {jnp.result_type(leaf)} have no gradient; "
                "give floating point numbers, such as jnp.zeros((2, 3))."
            )


def check_temperature(temperature: Any) -> None:
    """Refuse a temperature that is not a positive number."""
    if isinstance(temperature, jax.core.Tracer):
        return
    # NumPy's: JAX's own would be traced inside `jit`, and could not be read.
    given = np.asarray(temperature, np.float64)
    if not (np.isfinite(given) & (given > 0)).all():
        raise InputError(
            f"temperature={temperature}: a relaxed choice needs a positive, finite one; 0.5 is a usual start."
        )


def check_count(name: str, count: Any, least: int, why: str) -> None:
    """Refuse a number of samples that is no whole number, or too small for the estimator."""
    try:
        enough = operator.index(count) >= least
    except TypeError:
        enough = False
    if not enough:
        raise InputError(f"{name}={count}: {why}; give a whole number from {least} up.")
