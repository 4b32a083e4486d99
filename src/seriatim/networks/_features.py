"""Features: the numbers that networks are told of a state on behalf of each agent.

A policy classifier has one network that all agents share. It is told the *features* of the state as they concern one
agent, and names that agent's control. Whoever knows the problem names good features; where nobody did, the whole state
is told as it is, with the agent's number, which serves small problems.

Source: D. Bertsekas, Feature-Based Aggregation and Deep Reinforcement Learning, 2018, for the role of features.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from seriatim._record import record
from seriatim.model import DecentralisedModel, Disturbance, Key, Model, State, Transition


@record
class Featured:
    """A model whose agents are told features of the whole state, in place of what they see by themselves.

    Attributes:
        model: says what the features are: by `features(state, agent)`; else by `agent_observations(state)`; else they
            are all numbers of the state, and a one for the agent's own number.
    """

    model: Model

    @property
    def num_agents(self) -> int:
        """The number of agents, m."""
        return self.model.num_agents

    @property
    def num_controls(self) -> int:
        """The number of controls of one agent, c."""
        return self.model.num_controls

    @property
    def discount(self) -> float | Float[Array, ""]:
        """The discount factor of one stage."""
        return self.model.discount

    def initial_state(self, key: Key) -> State:
        """Draw the state an episode starts from."""
        return self.model.initial_state(key)

    def sample_disturbance(self, key: Key) -> Disturbance:
        """Draw `w`."""
        return self.model.sample_disturbance(key)

    def transition(self, state: State, control: Int[Array, " m"], disturbance: Disturbance) -> Transition:
        """Play one stage."""
        return self.model.transition(state, control, disturbance)

    def control_mask(self, state: State) -> Bool[Array, "m c"]:
        """Say which controls each agent may choose."""
        return self.model.control_mask(state)

    def agent_observations(self, state: State) -> Any:
        """Return the features of each agent: arrays `[m, k]`, or `seriatim.Features` with a leading axis `m`."""
        told = getattr(self.model, "features", None)
        if told is not None:
            return jax.vmap(told, (None, 0))(state, jnp.arange(self.num_agents))
        if isinstance(self.model, DecentralisedModel):
            return self.model.agent_observations(state)
        everything = jnp.concatenate([jnp.ravel(leaf).astype(float) for leaf in jax.tree.leaves(state)])
        m = self.num_agents
        return jnp.concatenate([jnp.broadcast_to(everything, (m, everything.size)), jnp.eye(m)], axis=1)
