"""A model of your own: fire engines and a row of burning houses. Try

seriatim check examples/fire_brigade.py:FireBrigade
seriatim compare examples/fire_brigade.py:FireBrigade --set engines=3
"""

import jax
import jax.numpy as jnp

import seriatim as st


@st.record
class WorstFire:
    """The heuristic: every engine drives to the house that burns worst. All of them to the same one."""

    engines: int = st.static()

    def __call__(self, fire, key):
        return jnp.full(self.engines, jnp.argmax(fire))


@st.record
class FireBrigade:
    """Each stage every engine drives to one house. Fires have levels 0 to 3, and spread to neighbours left alone."""

    engines: int = st.static(default=4)
    houses: int = st.static(default=8)
    spread: float = 0.4  # chance that a burning neighbour raises a house's level
    discount: float = 0.95

    @property
    def num_agents(self):
        return self.engines

    @property
    def num_controls(self):
        return self.houses

    def initial_state(self, key):
        return jax.random.randint(key, (self.houses,), 0, 4)

    def control_mask(self, fire):
        return jnp.ones((self.engines, self.houses), bool)

    def sample_disturbance(self, key):  # luck, drawn before anyone knows where the engines will be
        return jax.random.uniform(key, (2, self.houses))

    def transition(self, fire, control, luck):
        crews = jnp.zeros(self.houses, int).at[control].add(1)
        burning = jnp.pad(fire > 0, 1)
        catches = (burning[:-2] | burning[2:]) & (luck[0] < self.spread) & (crews == 0)
        dies_down = jnp.where(luck[1] < 0.8, crews, 0)
        after = jnp.clip(fire + catches - dies_down, 0, 3)
        return st.Transition(after, cost=jnp.sum(fire), done=jnp.all(after == 0))

    def base_policy(self):
        return WorstFire(self.engines)
