"""A problem over beliefs is a model like any other: its laws hold, and every planner plans over it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import bayes, grid, random_problem, tree_value

import seriatim as st
from seriatim.beliefs._particle_filter import ParticleBelief
from seriatim.beliefs.solvers._alpha_vectors import AlphaValue

TEAM = random_problem(20, states=3, agents=2, controls=2, observations=2, discount=0.8, end=0.3)
OVER = st.beliefs.BeliefModel(TEAM, st.beliefs.ExactFilter(TEAM))
PARTICLES = st.beliefs.ParticleFilter(TEAM, num_particles=8)
JOINT = st.controls.joint_controls(2, 2)
BELIEFS = jnp.asarray(grid(3, 3), jnp.float32)
BASE_CONTROL = 2  # the joint control (1, 0)


@st.record
class Always:
    """The blind policy."""

    control: jax.Array

    def __call__(self, info, key):
        return self.control


BASE = Always(jnp.asarray(JOINT[BASE_CONTROL]))
BLIND = st.beliefs.blind_policies(TEAM)
BASE_COST = AlphaValue(TEAM, jnp.asarray(BLIND.vectors[[BASE_CONTROL]], jnp.float32))


@pytest.mark.parametrize(
    ("model", "quick"),
    [
        (OVER, True),
        pytest.param(OVER, False, marks=pytest.mark.slow),
        pytest.param(st.beliefs.BeliefModel(TEAM, PARTICLES), True, marks=pytest.mark.slow),
        pytest.param(st.beliefs.HiddenModel(TEAM, OVER.filter), True, marks=pytest.mark.slow),
    ],
    ids=["quick", "all", "particles", "hidden"],
)
def test_belief_models_are_lawful(model, quick):
    st.check_model(model, quick=quick).raise_if_broken()


def test_draws_follow_the_outcomes():
    belief, control, n = jnp.array([0.2, 0.5, 0.3]), jnp.array([0, 1], jnp.int32), 20_000
    listed, chance = jax.jit(OVER.outcomes)(belief, control)
    played = jax.jit(jax.vmap(lambda key: OVER.transition(belief, control, OVER.sample_disturbance(key))))
    drawn = played(jax.random.split(jax.random.key(0), n))
    near = np.abs(np.asarray(drawn.state)[:, None] - np.asarray(listed.state)[None]).max(axis=2) < 1e-5
    near = np.where(np.asarray(drawn.done)[:, None], np.asarray(listed.done), near & ~np.asarray(listed.done))
    assert near.any(axis=1).all()
    p = np.asarray(chance, float)
    # Three frequencies, each within 5 standard errors: one false alarm in half a million.
    assert (np.abs(near.mean(axis=0) - p) < 5 * np.sqrt(p * (1 - p) / n)).all()
    assert np.allclose(drawn.cost, listed.cost[0])
    assert float(listed.cost[0]) == pytest.approx(float(belief @ TEAM.costs[:, 1]), abs=1e-6)


def q_table(belief, after):
    """Return the Q-factors of one stage and a value, of all joint controls."""
    found = []
    for u in range(len(JOINT)):
        total = float(belief @ np.asarray(TEAM.costs, float)[:, u])
        for o in range(2):
            posterior, chance = bayes(TEAM, belief, u, o)
            total += TEAM.discount * chance * after(posterior)
        found.append(total)
    return np.array(found)


def test_every_planner_agrees_with_enumeration():
    simulation = st.Simulation(horizon=1, expectation="exact", terminal_cost=BASE_COST)
    kinds = (st.StandardRollout, st.OneAtATimeRollout, lambda m, b, s: st.SignallingRollout(m, b, None, s))
    keys = jax.random.split(jax.random.key(0), len(BELIEFS))
    standard, turns, signalled = (st.decide_many(kind(OVER, BASE, simulation), BELIEFS, keys) for kind in kinds)
    for k, belief in enumerate(np.asarray(BELIEFS, float)):
        q = q_table(belief, lambda b: float(b @ BLIND.vectors[BASE_CONTROL])).reshape(2, 2)
        assert np.allclose(standard.q_factors[k], q.ravel(), atol=1e-5)
        assert q[tuple(standard.control[k])] <= q.min() + 1e-5
        assert np.allclose(turns.q_factors[k, 0], q[:, 0], atol=1e-5)
        first = int(turns.control[k, 0])
        assert np.allclose(turns.q_factors[k, 1], q[first], atol=1e-5)
        assert q[tuple(turns.control[k])] <= q[1, 0] + 1e-5
        assert np.allclose(signalled.q_factors[k], [q[:, 0], q[1]], atol=1e-5)


def test_lookahead_optimises_over_controls_and_observations():
    model = random_problem(21, states=3, observations=2, discount=0.9)
    over = st.beliefs.BeliefModel(model, st.beliefs.ExactFilter(model))
    last = st.beliefs.qmdp(model)
    simulation = st.Simulation(horizon=3, lookahead=3, expectation="exact", terminal_cost=last.value)
    planner = st.StandardRollout(over, Always(jnp.array([0])), simulation)
    for belief in grid(3, 2):
        q = tree_value(model, belief, 3, last.at)[1]
        found = planner.decide(jnp.asarray(belief, jnp.float32), jax.random.key(0))
        assert np.allclose(found.q_factors, q, atol=1e-5)


@pytest.mark.parametrize(
    "filter",
    [
        OVER.filter,
        pytest.param(st.beliefs.ParticleFilter(TEAM, num_particles=4), marks=pytest.mark.slow),
    ],
    ids=["exact", "particles"],
)
def test_sampled_q_factors_are_those_of_the_enumeration_in_the_mean(filter):
    belief, n = jnp.array([0.2, 0.5, 0.3]), 4096
    exact = q_table(np.asarray(belief, float), lambda b: float(b @ BLIND.vectors[BASE_CONTROL]))
    over = st.beliefs.BeliefModel(TEAM, filter)
    start = belief if over.filter is OVER.filter else cloud(belief)
    simulation = st.Simulation(horizon=4, num_samples=n)
    found = st.StandardRollout(over, BASE, simulation).decide(start, jax.random.key(3))
    # Costs of four stages lie within 0 and 1 + .8 + .64 + .512, so their standard deviation is below 1.5.
    tail = 0.8**4 / (1 - 0.8)
    assert (np.asarray(found.q_factors) < exact + 5 * 1.5 / np.sqrt(n)).all()
    assert (np.asarray(found.q_factors) > exact - tail - 5 * 1.5 / np.sqrt(n)).all()


def cloud(belief):
    """The same belief as particles."""
    states = jnp.array([0, 1, 2, 2], jnp.int32)
    return ParticleBelief(states, jnp.append(belief[:2], belief[2:].repeat(2) / 2), jnp.int32(0))


def test_one_at_a_time_over_beliefs_never_costs_more_than_its_base():
    """J_rollout <= J_base at every belief: exact Q-factors, and the base's exact cost, which is linear."""
    for seed in range(100, 106):
        model = random_problem(seed, states=3, agents=2, controls=2, observations=2, discount=0.8, end=0.3)
        over = st.beliefs.BeliefModel(model, st.beliefs.ExactFilter(model))
        vector = st.beliefs.blind_policies(model).vectors[[BASE_CONTROL]]
        last = AlphaValue(model, jnp.asarray(vector, jnp.float32))
        planner = st.OneAtATimeRollout(over, BASE, st.Simulation(horizon=1, expectation="exact", terminal_cost=last))
        cost = policy_cost(over, planner, BELIEFS, 4, vector[0])
        base = np.asarray(BELIEFS, float) @ vector[0]
        bound = st.beliefs.fast_informed_bound(model)
        lower = [bound.at(belief) for belief in np.asarray(BELIEFS)]
        assert (cost <= base + 1e-5).all()
        assert (cost >= np.array(lower) - 1e-5).all()


def policy_cost(over, planner, beliefs, stages, last):
    """Return the cost of a policy for some stages and of its base policy ever after, by all observations.

    As many beliefs at a time as at the start: one program for all stages.
    """
    if stages == 0:
        return np.asarray(beliefs, float) @ last
    control = st.decide_many(planner, beliefs, KEYS).control
    after, chance = jax.tree.map(np.asarray, listed(over, beliefs, control))
    each = np.moveaxis(after.state, 1, 0)
    rest = np.stack([policy_cost(over, planner, some, stages - 1, last) for some in each], axis=1)
    return after.cost[:, 0] + 0.8 * np.sum(np.where(after.done, 0, chance * rest), axis=1)


KEYS = jax.random.split(jax.random.key(0), len(BELIEFS))


@jax.jit
def listed(over, beliefs, control):
    return jax.vmap(over.outcomes)(beliefs, control)


def test_controls_are_admissible_where_all_possible_states_admit_them():
    @st.record
    class Masked(type(TEAM)):
        def control_mask(self, state):
            return jnp.array([[True, True], [True, True]]).at[0, 1].set(state != 1).at[0, 0].set(state != 2)

    model = Masked(**{f.name: getattr(TEAM, f.name) for f in dataclasses.fields(TEAM)})
    for filter, known in ((st.beliefs.ExactFilter(model), lambda b: b), (st.beliefs.ParticleFilter(model), cloud)):
        over = st.beliefs.BeliefModel(model, filter)
        assert over.control_mask(known(jnp.array([0.5, 0.5, 0]))).tolist() == [[True, False], [True, True]]
        assert over.control_mask(known(jnp.array([0.5, 0, 0.5]))).tolist() == [[False, True], [True, True]]
        # Nothing is admissible at both 1 and 2: what the likelier one admits is.
        assert over.control_mask(known(jnp.array([0, 0.6, 0.4]))).tolist() == [[True, False], [True, True]]


def test_outcomes_of_a_wrong_filter_cannot_be_enumerated():
    other = random_problem(22, states=3, agents=2, discount=0.8)
    over = st.beliefs.BeliefModel(TEAM, st.beliefs.ExactFilter(other))
    assert not over.consistent
    with pytest.raises(st.InputError, match="ExactFilter of the same model"):
        over.outcomes(BELIEFS[0], jnp.array([0, 0]))
