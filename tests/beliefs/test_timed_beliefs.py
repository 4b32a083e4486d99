"""Planners over beliefs know how many stages are left."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import random_problem, tree_value

import seriatim as st
from seriatim.beliefs.decentralised._information import Information


@pytest.fixture(scope="module")
def world():
    return random_problem(60, states=3, observations=2, discount=0.9)


@pytest.fixture(scope="module")
def filter(world):
    return st.beliefs.ExactFilter(world)


def timed(belief, left):
    return st.TimedState(belief, jnp.int32(left))


def test_rollout_over_beliefs_stops_where_the_problem_does(world, filter):
    """Two stages ahead are optimised; with one left, only its cost counts."""
    problem = st.FiniteHorizon(st.beliefs.BeliefModel(world, filter), 5)
    base = st.at_any_time(st.beliefs.qmdp(world).policy)
    ahead = st.Simulation(horizon=2, lookahead=2, expectation="exact")
    planner = st.StandardRollout(problem, base, ahead)
    for left in (1, 2, 5):
        found = planner.decide(timed(world.prior, left), jax.random.key(0))
        np.testing.assert_allclose(
            found.q_factors, tree_value(world, np.asarray(world.prior), min(left, 2))[1], atol=1e-5
        )


def test_tree_search_stops_where_the_problem_does(world, filter):
    search = st.beliefs.TreeSearch(filter, num_simulations=64, horizon=4)
    found = search.decide(timed(jnp.array([0.0, 1.0, 0.0]), 1), jax.random.key(0))
    np.testing.assert_allclose(found.q_factors, world.costs[1], atol=1e-5)


def test_agents_with_their_own_information_know_the_time():
    tables = st.formats.TeamTables(
        transition=np.full((4, 2, 2), 0.5),
        observation=np.ones((4, 2, 1)),
        cost=np.zeros((4, 2, 2)),
        start=np.array([0.5, 0.5]),
        states=("x", "y"),
        actions=(("u", "v"),) * 2,
        observations=(("o",),) * 2,
        agents=("one", "other"),
    )
    exact = st.beliefs.ExactFilter(st.formats.TeamPOMDP(tables, 1.0))
    team = st.beliefs.ExactAgentFilter(exact, lambda belief, key: jnp.zeros(2, jnp.int32))
    policy = st.beliefs.IndependentPlanning(lambda info, key: jnp.full(2, info.left) + (info.state[0] < 0), team)
    info = Information(jnp.int32(0), team.initial(jax.random.key(0)))
    assert policy(timed(info, 4), jax.random.key(0)).tolist() == [4, 4]


@pytest.mark.slow
def test_an_honest_episode_ends_with_its_stages(world, filter):
    problem = st.FiniteHorizon(st.beliefs.BeliefModel(world, filter), 3)
    planner = st.OneAtATimeRollout(problem, st.at_any_time(st.beliefs.qmdp(world).policy), st.Simulation(num_samples=4))
    played = st.FiniteHorizon(st.beliefs.HiddenModel(world, filter), 3)
    found = st.evaluate(played, st.beliefs.on_belief(planner), jax.random.key(0), episodes=4, horizon=10)
    assert (found.truncated, found.stages.tolist()) == (0, [3] * 4)
