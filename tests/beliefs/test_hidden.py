"""Honest simulation: the world moves as it does, and policies know what their filter tells them."""

import dataclasses
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from small import bayes, random_problem

import seriatim as st

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
import tiger

MODEL = random_problem(40, states=3, observations=2, discount=0.9, end=0.2)
FILTER = st.beliefs.ExactFilter(MODEL)
QMDP = st.beliefs.qmdp(MODEL)


chosen = jax.jit(lambda belief: QMDP.policy(belief, jax.random.key(0))[0])


def expected(belief, stages):
    """Return what the QMDP policy costs over so many stages, by all observations."""
    if stages == 0:
        return 0.0
    u = int(chosen(jnp.asarray(belief, jnp.float32)))
    total = float(belief @ np.asarray(MODEL.costs, float)[:, u])
    for o in range(2):
        after, chance = bayes(MODEL, belief, u, o)
        total += MODEL.discount * chance * expected(after, stages - 1)
    return total


def test_simulated_costs_are_those_of_the_tree():
    world = st.beliefs.HiddenModel(MODEL, FILTER)
    found = st.evaluate(world, st.beliefs.on_belief(QMDP.policy), jax.random.key(0), episodes=20_000, horizon=5)
    # Five standard errors: one false alarm in a million.
    assert abs(found.mean - expected(np.asarray(MODEL.prior, float), 5)) < 5 * found.standard_error


def test_a_planner_stays_a_planner_and_sees_the_belief_alone():
    over = st.beliefs.BeliefModel(MODEL, FILTER)
    planner = st.OneAtATimeRollout(over, QMDP.policy, st.Simulation(horizon=1, expectation="exact"))
    hidden = st.beliefs.on_belief(planner)
    assert isinstance(hidden, st.Planner)
    belief, key = jnp.array([0.2, 0.3, 0.5]), jax.random.key(0)
    decisions = [hidden.decide(st.beliefs.HiddenState(jnp.int32(x), belief), key) for x in range(3)]
    direct = planner.decide(belief, key)
    for decision in decisions:
        assert np.array_equal(decision.q_factors, direct.q_factors)
    state = st.beliefs.HiddenState(jnp.int32(0), belief)
    assert hidden.base(state, key).tolist() == QMDP.policy(belief, key).tolist()


def test_a_wrong_filter_is_found_out():
    """Who believes that nothing can be heard never opens a door; who hears well opens one, in the same world."""
    world = tiger.Tiger()
    deaf = st.beliefs.ExactFilter(dataclasses.replace(world, hearing=0.5))
    policy = st.beliefs.on_belief(st.beliefs.bounds(world, tolerance=1.0).vectors.policy)
    key = jax.random.key(1)
    wrong = st.simulate(st.beliefs.HiddenModel(world, deaf), policy, key, horizon=30)
    right = st.simulate(st.beliefs.HiddenModel(world, st.beliefs.ExactFilter(world)), policy, key, horizon=30)
    assert (np.asarray(wrong.controls) == tiger.LISTEN).all()
    assert np.allclose(wrong.states.belief, 0.5)
    assert (np.asarray(right.controls) != tiger.LISTEN).any()
    # Until the first door is opened the worlds are one: the same tiger, the same growls.
    opened = int(np.argmax(np.asarray(right.controls)[:, 0] != tiger.LISTEN))
    assert np.array_equal(wrong.states.state[: opened + 1], right.states.state[: opened + 1])


def test_certainty_equivalence_asks_about_the_most_likely_state():
    optimal = st.exact.value_iteration(MODEL)
    policy = st.beliefs.CertaintyEquivalent(optimal.policy, FILTER)
    belief = jnp.array([0.3, 0.3, 0.4])
    assert policy(belief, jax.random.key(0)).tolist() == optimal.control[2].tolist()
