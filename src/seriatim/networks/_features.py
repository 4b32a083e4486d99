"""Features: the numbers that networks are told of a state on behalf of each agent.

A policy classifier has one network that all agents share. It is told the *features* of the state as they concern one
agent, and names that agent's control. Whoever knows the problem names good features; where nobody did, the whole state
is told as it is, with the agent's number, which serves small problems.

Source: D. Bertsekas, Feature-Based Aggregation and Deep Reinforcement Learning, 2018, for the role of features.
"""

from typing import Any

import jax
import jax.numpy as jnp

from seriatim import _optional
from seriatim._preconditions import require_model
from seriatim._record import record
from seriatim._wrapped_model import WrappedModel, passed_on
from seriatim.model import Model, State


@record
class Featured(WrappedModel):
    """A model whose agents are told features of the whole state, in place of what they see by themselves.

    Attributes:
        model: says what the features are: by `features(state, agent)`; else by `agent_observations(state)`; else they
            are all numbers of the state, and a one for the agent's own number.

    Raises:
        InputError: the model cannot work.
    """

    model: Model

    lanes_last = passed_on()
    initial_state = passed_on()
    control_mask = passed_on()
    transition = passed_on()
    feasible = passed_on()
    nominal_disturbance = passed_on()
    base_policy = passed_on()

    def __post_init__(self) -> None:
        require_model(self.model, starts=True)

    def agent_observations(self, state: State) -> Any:
        """Return the features of each agent: arrays `[m, k]`, or `seriatim.Features` with a leading axis `m`."""
        told, seen = _optional.features(self.model), _optional.agent_observations(self.model)
        if told is not None:
            return jax.vmap(told, (None, 0))(state, jnp.arange(self.num_agents))
        if seen is not None:
            return seen(state)
        everything = jnp.concatenate([jnp.ravel(leaf).astype(float) for leaf in jax.tree.leaves(state)])
        m = self.num_agents
        return jnp.concatenate([jnp.broadcast_to(everything, (m, everything.size)), jnp.eye(m)], axis=1)
