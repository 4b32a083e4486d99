"""Policies as arrays: the control at every state."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from seriatim._compile import jit
from seriatim._errors import InputError
from seriatim.exact._rows import Source
from seriatim.exact._sources import ModelSource
from seriatim.model import Key, State
from seriatim.policy import Policy

# States at which a policy decides side by side; more are taken in turns, which bounds the memory.
STATES_AT_ONCE = 256


def policy_control(found: Source, policy: Any) -> Int[np.ndarray, "s m"]:
    """Return a policy's control at each state: an array of controls as it stands, or the policy called at all states.

    A policy is called with one fixed key, `jax.random.key(0)`, at all states: a randomised policy is evaluated as
    the deterministic one that this key makes of it.
    """
    s, m, c = found.num_states, found.num_agents, found.num_controls
    control = np.asarray(_decided(found, policy) if callable(policy) else policy)
    if control.shape != (s, m) or control.dtype.kind not in "iu":
        raise InputError(
            f"The policy's controls are {control.dtype}{list(control.shape)}; whole numbers [{s}, {m}] are expected, "
            "one for each state and agent."
        )
    odd = np.argwhere((control < 0) | (control >= c))
    if odd.size:
        x, i = odd[0]
        raise InputError(f"The control of agent {i} at state {x} is {control[x, i]}; one of 0..{c - 1} is expected.")
    return control.astype(np.int32)


def _decided(found: Source, policy: Policy) -> Int[Array, "s m"]:
    if not isinstance(found, ModelSource):
        raise InputError(
            f"{type(policy).__name__} cannot be called on tables, which have no states; give an array of controls "
            f"[{found.num_states}, {found.num_agents}]."
        )
    return _everywhere(policy, found.states, jax.random.key(0))


def _called(policy: Policy, states: State, key: Key) -> Int[Array, "s m"]:
    return jnp.asarray(jax.lax.map(lambda x: policy(x, key), states, batch_size=STATES_AT_ONCE))


_everywhere = jit(_called)
