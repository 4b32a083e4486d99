"""Small models whose agents see something, and the exact expected cost of a policy of theirs."""

from typing import Any

import jax
import jax.numpy as jnp

import seriatim as st
from seriatim.controls import joint_controls
from seriatim.networks._decentralised import DecentralisedPolicy


@st.record
class Watched:
    """A finite model in which each agent sees some bits of the number of the state, and who it is."""

    model: Any
    seen: Any  # [s, m, k]

    num_agents = property(lambda self: self.model.num_agents)
    num_controls = property(lambda self: self.model.num_controls)
    discount = property(lambda self: self.model.discount)

    def initial_state(self, key):
        return self.model.initial_state(key)

    def control_mask(self, state):
        return self.model.control_mask(state)

    def sample_disturbance(self, key):
        return self.model.sample_disturbance(key)

    def transition(self, state, control, disturbance):
        return self.model.transition(state, control, disturbance)

    def states(self):
        return self.model.states()

    def index(self, state):
        return self.model.index(state)

    def outcomes(self, state, control):
        return self.model.outcomes(state, control)

    def base_policy(self):
        return self.model.base_policy()

    def agent_observations(self, state):
        return self.seen[state]


def watched(seed=0, states=6, agents=2, controls=3, masked=0.2):
    """A random team whose agents see little: agent i sees bit i of the state's number, and a constant of its own."""
    model = st.problems.random_team(
        seed, states=states, agents=agents, controls=controls, discount=0.9, termination=0.15
    )
    bits = (jnp.arange(states)[:, None] >> jnp.arange(agents)) & 1
    own = jnp.broadcast_to(jnp.eye(agents), (states, agents, agents))
    return Watched(model, jnp.concatenate([bits[..., None].astype(float), own], axis=-1))


def expected_cost(policy: DecentralisedPolicy, horizon: int):
    """J by dynamic programming over all states, controls and outcomes: a differentiable function of the parameters."""
    model: Any = policy.model
    controls = jnp.asarray(joint_controls(model.num_agents, model.num_controls))
    states = model.states()

    def chances(state):
        log_p = jax.nn.log_softmax(policy.logits(state, policy.blank())[0])
        return jnp.exp(jnp.sum(log_p[jnp.arange(model.num_agents), controls], axis=1))

    def backup(to_go, state):
        def of_control(control):
            after, probability = model.outcomes(state, control)
            follows = jnp.where(after.done, 0.0, to_go[jax.vmap(model.index)(after.state)])
            return probability @ (after.cost + model.discount * follows)

        each = jax.vmap(of_control)(controls)
        return jnp.sum(jnp.where(chances(state) > 0, chances(state) * each, 0.0))

    def stage(to_go, _):
        return jax.vmap(lambda state: backup(to_go, state))(states), None

    return jnp.mean(jax.lax.scan(stage, jnp.zeros(len(states)), length=horizon)[0])
