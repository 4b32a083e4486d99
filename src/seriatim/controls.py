"""Joint-control arithmetic: a team's controls `u = (u_1, ..., u_m)` as the digits of a number in base `c`.

The first agent is the most significant digit, so joint controls are ordered as a person would list them:
(0, 0), (0, 1), ..., (c-1, c-1).
"""

import itertools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int


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
    """Return the place of `control` in `joint_controls`."""
    m = control.shape[-1]
    radix = jnp.array([num_controls**power for power in range(m - 1, -1, -1)], control.dtype)
    return jnp.sum(control * jnp.broadcast_to(radix, control.shape), axis=-1, dtype=control.dtype)


def is_admissible(control: Int[Array, " m"], mask: Bool[Array, "m c"]) -> Bool[Array, ""]:
    """Say whether every agent's control exists and is allowed by `mask`."""
    c = mask.shape[1]
    exists = (control >= 0) & (control < c)
    allowed = jnp.take_along_axis(mask, jnp.clip(control, 0, c - 1)[:, None], axis=1)[:, 0]
    return jnp.all(exists & allowed)


def count_in_words(num_agents: int, num_controls: int) -> str:
    """Write c**m as a person reads it: `5**15 = 30,517,578,125`."""
    return f"{num_controls}**{num_agents} = {num_joint_controls(num_agents, num_controls):,}"
