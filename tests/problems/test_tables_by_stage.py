"""Tables of each stage: solved stage by stage, and made a model that planners play; both say the same."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st

exact = st.exact
STAGES, STATES = 3, 4


def random_tables(seed, discount=0.9, joint=4):
    """Some joint controls are forbidden, some rows may end."""
    rng = np.random.default_rng(seed)
    costs = rng.integers(-8, 8, (STATES, joint)) / 4
    costs[:, 1:][rng.random((STATES, joint - 1)) < 0.3] = np.inf
    rows = rng.multinomial(8, np.ones(STATES + 1) / (STATES + 1), (STATES, joint))[..., :STATES] / 8
    return exact.Tables(costs, rows, discount, num_agents=2)


@pytest.fixture(scope="module")
def season():
    return [random_tables(seed) for seed in range(STAGES)]


@pytest.fixture(scope="module")
def model(season):
    return st.problems.tabular(season, final_cost=np.arange(4.0), initial=np.eye(4)[1])


def test_the_model_has_the_optimal_costs_of_the_stages(season, model):
    by_stage = exact.finite_horizon(season, final_cost=np.arange(4.0))
    found = exact.policy_iteration(model)
    np.testing.assert_allclose(found.cost_to_go, by_stage.cost_to_go[:-1].ravel(), atol=1e-6)
    own = exact.cost_to_go(model, by_stage.control.reshape(-1, 2))
    np.testing.assert_allclose(own, by_stage.cost_to_go[:-1].ravel(), atol=1e-6)


def test_an_episode_ends_after_the_last_stage(season, model):
    base = model.base_policy()
    found = st.evaluate(model, base, jax.random.key(0), episodes=8, horizon=10)
    assert found.truncated == 0
    assert found.stages.max() <= STAGES
    np.testing.assert_array_equal(np.flatnonzero(model.initial), [1])
    whole = exact.finite_horizon_cost(season, np.asarray(base.control).reshape(STAGES, STATES, 2))
    np.testing.assert_allclose(
        exact.cost_to_go(st.problems.tabular(season), base.control), whole[:-1].ravel(), atol=1e-6
    )


def test_a_planner_sees_what_later_stages_cost():
    """To wait costs 1 now and nothing later; to act at stage 0 costs nothing now and 5 at the next stage."""
    costs = [[[1.0, 0.0], [1.0, 1.0]], [[0.0, 0.0], [5.0, 5.0]]]
    moves = np.array([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]])
    stages = [exact.Tables(np.array(each), moves, 1.0) for each in costs]
    acting = st.problems.tabular(stages, base_control=np.ones((2, 1), int))
    planner = st.OneAtATimeRollout(acting, acting.base_policy(), st.Simulation(horizon=2, num_samples=1))
    found = planner.decide(jnp.int32(0), jax.random.key(0))
    assert found.q_factors.tolist() == [[1, 5]]
    assert (found.control.tolist(), float(found.improvement)) == ([0], 4)
    assert int(found.num_truncated) == 0


def test_tables_without_stages_go_on():
    whole = random_tables(5)
    found = exact.policy_iteration(st.problems.tabular(whole)).cost_to_go
    np.testing.assert_allclose(found, exact.policy_iteration(whole).cost_to_go, atol=1e-6)


def test_sparse_tables_are_the_same(season):
    from scipy import sparse

    thin = [exact.Tables(t.costs, sparse.csr_array(t.transitions), t.discount, num_agents=2) for t in season]
    made, again = st.problems.tabular(thin), st.problems.tabular(season)
    for one, other in zip(jax.tree.leaves(made), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda s: st.problems.tabular([]), "give tables, or a sequence of tables, one for each stage"),
        (lambda s: st.problems.tabular([s[0], 3]), "tables of stage 1 are int; give st.exact.Tables"),
        (lambda s: st.problems.tabular([s[0], random_tables(1, discount=0.5)]), "Stage 1 has .* the same are needed"),
        (lambda s: st.problems.tabular(s[0], final_cost=np.zeros(4)), "tables have no last stage"),
        (lambda s: st.problems.tabular(s, final_cost=np.zeros(3)), r"final_cost has shape \(3,\)"),
        (
            lambda s: st.problems.tabular(s, base_control=np.zeros((2, 4, 2), int)),
            r"base_control has shape \(2, 4, 2\)",
        ),
        (lambda s: st.problems.tabular(s, initial=np.ones(3) / 3), r"initial has shape \(3,\)"),
    ],
)
def test_what_does_not_fit_is_refused(season, call, sentence, without_type_checks):
    with pytest.raises(st.InputError, match=sentence):
        without_type_checks(lambda: call(season))
