"""RockSample: lawful, its beliefs Bayes' rule, and its values those of the bounds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st
from seriatim.problems import RockSample
from seriatim.problems._rock_sample import NearestLikelyRock, RockState

SMALL = RockSample(size=2, rocks=((0, 1), (1, 0)), start=(0, 0), half_distance=1)


@pytest.mark.parametrize(
    "check",
    [
        pytest.param(lambda model: st.check_filter(st.beliefs.FactoredFilter(model)), id="of filters"),
        pytest.param(st.check_model, id="of models", marks=pytest.mark.slow),
        pytest.param(lambda model: st.check_model(model.belief_model()), id="of beliefs", marks=pytest.mark.slow),
        pytest.param(lambda model: st.check_model(model, quick=True), id="of models, quickly"),
    ],
)
def test_the_laws_hold(check):
    report = check(SMALL)
    assert report.ok, str(report)


def test_beliefs_of_rocks_are_those_of_all_states():
    """Along a plan that moves, checks and samples, the exact filter over all states has the same chances."""
    exact, factored = st.beliefs.ExactFilter(SMALL), st.beliefs.FactoredFilter(SMALL)
    full, mine = exact.initial(jax.random.key(0)), factored.initial(jax.random.key(0))
    good = np.asarray(SMALL.states().good, float)
    update, other = jax.jit(exact.update), jax.jit(factored.update)
    for control, seen in ((5, 2), (6, 1), (3, 0), (6, 2), (4, 0), (5, 1), (6, 2)):
        told = (jnp.array([control]), jnp.int32(seen), jnp.zeros(()))
        full, mine = update(full, *told), other(mine, told[0], told[1])
        np.testing.assert_allclose(mine.sites[:, 1], np.asarray(full) @ good, atol=1e-5)
        position = np.asarray(SMALL.states().position)[np.asarray(full) > 0]
        assert (position == np.asarray(mine.known)).all()


def test_the_problem_over_beliefs_is_that_of_the_filter():
    model = SMALL.belief_model()
    belief = st.beliefs.FactoredBelief(jnp.array([0, 1]), jnp.array([[0.3, 0.7], [0.6, 0.4]]))
    step = jax.jit(model.transition)
    for control in range(7):
        u = jnp.array([control])
        for draw in (0.01, 0.99):
            after = step(belief, u, jnp.float32(draw))
            seen = 0 if control < 5 else (2 if draw < 0.5 else 1)
            expected = model.filter.update(belief, u, jnp.int32(seen))
            np.testing.assert_allclose(after.state.sites, expected.sites, atol=1e-6)
            np.testing.assert_array_equal(after.state.known, expected.known)
    sampled = step(belief, jnp.array([4]), jnp.float32(0.5))
    assert float(sampled.cost) == pytest.approx(-4.0)  # 10 (0.7 - 0.3)
    left = step(belief, jnp.array([3]), jnp.float32(0.5))
    assert (float(left.cost), bool(left.done)) == (-10.0, True)


def test_the_sensor_is_half_as_good_at_half_distance():
    assert float(SMALL.accuracy(jnp.array([0, 1]))[0]) == 1.0
    assert float(SMALL.accuracy(jnp.array([0, 0]))[0]) == pytest.approx(0.75)


def test_the_base_leaves_at_once_and_is_worth_no_more_than_can_be_had():
    """10 after two stages. What can be had is bounded from the tables."""
    bounded = st.beliefs.bounds(SMALL, tolerance=0.05)
    assert bounded.converged
    base = st.evaluate(SMALL.belief_model(), NearestLikelyRock(SMALL), jax.random.key(0), episodes=20, horizon=30)
    assert base.mean == pytest.approx(-9.5)
    assert base.mean > bounded.lower


@pytest.mark.slow
def test_rollout_checks_and_is_worth_more_than_its_base_and_no_more_than_can_be_had():
    model = SMALL.belief_model()
    bounded = st.beliefs.bounds(SMALL, tolerance=0.05)
    base = NearestLikelyRock(SMALL)
    rollout = st.OneAtATimeRollout(model, base, st.Simulation(horizon=8, num_samples=64))
    found = {
        name: st.evaluate(model, policy, jax.random.key(0), episodes=200, horizon=30)
        for name, policy in (("base", base), ("rollout", rollout))
    }
    assert found["base"].mean == pytest.approx(-9.5)
    assert found["rollout"].mean < -9.5 - 5 * found["rollout"].standard_error
    assert found["rollout"].mean > bounded.lower - 5 * found["rollout"].standard_error


def test_it_draws_itself():
    state = RockState(jnp.array([1, 0]), jnp.array([True, False]))
    assert SMALL.text(state).splitlines() == ["·▁", "●·"]
    assert SMALL.draw(state).count("<rect") == 2 + 2
    belief = SMALL.belief_model().initial_state(jax.random.key(0))
    assert "▄" in SMALL.belief_model().text(belief)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"size": 0}, "size=0"),
        ({"rocks": ()}, "one rock at least"),
        ({"rocks": ((0, 9),)}, "from 0 to 6"),
        ({"rocks": ((0, 1), (0, 1))}, "a cell of its own"),
        ({"half_distance": 0}, "half_distance=0"),
        ({"discount": 1.5}, "discount=1.5"),
    ],
)
def test_mistakes_are_one_sentence(fields, said):
    with pytest.raises(st.InputError, match=said):
        RockSample(**fields)
