"""Joint-control arithmetic: a team's controls `u = (u_1, ..., u_m)` as the digits of a number in base `c`.

The first agent is the most significant digit, so joint controls are ordered as a person would list them:
(0, 0), (0, 1), ..., (c-1, c-1).
"""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from seriatim._errors import InputError

__all__ = ["is_admissible", "joint_controls", "joint_index"]


def num_joint_controls(num_agents: int, num_controls: int) -> int:
    """Return c**m, as a Python integer of any size."""
    count: int = int(num_controls) ** int(num_agents)
    return count


def joint_controls(num_agents: int, num_controls: int) -> Int[np.ndarray, "c_to_the_m m"]:
    """List all c**m joint controls, shape `[c**m, m]`.

    >>> joint_controls(2, 2).tolist()
    [[0, 0], [0, 1], [1, 0], [1, 1]]
    """
    every = itertools.product(range(num_controls), repeat=num_agents)
    return np.array(list(every), dtype=np.int32).reshape(-1, num_agents)


def joint_index(control: Int[Array, "*batch m"], num_controls: int) -> Int[Array, "*batch"]:
    """Return the place of `control` in `joint_controls`; its type is that of `control`, or wider where need be.

    Raises:
        InputError: the numbers of joint controls do not fit into the widest type.
    """
    return radix_number(control, (num_controls,) * control.shape[-1])


def radix_number(digits: Int[Array, "*batch m"], sizes: tuple[int, ...]) -> Int[Array, "*batch"]:
    """Return the number with these digits, of which there are `sizes`, the last running fastest.

    Raises:
        InputError: the numbers do not fit into the widest type.
    """
    kind = _wide_enough(digits.dtype, math.prod(sizes))
    weights = jnp.array([math.prod(sizes[i + 1 :]) for i in range(len(sizes))], kind)
    wide = digits.astype(kind)
    return jnp.sum(wide * jnp.broadcast_to(weights, wide.shape), axis=-1, dtype=kind)


def _wide_enough(dtype: jnp.dtype, count: int) -> jnp.dtype:
    """Return a type that holds `count` numbers from 0: the given one if it does."""
    widest = jax.dtypes.canonicalize_dtype(np.int64)
    for kind in (dtype, np.dtype(np.int32), widest):
        if count - 1 <= np.iinfo(kind).max:
            return kind
    raise InputError(
        f"There are {count:,} combinations of controls or observations, and numbers of {8 * widest.itemsize} bits hold "
        f"{np.iinfo(widest).max:,}; give fewer agents or choices."
    )


def is_admissible(control: Int[Array, " m"], mask: Bool[Array, "m c"]) -> Bool[Array, ""]:
    """Say whether every agent's control exists and is allowed by `mask`."""
    c = mask.shape[1]
    exists = (control >= 0) & (control < c)
    allowed = jnp.take_along_axis(mask, jnp.clip(control, 0, c - 1)[:, None], axis=1)[:, 0]
    return jnp.all(exists & allowed)


def count_in_words(num_agents: int, num_controls: int) -> str:
    """Write c**m as a person reads it: `5**15 = 30,517,578,125`."""
    return f"{num_controls}**{num_agents} = {num_joint_controls(num_agents, num_controls):,}"
