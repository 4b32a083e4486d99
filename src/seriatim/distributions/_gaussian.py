"""The Gaussian as a function of its parameters and fixed noise: `mean + std * W`, W standard normal.

Source of the pathwise derivative: D. Kingma, M. Welling, Auto-Encoding Variational Bayes, ICLR 2014.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Real

from seriatim._errors import InputError
from seriatim._preconditions import require_key
from seriatim.distributions._arguments import as_floats, check_shapes, precise
from seriatim.model import Key


def gaussian(mean: Real[ArrayLike, "..."], std: Real[ArrayLike, "..."], key: Key) -> Float[Array, "..."]:
    """Draw `mean + std * W`, differentiable in both; one noise for every entry of their common, broadcast shape.

    Args:
        mean: in any unit.
        std: the standard deviation, in the unit of the mean, 0 or more. A traced one cannot be checked.
        key: decides the noise.

    Raises:
        InputError: a standard deviation is negative or not a number, or the shapes do not fit together.
    """
    require_key(key)
    centre, spread = as_floats("mean", mean), as_floats("std", std)
    _check_std(std, may_be_zero=True)
    shape = check_shapes(mean=centre.shape, std=spread.shape)
    kind = precise(centre, spread)
    drawn = centre.astype(kind) + spread.astype(kind) * jax.random.normal(key, shape, kind)
    return drawn.astype(jnp.result_type(centre, spread))


def gaussian_log_density(
    point: Real[ArrayLike, "..."], mean: Real[ArrayLike, "..."], std: Real[ArrayLike, "..."]
) -> Float[Array, "..."]:
    """Return `-((point - mean) / std)^2 / 2 - log(std) - log(2 pi) / 2`, entry by entry, in float32 at least.

    Sum over the entries of a vector for the density of a vector of independent entries. Unlike
    `jax.scipy.stats.norm.logpdf` this never squares the standard deviation, which may therefore be 1e-30.

    Raises:
        InputError: a standard deviation is not above zero, or the shapes do not fit together. A traced one cannot be
            checked.
    """
    names = ("point", "mean", "std")
    given = [as_floats(name, value) for name, value in zip(names, (point, mean, std), strict=True)]
    check_shapes(**{name: value.shape for name, value in zip(names, given, strict=True)})
    _check_std(std, may_be_zero=False)
    where, centre, spread = (value.astype(precise(*given)) for value in given)
    return -(((where - centre) / spread) ** 2) / 2 - jnp.log(spread) - math.log(2 * math.pi) / 2


def _check_std(std: Any, *, may_be_zero: bool) -> None:
    if isinstance(std, jax.core.Tracer):
        return
    lowest = np.min(np.asarray(std, float), initial=np.inf)
    if not (lowest > 0 or (may_be_zero and lowest == 0)):
        wanted = "numbers from 0 up" if may_be_zero else "numbers above 0"
        raise InputError(f"std={lowest:g} among the standard deviations: give {wanted}, such as jax.nn.softplus(raw).")
