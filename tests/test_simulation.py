"""One episode: what is recorded, and the discipline of keys."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st
from seriatim.simulation._stage import streams


@st.record
class Coin:
    """Each stage costs the sum of the controls plus the disturbance; a disturbance above `survival` ends it."""

    survival: float = 0.8
    discount: float = 0.9
    num_agents: int = st.static(default=2)
    num_controls: int = st.static(default=3)

    def initial_state(self, key):
        return jax.random.randint(key, (), 0, 1000)

    def control_mask(self, state):
        return jnp.ones((2, 3), bool)

    def sample_disturbance(self, key):
        return jax.random.uniform(key)

    def transition(self, state, control, disturbance):
        return st.Transition(state + 1, jnp.sum(control) + disturbance, disturbance > self.survival)


def ones(state, key):
    return jnp.ones(2, int)


def lazy(state, key):
    return jax.random.randint(key, (2,), 0, 3)


def test_a_trajectory_is_the_model_iterated():
    path = st.simulate(Coin(), ones, jax.random.key(3), horizon=60)
    keys = streams(jax.random.key(3))
    state, costs = Coin().initial_state(keys.start), []
    for t in range(60):
        after = Coin().transition(state, ones(state, None), Coin().sample_disturbance(jax.random.fold_in(keys[1], t)))
        costs.append(float(after.cost))
        if after.done:
            break
        state = after.state
    n = len(costs)
    assert (int(path.length), bool(path.terminated)) == (n, True)
    np.testing.assert_allclose(path.costs[:n], costs, rtol=1e-6)
    np.testing.assert_allclose(path.cost, np.sum(0.9 ** np.arange(n) * costs), rtol=1e-5)
    assert not np.any(path.costs[n:])
    assert np.all(np.asarray(path.controls[n:]) == -1)
    assert np.array_equal(np.diff(path.states), (np.arange(60) < n).astype(int))


def test_policies_under_one_key_meet_the_same_disturbances():
    never = Coin(survival=2.0)
    a, b = (st.simulate(never, policy, jax.random.key(5), horizon=20) for policy in (ones, lazy))
    assert int(a.states[0]) == int(b.states[0])
    np.testing.assert_allclose(a.costs - jnp.sum(a.controls, 1), b.costs - jnp.sum(b.controls, 1), atol=1e-5)
    assert not np.array_equal(a.controls, b.controls)


def test_no_two_keys_of_an_episode_coincide():
    """A policy must not be handed a key that a disturbance is drawn from."""

    @jax.jit
    def folded(key):
        stages = jnp.arange(50)
        return [jax.random.key_data(jax.vmap(lambda t, k=k: jax.random.fold_in(k, t))(stages)) for k in streams(key)]

    for seed in range(20):
        words = np.concatenate(folded(jax.random.key(seed)))
        assert len(np.unique(words, axis=0)) == len(words) == 150


def test_it_starts_where_it_is_told():
    assert int(st.simulate(Coin(), ones, jax.random.key(0), horizon=1, state=jnp.int32(7)).states[0]) == 7


@st.record
class BlackBox(Coin):
    def sample_disturbance(self, key):
        return key

    def transition(self, state, control, disturbance):
        return Coin.transition(self, state, control, jax.random.uniform(disturbance))


@pytest.mark.parametrize("quick", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_key_may_be_the_disturbance(quick):
    model = BlackBox()
    assert st.check_model(model, quick=quick).ok
    assert float(st.simulate(model, ones, jax.random.key(1), horizon=30).cost) > 0


@st.record
class Priced(Coin):
    price: float = 1.0

    def feasible(self, state, control):
        return jnp.sum(control) < 4

    def transition(self, state, control, disturbance):
        after = Coin.transition(self, state, control, disturbance)
        return st.Transition(after.state, jnp.where(control[0] == 1, self.price, 1.0), after.done)


@st.record
class Fixed:
    control: jax.Array

    def __call__(self, state, key):
        return self.control


def test_what_breaks_a_law_is_refused_outside_of_transformations():
    """As `evaluate` refuses it, in the same words."""
    key = jax.random.key(0)

    def played(*control, price=1.0, key=key):
        return st.simulate(Priced(price=price), Fixed(jnp.array(control)), key, horizon=3)

    assert played(0, 1).controls[0].tolist() == [0, 1]
    for control, price, sentence in (
        (
            (0, 3),
            1.0,
            r"Fixed chose control 3 for agent 1 at stage 0 of an episode, where control_mask admits only",
        ),
        (
            (2, 2),
            1.0,
            r"Fixed chose the joint control \[2, 2\] at stage 0 of an episode, which Priced.feasible",
        ),
        (
            (1, 1),
            np.inf,
            r"Priced.transition returned the stage cost inf at stage 0 of an episode, for control",
        ),
    ):
        with pytest.raises(st.InputError, match=sentence):
            played(*control, price=price)
    many = jax.vmap(lambda key: played(0, 3, key=key))(jax.random.split(key, 2))
    assert many.controls[:, 0].tolist() == [[0, 3], [0, 3]]


@pytest.mark.parametrize("horizon", [0, -3])
def test_a_horizon_below_one_is_refused(horizon):
    with pytest.raises(st.InputError, match=f"horizon={horizon}"):
        st.simulate(Coin(), ones, jax.random.key(0), horizon=horizon)
