"""Backward induction against plain recursion, and one agent at a time against its theorem."""

import itertools

import jax
import numpy as np
import pytest

import seriatim as st

exact = st.exact
STAGES = 4


@pytest.fixture(scope="module")
def team():
    """Five states, two agents of two controls each, some joint controls forbidden, discount 1 and no end."""
    rng = np.random.default_rng(5)
    costs = rng.uniform(-1, 1, (5, 4))
    costs[rng.random(costs.shape) < 0.2] = np.inf
    costs[:, 0] = rng.uniform(-1, 1, 5)
    return exact.Tables(costs, rng.dirichlet(np.ones(5), (5, 4)), 1.0, num_agents=2)


def least(tables, final, stages):
    """The optimal cost of so many stages by its definition."""
    if not stages:
        return final
    after = tables.transitions.reshape(5, 4, 5) @ least(tables, final, stages - 1)
    return (tables.costs + after).min(axis=1)


@pytest.mark.parametrize("final", [None, np.arange(5.0)])
def test_backward_induction_is_the_recursion(team, final):
    found = exact.finite_horizon(team, STAGES, final_cost=final)
    for k, cost in enumerate(found.cost_to_go):
        expected = least(team, np.zeros(5) if final is None else final, STAGES - k)
        np.testing.assert_allclose(cost, expected, atol=1e-12)
    own = exact.finite_horizon_cost(team, found.control, STAGES, final_cost=final)
    np.testing.assert_allclose(own, found.cost_to_go, atol=1e-12)
    assert (exact.finite_horizon_cost(team, found.control[0], STAGES, final_cost=final) >= own - 1e-12).all()


def test_no_policy_of_two_stages_costs_less(team):
    """All policies of the last two stages, at two states that lead to one another."""
    rng = np.random.default_rng(1)
    small = exact.Tables(rng.uniform(-1, 1, (2, 2)), rng.dirichlet(np.ones(2), (2, 2)), 0.9)
    costs = [
        exact.finite_horizon_cost(small, np.array(choice).reshape(2, 2, 1), 2)[0]
        for choice in itertools.product(range(2), repeat=4)
    ]
    np.testing.assert_allclose(np.min(costs, axis=0), exact.finite_horizon(small, 2).cost_to_go[0], atol=1e-12)


def test_one_agent_at_a_time_improves_at_every_stage_and_state(team):
    base = np.zeros((5, 2), int)
    found = exact.finite_horizon(team, STAGES, improvement="one-at-a-time", initial=base)
    best = exact.finite_horizon(team, STAGES).cost_to_go
    np.testing.assert_array_equal(found.history[0], exact.finite_horizon_cost(team, base, STAGES))
    assert found.converged
    assert found.iterations >= 1
    assert (found.history[1:] <= found.history[:-1] + 1e-12).all()
    assert (found.cost_to_go >= best - 1e-12).all()
    # Nobody gains alone, at any stage and state.
    for agent, own in itertools.product(range(2), range(2)):
        other = found.control.copy()
        other[..., agent] = own
        for k in range(STAGES):
            q = exact.bellman(team, found.cost_to_go[k + 1])[np.arange(5), other[k] @ [2, 1]]
            assert (q >= found.cost_to_go[k] - 1e-12).all()


def test_stages_may_have_tables_of_their_own(team):
    dear = exact.Tables(team.costs + 10, team.transitions.reshape(5, 4, 5), 1.0, num_agents=2)
    found = exact.finite_horizon([team, dear, team])
    alike = exact.finite_horizon(team, 3)
    np.testing.assert_allclose(found.cost_to_go, alike.cost_to_go + np.array([10, 10, 0, 0])[:, None], atol=1e-12)
    np.testing.assert_array_equal(found.control, alike.control)


def test_it_is_what_value_iteration_finds_with_the_time_in_the_state():
    model = st.problems.random_team(3, states=4, agents=2, controls=2, discount=0.9, infeasible=0.3)
    problem = st.FiniteHorizon(model, 3, final_cost=lambda x: 1.0 * x)
    by_stage = exact.finite_horizon(problem)
    whole = exact.value_iteration(problem, tolerance=1e-9)
    np.testing.assert_allclose(whole.cost_to_go, by_stage.cost_to_go[:-1].ravel(), atol=1e-6)
    np.testing.assert_array_equal(by_stage.cost_to_go[-1], np.arange(4.0))
    timed = problem.initial_state(jax.random.key(0))
    np.testing.assert_array_equal(by_stage.policy(timed, jax.random.key(0)), by_stage.control[0, int(timed.state)])
    np.testing.assert_allclose(by_stage.value(timed), by_stage.cost_to_go[0, int(timed.state)], rtol=1e-6)


MISTAKES = {
    "stages=0: give the number of stages, a whole number from 1 up": lambda t: exact.finite_horizon(t, 0),
    "stages=None: give the number of stages": lambda t: exact.finite_horizon(t),
    "There are 2 problems for stages=3": lambda t: exact.finite_horizon([t, t], 3),
    "There are 0 problems for stages=0": lambda t: exact.finite_horizon([]),
    "Stage 1 has (states, agents, controls, discount) (5, 2, 2, 0.5)": lambda t: exact.finite_horizon(
        [t, exact.Tables(t.costs, t.transitions.reshape(5, 4, 5), 0.5, num_agents=2)]
    ),
    "The controls are of 3 stages; 2 are expected": lambda t: exact.finite_horizon_cost(t, np.zeros((3, 5, 2), int), 2),
    "improvement='both'": lambda t: exact.finite_horizon(t, 2, improvement="both"),
    "cost_to_go has shape (3,)": lambda t: exact.finite_horizon(t, 2, final_cost=np.zeros(3)),
    "Tables have no states to look up, so their solution has no policy": lambda t: exact.finite_horizon(t, 2).policy,
}


@pytest.mark.parametrize("sentence", MISTAKES)
def test_a_mistake_is_one_clear_sentence(team, sentence, without_type_checks):
    with pytest.raises(st.InputError) as caught:
        without_type_checks(lambda: MISTAKES[sentence](team))
    assert str(caught.value).startswith(sentence)
