"""Exact expectations: every outcome of every stage, weighed by its probability.

Q(x, u) = sum_k p_k (g_k + a V(x_k)),   V(x) = Q(x, policy(x)) up to the horizon, and the terminal cost there.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from seriatim import _optional
from seriatim._errors import InputError
from seriatim.model import Key, Model, State
from seriatim.policy import Policy
from seriatim.simulation._settings import Simulation, terminal

# Leaves of the tree of outcomes that may be enumerated for one joint control.
MAX_OUTCOMES = 2**20


def expected_costs(
    model: Model,
    policies: tuple[Policy, ...],
    simulation: Simulation,
    state: State,
    controls: Int[Array, "n m"],
    key: Key,
) -> Float[Array, "n 1"]:
    """Return the expected cost of each joint control at a state.

    Raises:
        InputError: the model has no `outcomes`, or there would be too many.
    """
    horizon = simulation.horizon or 1
    discount = jnp.asarray(model.discount, float)
    outcomes = _outcomes(model, state, controls[0], horizon)

    def q_factor(x: State, control: Int[Array, " m"], t: int) -> Float[Array, ""]:
        after, probability = outcomes(x, control)
        rest = jax.vmap(lambda y: cost_to_go(y, t + 1))(after.state)
        total = jnp.asarray(after.cost, float) + discount * jnp.where(after.done, 0.0, rest)
        return jnp.sum(jnp.where(probability > 0, probability * total, 0.0))

    def cost_to_go(x: State, t: int) -> Float[Array, ""]:
        if t >= horizon:
            return terminal(simulation, x)
        policy = policies[min(t, len(policies)) - 1]
        return q_factor(x, policy(x, key), t)

    return jax.vmap(lambda u: q_factor(state, u, 0))(controls)[:, None]


def _outcomes(model: Model, state: State, control: Int[Array, " m"], horizon: int) -> Any:
    method = _optional.outcomes(model)
    if method is None:
        raise InputError(
            f"expectation='exact' needs the outcomes of a control, but {type(model).__name__} has no method "
            "outcomes(state, control); add it, or use expectation='sampled'."
        )
    _, probability = jax.eval_shape(method, state, control)
    leaves = probability.shape[0] ** horizon
    if leaves > MAX_OUTCOMES:
        raise InputError(
            f"expectation='exact' would enumerate {probability.shape[0]}**{horizon} = {leaves:,} outcomes, more than "
            f"{MAX_OUTCOMES:,}; shorten the horizon and give a terminal_cost, or use expectation='sampled'."
        )
    return method
