"""The tiger problem: behind one of two doors is a tiger. Listen, at a price, or open a door.

Source: L. Kaelbling, M. Littman and A. Cassandra, Planning and Acting in Partially Observable Stochastic Domains,
Artificial Intelligence 101, 1998.
"""

import jax
import jax.numpy as jnp

import seriatim as st

LISTEN, OPEN_LEFT, OPEN_RIGHT = 0, 1, 2


@st.record
class Tiger:
    """State: the tiger's door, 0 or 1. Opening a door puts the tiger behind a random one: the problem begins again."""

    hearing: float = 0.85  # the chance that the growl is heard from the right door
    discount: float = 0.95
    num_agents = 1
    num_controls = 3

    def initial_state(self, key):
        return jax.random.randint(key, (), 0, 2)

    def control_mask(self, state):
        return jnp.ones((1, 3), bool)

    def sample_disturbance(self, key):
        return jax.random.uniform(key, (2,))

    def transition(self, state, control, disturbance):
        moved = jnp.where(control[0] == LISTEN, state, (disturbance[0] < 0.5).astype(state.dtype))
        return st.Transition(moved, self._cost(state, control), jnp.array(False))

    def observation(self, state, control, disturbance):
        right = disturbance[1] < jnp.where(control[0] == LISTEN, self.hearing, 0.5)
        return jnp.where(right, state, 1 - state)

    def observation_likelihood(self, observation, state, control):
        heard = jnp.where(observation == state, self.hearing, 1 - self.hearing)
        return jnp.where(control[0] == LISTEN, heard, 0.5)

    # What exact filters and solvers need beside: all states, all observations, all outcomes.

    def states(self):
        return jnp.arange(2)

    def index(self, state):
        return state

    def observations(self):
        return jnp.arange(2)

    def initial_distribution(self):
        return jnp.array([0.5, 0.5])

    def outcomes(self, state, control):
        probability = jnp.where(control[0] == LISTEN, jnp.eye(2)[state], 0.5)
        cost = jnp.broadcast_to(self._cost(state, control), 2)
        return st.Transition(jnp.arange(2), cost, jnp.zeros(2, bool)), probability

    def _cost(self, state, control):
        opened = jnp.where(control[0] - 1 == state, 100.0, -10.0)
        return jnp.where(control[0] == LISTEN, 1.0, opened)
