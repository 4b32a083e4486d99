"""Numbering the combinations of several choices: a number with one digit for each."""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from seriatim._errors import InputError
from seriatim._record import record, static

MAX_COMBINATIONS = 2**20


@record
class MixedRadix:
    """The numbers `0 .. prod(sizes) - 1`; digit `i` is in `0 .. sizes[i] - 1`, the last one runs fastest.

    Raises:
        InputError: there are more than a million of them.
    """

    sizes: tuple[int, ...] = static()

    def __post_init__(self) -> None:
        count = math.prod(self.sizes)
        if count > MAX_COMBINATIONS:
            shown = f"{count:,}" if count < 10**18 else f"{count:.1e}"
            raise InputError(
                f"The model has {shown} states or outcomes, too many to enumerate (at most {MAX_COMBINATIONS:,}); "
                "make it smaller, or use sampling."
            )

    def digits(self) -> Int[np.ndarray, "n digits"]:
        """List the digits of all numbers."""
        every = np.unravel_index(np.arange(math.prod(self.sizes)), self.sizes)
        return np.stack(every, axis=1)

    def number(self, digits: Int[Array, " digits"]) -> Int[Array, ""]:
        """Return the number with these digits."""
        weights = np.concatenate([np.cumprod(self.sizes[:0:-1])[::-1], [1]])
        return jnp.sum(digits * jnp.asarray(weights, jnp.int32)).astype(jnp.int32)
