"""Estimates against closed forms and brute force, with a stated error budget."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import seriatim as st
from seriatim.simulation import _episodes

# A test of this file that compares an estimate with the truth fails by chance once in a million runs.
Z = scipy.stats.norm.isf(0.5e-6)


@st.record
class Geometric:
    """Costs `price[u]` a stage and ends with probability p: the cost of control u is price[u] / (1 - a (1 - p))."""

    p: float = 0.25
    discount: float = 0.9
    num_agents: int = st.static(default=1)
    num_controls: int = st.static(default=2)

    def initial_state(self, key):
        return jnp.zeros((), jnp.int32)

    def control_mask(self, state):
        return jnp.ones((1, 2), bool)

    def sample_disturbance(self, key):
        return jax.random.uniform(key)

    def transition(self, state, control, disturbance):
        return st.Transition(state + 1, 1.0 + control[0].astype(float), disturbance < self.p)


def cheap(state, key):
    return jnp.zeros(1, jnp.int32)


def dear(state, key):
    return jnp.ones(1, jnp.int32)


@pytest.mark.parametrize("discount", [0.5, 0.9, 1.0])
def test_the_mean_is_the_expected_discounted_cost(discount):
    found = st.evaluate(Geometric(discount=discount), cheap, jax.random.key(0), episodes=4000, horizon=300)
    truth = 1 / (1 - discount * 0.75)
    assert abs(found.mean - truth) < Z * found.standard_error
    assert found.truncated == found.tail_weight == 0
    assert abs(found.stages.mean() - 4) < Z * np.sqrt(12 / 4000)


def test_the_standard_error_is_that_of_the_mean():
    costs = [st.evaluate(Geometric(), cheap, jax.random.key(i), episodes=100, horizon=300) for i in range(200)]
    spread = np.std([c.mean for c in costs], ddof=1)
    claimed = np.mean([c.standard_error for c in costs])
    # The ratio of a sample deviation to the truth: chi with 199 degrees of freedom.
    low, high = np.sqrt(scipy.stats.chi2.ppf([0.5e-6, 1 - 0.5e-6], 199) / 199)
    assert low * 0.97 < spread / claimed < high * 1.03


@pytest.mark.parametrize(("discount", "horizon"), [(0.9, 5), (1.0, 5), (0.9, 1)])
def test_what_is_cut_off_is_reported(discount, horizon):
    model = Geometric(p=0.0, discount=discount)
    found = st.evaluate(model, cheap, jax.random.key(0), episodes=10, horizon=horizon)
    assert found.truncated == 1.0
    assert found.tail_weight == pytest.approx(discount**horizon)
    assert found.mean == pytest.approx(sum(discount**t for t in range(horizon)))
    # The bias is the weight of the tail times the cost-to-go there, as documented.
    if discount < 1:
        assert found.mean + found.tail_weight / (1 - discount) == pytest.approx(1 / (1 - discount))


def test_truncation_is_a_share():
    found = st.evaluate(Geometric(discount=1.0), cheap, jax.random.key(0), episodes=2000, horizon=4)
    share = 0.75**4
    assert abs(found.truncated - share) < Z * np.sqrt(share * (1 - share) / 2000)
    assert found.tail_weight == found.truncated


def test_more_episodes_extend_fewer():
    """Whatever the batches, episode i is a function of the key and i."""
    few, more = (st.evaluate(Geometric(), cheap, jax.random.key(1), episodes=n) for n in (7, 130))
    assert np.array_equal(few.costs, more.costs[:7])
    assert len(more.costs) == 130


@pytest.mark.parametrize("horizon", [3, 300])
def test_every_episode_is_played_once_in_whatever_lane(monkeypatch, horizon):
    """Few lanes, filled again and again, with hardly any room for results, find what many lanes find."""
    many = st.evaluate(Geometric(), cheap, jax.random.key(3), episodes=500, horizon=horizon)
    for name, value in {"FEWEST": 2, "MOST": 6, "ROOM": 2}.items():
        monkeypatch.setattr(_episodes, name, value)
    told = []
    few = st.evaluate(
        Geometric(), cheap, jax.random.key(3), episodes=500, horizon=horizon, progress=lambda *done: told.append(done)
    )
    np.testing.assert_array_equal(few.stages, many.stages)
    np.testing.assert_allclose(few.costs, many.costs, rtol=1e-6)
    assert few.truncated == many.truncated
    assert len(told) > 10
    assert told[-1] == (500, 500)


def test_an_episode_is_the_one_that_simulate_plays():
    found = st.evaluate(Geometric(), cheap, jax.random.key(2), episodes=5)
    for i, cost in enumerate(found.costs):
        path = st.simulate(Geometric(), cheap, jax.random.fold_in(jax.random.key(2), i))
        assert float(path.cost) == pytest.approx(cost, rel=1e-6)


def test_differences_are_paired():
    """Under common random numbers `dear` costs exactly twice what `cheap` does in every episode."""
    found = st.compare(Geometric(), {"base": cheap, "dear": dear}, jax.random.key(0), episodes=60)
    base, other = found.rows["base"], found.rows["dear"]
    np.testing.assert_allclose(other.estimate.costs, 2 * base.estimate.costs, rtol=1e-6)
    assert base.difference is None
    assert other.difference.mean == pytest.approx(base.estimate.mean, rel=1e-6)
    assert other.difference.standard_error == pytest.approx(base.estimate.standard_error, rel=1e-6)


def test_a_policy_compared_with_itself_differs_by_nothing():
    found = st.compare(Geometric(), {"base": cheap, "again": cheap}, jax.random.key(0), episodes=20)
    assert found.rows["again"].difference.mean == found.rows["again"].difference.standard_error == 0


def test_the_dictionary_has_the_agreed_shape():
    found = st.compare(Geometric(), {"base": cheap, "dear": dear}, jax.random.key(0), episodes=3, horizon=9).as_dict()
    assert (found["episodes"], found["horizon"]) == (3, 9)
    fields = {"mean", "standard_error", "truncated", "q_factors_per_decision", "milliseconds_per_decision"}
    assert fields <= set(found["policies"]["base"])
    assert set(found["policies"]["dear"]["difference_to_base"]) == {"mean", "standard_error"}
    assert "difference_to_base" not in found["policies"]["base"]


def test_one_episode_has_no_known_error():
    found = st.compare(Geometric(), {"base": cheap}, jax.random.key(0), episodes=1)
    assert np.isnan(found.rows["base"].estimate.standard_error)
    assert found.as_dict()["policies"]["base"]["standard_error"] is None


def test_progress_is_told():
    told = []
    st.evaluate(Geometric(), cheap, jax.random.key(0), episodes=120, progress=lambda *done: told.append(done))
    assert told[-1] == (120, 120)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_inadmissible_controls_and_infinite_costs_are_refused():
    def wild(state, key):
        return jnp.where(state == 2, 5, 0)[None]

    @st.record
    class Exploding(Geometric):
        def transition(self, state, control, disturbance):
            return st.Transition(state + 1, jnp.where(state == 1, jnp.nan, 0.0), jnp.array(False))

    with pytest.raises(st.InputError, match=r"wild chose control 5 for agent 0 at stage 2 .* only \[0, 1\]"):
        st.evaluate(Geometric(p=0.0), wild, jax.random.key(0), episodes=2, horizon=10)
    # JAX's own stop at nan would come first.
    says = pytest.raises(st.InputError, match=r"Exploding.transition returned the stage cost nan at stage 1")
    with jax.debug_nans(False), says:
        st.evaluate(Exploding(), cheap, jax.random.key(0), episodes=2, horizon=10)


@pytest.mark.parametrize("wrong", [{"episodes": 0}, {"horizon": 0}, {"episodes": -5}])
def test_numbers_below_one_are_refused(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(st.InputError, match=f"{name}={value}"):
        st.evaluate(Geometric(), cheap, jax.random.key(0), **wrong)


def test_nothing_to_compare_is_refused():
    with pytest.raises(st.InputError, match="nothing to compare"):
        st.compare(Geometric(), {}, jax.random.key(0))
