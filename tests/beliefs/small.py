"""Small observed problems by tables, and plain programs that say what is true of them."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

import seriatim as st


@st.record
class Small:
    """A finite observed model by dense tables.

    `transitions` [a, s, s] are the chances that the problem goes on in a state, `seen` [a, s, o] those of observations,
    `costs` [s, a]. What a row lacks of one is the chance of the end.
    """

    transitions: jax.Array
    seen: jax.Array
    costs: jax.Array
    prior: jax.Array
    discount: float
    num_agents: int = st.static(default=1)
    num_controls: int = st.static(default=2)

    def initial_state(self, key):
        return jax.random.categorical(key, jnp.log(self.prior)).astype(jnp.int32)

    def control_mask(self, state):
        return jnp.ones((self.num_agents, self.num_controls), bool)

    def sample_disturbance(self, key):
        return jax.random.uniform(key, (2,))

    def transition(self, state, control, disturbance):
        after, probability = self.outcomes(state, control)
        k = jnp.minimum(jnp.sum(jnp.cumsum(probability) <= disturbance[0]), probability.shape[0] - 1)
        return jax.tree.map(lambda leaf: leaf[k], after)

    def observation(self, state, control, disturbance):
        row = self.seen[self._joint(control), state]
        return jnp.minimum(jnp.sum(jnp.cumsum(row) <= disturbance[1]), row.shape[0] - 1).astype(jnp.int32)

    def observation_likelihood(self, observation, state, control):
        return self.seen[self._joint(control), state, observation]

    def states(self):
        return jnp.arange(self.prior.shape[0], dtype=jnp.int32)

    def index(self, state):
        return state

    def observations(self):
        return jnp.arange(self.seen.shape[2], dtype=jnp.int32)

    def initial_distribution(self):
        return self.prior

    def outcomes(self, state, control):
        u, s = self._joint(control), self.prior.shape[0]
        row = self.transitions[u, state]
        after = st.Transition(
            state=jnp.append(self.states(), state),
            cost=jnp.broadcast_to(self.costs[state, u], s + 1),
            done=jnp.arange(s + 1) == s,
        )
        return after, jnp.append(row, jnp.maximum(0, 1 - row.sum()))

    def _joint(self, control):
        return st.controls.joint_index(control, self.num_controls)


def random_problem(seed, *, states=3, agents=1, controls=2, observations=2, discount=0.9, end=0.0):
    """Draw a problem; with `end`, every joint control may end it, from some states more often than from others."""
    rng = np.random.default_rng(seed)
    a = controls**agents
    going_on = 1 - end * rng.random((a, states, 1))
    return Small(
        transitions=jnp.asarray(rng.dirichlet(np.full(states, 0.7), (a, states)) * going_on),
        seen=jnp.asarray(rng.dirichlet(np.full(observations, 0.5), (a, states))),
        costs=jnp.asarray(rng.random((states, a))),
        prior=jnp.asarray(rng.dirichlet(np.ones(states))),
        discount=discount,
        num_agents=agents,
        num_controls=controls,
    )


def bayes(model, belief, control, observation):
    """Apply Bayes' rule by loops; return the new belief and the probability that the problem goes on and o is seen."""
    p, z = np.asarray(model.transitions, float)[control], np.asarray(model.seen, float)[control]
    s = len(belief)
    joint = [z[y, observation] * sum(belief[x] * p[x, y] for x in range(s)) for y in range(s)]
    total = sum(joint)
    return (np.array(joint) / total if total else None), total


def tree_value(model, belief, stages, last=lambda belief: 0.0):
    """Return the least cost of so many stages, and of each first control, by the whole tree of what may be seen."""
    if stages == 0:
        return last(belief), None
    costs = np.asarray(model.costs, float)
    q = []
    for u in range(costs.shape[1]):
        total = float(belief @ costs[:, u])
        for o in range(model.seen.shape[2]):
            after, chance = bayes(model, belief, u, o)
            if chance > 0:
                total += model.discount * chance * tree_value(model, after, stages - 1, last)[0]
        q.append(total)
    return min(q), q


def grid(states, parts):
    """Return beliefs that are multiples of 1/parts."""
    cuts = itertools.product(range(parts + 1), repeat=states)
    return np.array([c for c in cuts if sum(c) == parts]) / parts
