"""Rollout on the field's standard example, by paired statistics.

A claim is "better by more than 5 standard errors" of paired differences. Where rollout were no better than its base,
such a claim would come out once in three million runs; the gains measured lie well beyond.
"""

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest

import seriatim as st

MAPS = Path(__file__).parents[3] / "shared" / "data" / "maps"
real_map = pytest.mark.skipif(not MAPS.exists(), reason=f"no maps at {MAPS}: they lie beside the project, not in it")


# Those that play many episodes.
optimised = pytest.mark.usefixtures("optimised")


def compared(model, policies, *, episodes, horizon):
    policies = {"base": model.base_policy(), **policies}
    return st.compare(model, policies, jax.random.key(0), episodes=episodes, horizon=horizon).rows


def errors(row):
    """The paired gain over the first policy, in standard errors."""
    return -row.difference.mean / row.difference.standard_error


@real_map
@optimised
@pytest.mark.slow
def test_fifteen_spiders_on_a_real_map_are_better_than_their_heuristic():
    model = st.problems.SpidersAndFlies(
        map=str(MAPS / "random-64-64-10.map"), starts=str(MAPS / "random-example_400.agents")
    )
    planner = st.OneAtATimeRollout(model, model.base_policy(), st.Simulation(horizon=200))
    row = compared(model, {"rollout": planner}, episodes=100, horizon=200)["rollout"]
    assert errors(row) > 5
    assert row.estimate.truncated == 0
    assert row.q_factors_per_decision == 75


def test_fifteen_spiders_take_61_simulations_and_never_all_joint_controls():
    model = st.problems.SpidersAndFlies()
    state = model.initial_state(jax.random.key(0))
    planner = st.OneAtATimeRollout(model, model.base_policy(), st.Simulation(horizon=5), schedule=st.InTurn())
    decided = planner.decide(state, jax.random.key(1))
    assert (decided.num_q_factors, decided.num_simulations) == (75, 61)
    with pytest.raises(st.InputError, match=r"5\*\*15 = 30,517,578,125 joint controls.*one-at-a-time would compare 75"):
        st.StandardRollout(model, model.base_policy())


@optimised
@pytest.mark.slow
def test_flies_that_wander_rollout_helps_at_few_samples_and_more_at_many():
    model = st.problems.SpidersAndFlies(spiders=4, flies=2, width=10, height=10, fly_behaviour="wander")
    base = model.base_policy()
    planners = {str(n): st.OneAtATimeRollout(model, base, st.Simulation(num_samples=n, horizon=60)) for n in (10, 100)}
    rows = compared(model, planners, episodes=400, horizon=100)
    for n in planners:
        assert errors(rows[n]) > 5
    gain = rows["10"].estimate.costs - rows["100"].estimate.costs
    assert gain.mean() > 3 * gain.std() / np.sqrt(len(gain))


PLAN_OF_NOBODY = st.Simulation(horizon=40, num_samples=1, nominal_from=0)


def test_flies_that_arrive_in_mid_episode_are_caught_by_a_planner_that_expects_none():
    """The nominal disturbance imagines that nobody comes: whoever does is news, and the next decision takes it in."""
    model = st.problems.SpidersAndFlies(spiders=2, flies=1, width=6, height=6, arrival_stages=(3, 6), cost="flies")
    planner = st.OneAtATimeRollout(model, model.base_policy(), PLAN_OF_NOBODY, schedule=st.InTurn())
    for seed in range(5):
        played = st.simulate(model, planner, jax.random.key(seed), horizon=60)
        assert played.terminated
        assert played.length >= 6


@optimised
@pytest.mark.slow
def test_flies_that_arrive_in_mid_episode_cost_less_with_a_planner_that_expects_none():
    model = st.problems.SpidersAndFlies(
        spiders=4, flies=3, width=10, height=10, arrival_stages=(5, 10, 10, 15, 20), cost="flies"
    )
    planner = st.OneAtATimeRollout(model, model.base_policy(), PLAN_OF_NOBODY)
    row = compared(model, {"rollout": planner}, episodes=100, horizon=150)["rollout"]
    assert row.estimate.truncated == 0
    assert errors(row) > 5


def test_the_planner_may_believe_in_another_world():
    """Rollout with a wrong model is still a policy: flies that stay are imagined, flies that flee are met."""
    world = st.problems.SpidersAndFlies(spiders=3, flies=1, width=5, height=5, fly_behaviour="flee")
    imagined = dataclasses.replace(world, fly_behaviour="stay")
    planner = st.OneAtATimeRollout(imagined, imagined.base_policy(), st.Simulation(horizon=20), schedule=st.InTurn())
    found = st.evaluate(world, planner, jax.random.key(0), episodes=50, horizon=400)
    assert found.truncated == 0
