"""Independent sites, believed one by one, are what Bayes' rule makes of them all together."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st

SITES, LEVELS = 2, 3


@st.record
class Watch:
    """Two sites decay level by level; a guard stands at one, sees it with some error, and may repair it or walk over.

    The state is where the guard stands, and the levels.
    """

    worse: jax.Array  # the chance that a site gets worse by one level, [n, l]
    error: float = 0.2
    discount: float = 0.9
    num_agents = 1
    num_controls = 2

    def initial_state(self, key):
        return jnp.zeros(1 + SITES, jnp.int32).at[0].set(jax.random.randint(key, (), 0, SITES))

    def control_mask(self, state):
        return jnp.ones((1, 2), bool)

    def sample_disturbance(self, key):
        return jax.random.uniform(key, (SITES + 1,))

    def transition(self, state, control, disturbance):
        known, levels = self.split(state)
        rows = jnp.take_along_axis(self.site_transition(known, control), levels[:, None, None], axis=1)[:, 0]
        after = jnp.sum(jnp.cumsum(rows, axis=1) <= disturbance[:SITES, None], axis=1).astype(jnp.int32)
        state = self.join(self._walk(known, control), jnp.minimum(after, LEVELS - 1))
        return st.Transition(state, jnp.sum(levels).astype(float), jnp.array(False))

    def observation(self, state, control, disturbance):
        known, levels = self.split(state)
        wrong = disturbance[SITES] < self.error
        return jnp.stack([known, jnp.where(wrong, (levels[known] + 1) % LEVELS, levels[known])])

    def observation_likelihood(self, observation, state, control):
        known, levels = self.split(state)
        sites = self.site_likelihood(observation, known, control)
        chance = jnp.prod(jnp.take_along_axis(sites, levels[:, None], axis=1))
        return jnp.where(observation[0] == known, chance, 0.0)

    def split(self, state):
        return state[0], state[1:]

    def join(self, known, levels):
        return jnp.concatenate([known[None], levels])

    def initial_sites(self):
        return jnp.zeros((SITES, LEVELS)).at[:, 0].set(1.0)

    def site_transition(self, known, control):
        stay, up = jnp.eye(LEVELS), jnp.eye(LEVELS, k=1).at[-1, -1].set(1.0)
        decay = stay * (1 - self.worse[..., None]) + up * self.worse[..., None]
        repaired = (jnp.arange(SITES) == known) & (control[0] == 0)
        return jnp.where(repaired[:, None, None], jnp.eye(LEVELS)[0], decay)

    def next_known(self, known, control, observation):
        return observation[0]

    def site_likelihood(self, observation, known, control):
        shown = jnp.arange(LEVELS) == observation[1]
        wrong = jnp.arange(LEVELS) == (observation[1] - 1) % LEVELS
        here = jnp.arange(SITES) == known
        return jnp.where(here[:, None], jnp.where(shown, 1 - self.error, jnp.where(wrong, self.error, 0.0)), 1.0)

    def expected_cost(self, known, sites, control):
        return jnp.sum(sites * jnp.arange(LEVELS, dtype=float))

    def _walk(self, known, control):
        return jnp.where(control[0] == 1, 1 - known, known)

    def states(self):
        every = itertools.product(range(SITES), *[range(LEVELS)] * SITES)
        return jnp.array(list(every), jnp.int32)

    def index(self, state):
        return jnp.sum(state * jnp.array([LEVELS**2, LEVELS, 1]))

    def outcomes(self, state, control):
        known, levels = self.split(state)
        rows = jnp.take_along_axis(self.site_transition(known, control), levels[:, None, None], axis=1)[:, 0]
        each = jnp.array(list(itertools.product(range(LEVELS), repeat=SITES)), jnp.int32)
        chance = jnp.prod(rows[jnp.arange(SITES), each], axis=1)
        after = jax.vmap(self.join, (None, 0))(self._walk(known, control), each)
        cost = jnp.full(len(each), jnp.sum(levels).astype(float))
        return st.Transition(after, cost, jnp.zeros(len(each), bool)), chance

    def initial_distribution(self):
        return jnp.zeros(SITES * LEVELS**2).at[jnp.array([0, LEVELS**2])].set(0.5)


WATCH = Watch(jnp.array([[0.3, 0.4, 0.0], [0.1, 0.7, 0.0]]))
FACTORED = st.beliefs.FactoredFilter(WATCH)


@pytest.mark.slow
def test_the_model_of_the_test_is_lawful():
    st.check_model(WATCH, quick=True).raise_if_broken()
    assert isinstance(WATCH, st.beliefs.FactoredModel)


def test_marginals_are_those_of_the_exact_filter():
    exact = st.beliefs.ExactFilter(WATCH)

    @jax.jit
    def stage(state, belief, joint, control, key):
        """What happens, and of both filters the likelihood, the belief after it, and the expected cost there."""
        noise = WATCH.sample_disturbance(key)
        state = WATCH.transition(state, control, noise).state
        seen = WATCH.observation(state, control, noise)
        likelihoods = FACTORED.likelihood(belief, control, seen), exact.likelihood(joint, control, seen)
        belief, joint = FACTORED.update(belief, control, seen), exact.update(joint, control, seen)
        costs = FACTORED.expected_cost(belief, control), exact.expected_cost(joint, control)
        return state, belief, joint, likelihoods, costs

    key = jax.random.key(2)
    state = WATCH.initial_state(key)
    belief = FACTORED.initial(key)
    joint = jnp.zeros(18).at[WATCH.index(state)].set(1.0)
    for t in range(12):
        control = jnp.array([t % 3 % 2], jnp.int32)
        state, belief, joint, same, cost = stage(state, belief, joint, control, jax.random.key(100 + t))
        assert float(same[0]) == pytest.approx(float(same[1]), rel=1e-4)
        table = np.asarray(joint).reshape(SITES, LEVELS, LEVELS)[int(state[0])]
        assert int(belief.known) == int(state[0])
        assert np.allclose(belief.sites, [table.sum(axis=1), table.sum(axis=0)], atol=1e-5)
        assert float(cost[0]) == pytest.approx(float(cost[1]), rel=1e-4)


def test_it_carries_a_belief_model():
    st.check_model(st.beliefs.BeliefModel(WATCH, FACTORED), quick=True).raise_if_broken()


def test_sites_are_drawn_from_their_beliefs():
    sites = jnp.array([[0.2, 0.0, 0.8], [0.5, 0.5, 0.0]])
    belief = st.beliefs.FactoredBelief(jnp.int32(1), sites)
    assert FACTORED.most_likely(belief).tolist() == [1, 2, 0]
    uniform = jnp.asarray(np.stack(np.meshgrid(*[(np.arange(20) + 0.5) / 20] * 2), axis=-1).reshape(-1, 2))
    drawn = np.asarray(jax.jit(jax.vmap(FACTORED.sample_state, (None, 0)))(belief, uniform))
    for site in range(SITES):
        assert np.allclose(np.bincount(drawn[:, 1 + site], minlength=3) / 400, sites[site], atol=1e-6)


def test_a_site_that_shows_the_impossible_keeps_its_prediction():
    sure = st.beliefs.FactoredFilter(Watch(jnp.zeros((2, 3)), error=0.0))
    belief = st.beliefs.FactoredBelief(jnp.int32(0), jnp.array([[1.0, 0, 0], [0.5, 0.5, 0]]))
    walk, seen = jnp.array([1]), jnp.array([1, 2])
    assert float(sure.likelihood(belief, walk, seen)) == 0
    assert np.allclose(sure.update(belief, walk, seen).sites, belief.sites)


def test_mistakes_are_told(without_type_checks):
    team = st.problems.random_team(0, states=3, agents=1, controls=2)
    with pytest.raises(st.InputError, match="Tabular has no split"):
        without_type_checks(lambda: st.beliefs.FactoredFilter(team))
