"""Policy iteration one agent at a time at every state of random teams, and the literature's small examples.

Slow tests take 120 teams, others 24.
"""

import itertools

import numpy as np
import pytest

import seriatim as st
from seriatim.problems._tabular import static_team

exact = st.exact

SIZES = [
    {"agents": 2, "controls": (2, 3), "states": 8},
    {"agents": 2, "controls": 3, "states": 6, "infeasible": 0.3},
    {"agents": 3, "controls": (2, 1, 3), "states": 5},
    {"agents": 3, "controls": 2, "states": 6},
    {"agents": 4, "controls": 2, "states": 4},
]
ENDS = [(0.5, 0.0), (0.9, 0.0), (0.99, 0.2), (1.0, 0.1), (1.0, 0.5)]


def below(lower, upper, scale=1e-9):
    return (lower <= upper + scale * (1 + np.abs(upper))).all()


@pytest.mark.parametrize("numbers", [range(1), pytest.param(range(1, 5), marks=pytest.mark.slow)])
@pytest.mark.parametrize("size", SIZES)
def test_one_agent_at_a_time_falls_and_ends_agent_by_agent_optimal(size, numbers):
    for number, (discount, termination) in itertools.product(numbers, ENDS[: 5 if size["agents"] < 4 else 4]):
        model = st.problems.random_team(number, discount=discount, termination=termination, successors=3, **size)
        tables = exact.tabulate(model)
        base = np.asarray(model.base_policy().control)
        found = exact.policy_iteration(tables, improvement="one-at-a-time", initial=base)
        best = exact.policy_iteration(tables, initial=base)
        assert found.converged
        assert below(found.history[1:], found.history[:-1])
        assert below(best.cost_to_go, found.cost_to_go)
        once = exact.improve(tables, base, found.history[0], improvement="one-at-a-time")
        assert below(exact.cost_to_go(tables, once), found.history[0])
        assert no_agent_gains_alone(tables, found)
        assert exact.agent_by_agent(tables, found).is_agent_by_agent_optimal


def no_agent_gains_alone(tables, found):
    """Brute force: change one agent's control at one state, for ever, and solve again."""
    for x, i, u in itertools.product(*map(range, (tables.num_states, tables.num_agents, tables.num_controls))):
        control = found.control.copy()
        control[x, i] = u
        joint = control[x] @ tables.num_controls ** np.arange(tables.num_agents - 1, -1, -1)
        if np.isfinite(tables.costs[x, joint]) and not below(found.cost_to_go, exact.cost_to_go(tables, control)):
            return False
    return True


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_an_agents_turn_knows_its_predecessors_choices(order):
    model = st.problems.random_team(1, states=6, agents=3, controls=3, discount=0.9)
    base = np.asarray(model.base_policy().control)
    cost = exact.cost_to_go(model, base)
    q = exact.bellman(model, cost)
    expected = base.copy()
    for x in range(6):
        for agent in order:
            trial = [np.array([*expected[x, :agent], u, *expected[x, agent + 1 :]]) @ [9, 3, 1] for u in range(3)]
            if q[x, trial].min() < q[x, trial[expected[x, agent]]]:
                expected[x, agent] = q[x, trial].argmin()
    np.testing.assert_array_equal(exact.improve(model, base, cost, improvement="one-at-a-time", order=order), expected)


# Bertsekas, IEEE/CAA JAS 8(2), 2021: a static team, one state, two agents, controls 0 and 1.

DISAGREE = np.array([[1.0, 0.0], [0.0, 2.0]])
AGREE = np.array([[1.0, 2.0], [2.0, 0.0]])


def test_agents_who_each_improve_alone_at_the_same_time_are_worse_than_the_base():
    team = static_team(DISAGREE, discount=0.9)
    base = np.zeros((1, 2), int)
    cost = exact.cost_to_go(team, base)
    alone = [exact.improve(team, base, cost, improvement="one-at-a-time", order=order) for order in ((0, 1), (1, 0))]
    # Each agent's own best answer to the base is 1: the first to move in either order.
    together = np.array([[alone[0][0, 0], alone[1][0, 1]]])
    np.testing.assert_array_equal(together, [[1, 1]])
    assert exact.cost_to_go(team, together) > cost
    np.testing.assert_allclose(exact.cost_to_go(team, alone[0]), 0, atol=1e-12)


def test_agent_by_agent_optimal_need_not_be_optimal():
    team = static_team(AGREE, discount=0.9)
    stuck = exact.policy_iteration(team, improvement="one-at-a-time", initial=np.zeros((1, 2), int))
    np.testing.assert_array_equal(stuck.control, [[0, 0]])
    report = exact.agent_by_agent(team, stuck)
    assert report.is_agent_by_agent_optimal
    assert not report.is_optimal
    np.testing.assert_allclose(report.gap, 10, atol=1e-5)
    assert "agent-by-agent optimal, but not optimal" in str(report)
    joint = exact.policy_iteration(team, initial=np.zeros((1, 2), int))
    np.testing.assert_array_equal(joint.control, [[1, 1]])
    assert str(exact.agent_by_agent(team, joint)).startswith("The policy is optimal")
    worse = exact.agent_by_agent(static_team(DISAGREE, discount=0.9), np.zeros((1, 2), int))
    assert str(worse).startswith("The policy is not agent-by-agent optimal: at state 0 one agent alone can gain 1")


@pytest.mark.parametrize("seeds", [range(2), pytest.param(range(2, 8), marks=pytest.mark.slow)])
def test_multiagent_value_iteration_falls_in_a_chain_between_the_policies_costs(seeds):
    for seed, (discount, termination) in itertools.product(seeds, ENDS):
        model = st.problems.random_team(
            seed, states=6, agents=3, controls=(2, 3, 2), discount=discount, termination=termination
        )
        team, base = exact.tabulate(model), np.asarray(model.base_policy().control)
        found = exact.multiagent_value_iteration(team, initial=base, tolerance=1e-7)
        np.testing.assert_allclose(found.history[0], exact.cost_to_go(team, base), atol=1e-9)
        assert (np.diff(found.history, axis=0) <= 0).all()
        own = exact.cost_to_go(team, found.control)
        assert below(own, found.history[-1])
        np.testing.assert_allclose(found.cost_to_go, own, rtol=0, atol=0.5e-7)
        assert exact.agent_by_agent(team, found).is_agent_by_agent_optimal
        assert below(exact.policy_iteration(team).cost_to_go, own)


def test_multiagent_value_iteration_sweeps_one_agent_with_the_cost_refreshed():
    """Two sweeps by hand on the static team: agent 0 improves at the base's cost, agent 1 at what that left."""
    team = static_team(DISAGREE, discount=0.5)
    found = exact.multiagent_value_iteration(team, initial=np.zeros((1, 2), int), tolerance=1e-9)
    # J_0 = 1/(1 - 0.5) = 2; agent 0 moves to (1, 0): 0 + 0.5 * 2 = 1; agent 1 stays: 0.5 * 1; and so on to 0.
    np.testing.assert_allclose(found.history[:4, 0], [2, 1, 0.5, 0.25])
    np.testing.assert_array_equal(found.control, [[1, 0]])
