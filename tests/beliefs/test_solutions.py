"""Exact solutions and bounds over beliefs, against the whole tree of what may be seen."""

import dataclasses
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from small import bayes, grid, random_problem, tree_value

import seriatim as st

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
from seriatim.beliefs._particle_filter import ParticleBelief
from tiger import Tiger

# Tables are made from single-precision probabilities.
ROUNDING = 2e-6


@pytest.mark.parametrize(("discount", "end"), [(1.0, 0.0), (0.9, 0.3), pytest.param(0.5, 0.0, marks=pytest.mark.slow)])
def test_value_iteration_agrees_with_the_tree(discount, end):
    model = random_problem(7, states=3, observations=2, discount=discount, end=end)
    stages = st.beliefs.incremental_pruning(model, horizon=4)
    for t, vectors in enumerate(stages, 1):
        for belief in grid(3, 2):
            best, q = tree_value(model, belief, t)
            assert abs(vectors.at(belief) - best) < ROUNDING * t
            chosen = vectors.policy(jnp.asarray(belief, jnp.float32), jax.random.key(0))
            assert q[int(chosen[0])] <= best + 1e-5


def test_value_iteration_of_a_team():
    model = random_problem(8, states=3, agents=2, controls=2, observations=3)
    vectors = st.beliefs.incremental_pruning(model, horizon=3)[-1]
    for belief in grid(3, 3):
        assert abs(vectors.at(belief) - tree_value(model, belief, 3)[0]) < 3 * ROUNDING


def test_a_tolerance_costs_no_more_than_it_says():
    model = random_problem(9, states=3, observations=3)
    exact = st.beliefs.incremental_pruning(model, horizon=4)[-1]
    rough = st.beliefs.incremental_pruning(model, horizon=4, tolerance=0.05)[-1]
    assert len(rough.vectors) < len(exact.vectors)
    excess = [rough.at(b) - exact.at(b) for b in grid(3, 8)]
    assert min(excess) > -ROUNDING
    assert max(excess) <= 0.05


@given(some.integers(0, 10**6), some.integers(2, 4), some.integers(1, 30))
def test_pruning_keeps_the_minimum_and_nothing_more(seed, states, count):
    from seriatim.beliefs.solvers._incremental_pruning import pruned

    rng = np.random.default_rng(seed)
    vectors = rng.integers(0, 20, (count, states)) / 4
    kept = pruned(vectors)
    beliefs = np.vstack([rng.dirichlet(np.full(states, 0.5), 200), np.eye(states)])
    assert np.allclose((beliefs @ vectors[kept].T).min(axis=1), (beliefs @ vectors.T).min(axis=1))
    for k in kept:
        others = vectors[[j for j in kept if j != k]]
        assert not len(others) or not (others <= vectors[k]).all(axis=1).any()


def test_the_tiger_is_worth_what_is_published(without_type_checks):
    found = without_type_checks(lambda: st.beliefs.bounds(Tiger(), tolerance=1e-3))
    assert found.converged
    assert found.gap <= 1e-3
    assert found.lower - 1e-4 <= -19.3714 <= found.upper + 1e-4
    assert abs(found.upper - -19.3714) <= 1e-3
    assert "gap" in str(found)


@pytest.mark.parametrize("discount", [0.75, pytest.param(0.95, marks=pytest.mark.slow)])
def test_the_bounds_hold_what_many_stages_cost(discount, without_type_checks):
    model = Tiger(discount=discount)
    found = without_type_checks(lambda: st.beliefs.bounds(model, tolerance=1e-2))
    horizon, belief = 8, np.array([0.5, 0.5])
    stages = st.beliefs.incremental_pruning(model, horizon=horizon)[-1]
    # What comes after the horizon costs between -10 and 1 a stage, in any case.
    tail = discount**horizon / (1 - discount)
    assert stages.at(belief) - 10 * tail <= found.upper
    assert found.lower <= stages.at(belief) + tail


@settings(max_examples=settings.default.max_examples // 2)
@given(some.integers(0, 10**6), some.sampled_from([0.0, 0.4]))
def test_all_bounds_are_in_order_everywhere(seed, end):
    model = random_problem(seed, states=3, agents=1, controls=2, observations=2, discount=0.8, end=end)
    pair = st.beliefs.bounds(model, tolerance=1e-2)
    seen, late, blind = st.beliefs.qmdp(model), st.beliefs.fast_informed_bound(model), st.beliefs.blind_policies(model)
    assert pair.converged
    for belief in grid(3, 4):
        lower, upper = pair.lower_at(belief), pair.vectors.at(belief)
        assert seen.at(belief) <= late.at(belief) + ROUNDING
        assert late.at(belief) <= lower + 1e-5
        assert lower <= upper + ROUNDING
        assert upper <= blind.at(belief) + ROUNDING
        # Two stages in the best way, and then a policy of that cost, cost no more than the bound from above, and no
        # less than the optimum and the bound from below.
        ahead = tree_value(model, belief, 2, pair.vectors.at)[0]
        assert lower - 1e-5 <= ahead <= upper + 1e-5


def test_qmdp_is_the_cost_of_who_sees_the_state():
    model = random_problem(11, discount=0.9)
    q = st.beliefs.qmdp(model)
    optimal = st.exact.value_iteration(model, tolerance=1e-7).cost_to_go
    assert np.allclose(q.vectors.min(axis=0), optimal, atol=1e-5)
    short = st.beliefs.qmdp(model, horizon=1)
    assert np.allclose(short.vectors, np.asarray(model.costs).T, atol=ROUNDING)


def test_what_is_seen_without_error_leaves_nothing_to_bound():
    s = 3
    sighted = dataclasses.replace(random_problem(12), seen=jnp.broadcast_to(jnp.eye(s), (2, s, s)))
    optimal = st.exact.value_iteration(sighted, tolerance=1e-7).cost_to_go
    late, pair = st.beliefs.fast_informed_bound(sighted), st.beliefs.bounds(sighted, tolerance=1e-5)
    for belief in np.eye(s):
        assert abs(late.at(belief) - belief @ optimal) < 1e-5
    # A belief that is not certain pays for one stage in the dark.
    assert pair.gap <= 1e-5


def test_blind_policies_cost_what_playing_them_costs():
    model = random_problem(13, discount=0.7, end=0.5)
    blind = st.beliefs.blind_policies(model)
    for u, vector in enumerate(blind.vectors):
        always = dataclasses.replace(
            model,
            transitions=model.transitions[jnp.array([u, u])],
            costs=model.costs[:, jnp.array([u, u])],
        )
        assert np.allclose(vector, st.exact.value_iteration(always, tolerance=1e-7).cost_to_go, atol=1e-5)
    three = st.beliefs.blind_policies(model, horizon=3)
    p, g = np.asarray(model.transitions, float)[0], np.asarray(model.costs, float)[:, 0]
    assert np.allclose(three.vectors[0], g + 0.7 * p @ (g + 0.7 * p @ g), atol=ROUNDING)


def test_values_and_policies_take_beliefs_and_particles():
    model = random_problem(14, discount=0.8)
    vectors = st.beliefs.qmdp(model)
    cloud = ParticleBelief(jnp.array([0, 2, 2, 1]), jnp.array([0.4, 0.3, 0.2, 0.1]), jnp.int32(0))
    same = jnp.array([0.4, 0.1, 0.5])
    assert float(vectors.value(cloud)) == pytest.approx(vectors.at(same), abs=1e-5)
    assert float(vectors.value(same)) == pytest.approx(vectors.at(same), abs=1e-5)
    key = jax.random.key(0)
    assert vectors.policy(cloud, key).tolist() == vectors.policy(same, key).tolist()
    pair = st.beliefs.bounds(model, tolerance=1e-2)
    assert float(pair.lower_value(same)) == pytest.approx(pair.lower_at(same), abs=1e-5)
    with pytest.raises(st.InputError, match="vectors over 3 states"):
        vectors.value(jnp.array([0.5, 0.5]))
    with pytest.raises(st.InputError, match="were given a HiddenState; in a HiddenModel play on_belief"):
        vectors.policy(st.beliefs.HiddenState(jnp.int32(0), same), key)


def test_mistakes_are_told(without_type_checks):
    model = random_problem(15)
    endless = dataclasses.replace(model, discount=1.0)
    for mistake, message in {
        lambda: st.beliefs.bounds(endless): "discount 1.*incremental_pruning",
        lambda: st.beliefs.qmdp(endless): "did not converge",
        lambda: st.beliefs.blind_policies(endless): "No constant joint control",
        lambda: st.beliefs.incremental_pruning(model, horizon=0): "horizon=0",
        lambda: st.beliefs.qmdp(model, horizon=0): "horizon=0",
        lambda: st.beliefs.bounds(model, tolerance=0.0): "tolerance=0",
    }.items():
        with pytest.raises(st.InputError, match=message):
            without_type_checks(mistake)


def test_bayes_of_the_tests_sums_to_one():
    model = random_problem(16, end=0.3)
    belief = np.array([0.2, 0.5, 0.3])
    going_on = sum(bayes(model, belief, 0, o)[1] for o in range(2))
    assert going_on == pytest.approx(float(belief @ np.asarray(model.transitions[0]).sum(axis=1)))
