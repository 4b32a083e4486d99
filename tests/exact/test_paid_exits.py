"""Shortest paths with rewards: discount 1, costs of both signs, and policies that never end."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import seriatim as st

exact = st.exact
SOLVERS = (exact.value_iteration, exact.modified_policy_iteration, exact.policy_iteration)


def tables(costs, transitions):
    return exact.Tables(np.array(costs, float), np.array(transitions, float), 1.0)


def grid_world(reward):
    """The 4 x 3 world: moves go astray to either side with chance 0.1 each, walls stop them; two squares are exits."""
    squares = [(x, y) for y in (3, 2, 1) for x in (1, 2, 3, 4) if (x, y) != (2, 2)]
    number = {square: i for i, square in enumerate(squares)}
    steps = [(0, 1), (1, 0), (0, -1), (-1, 0)]
    costs, transitions = np.full((11, 4), -reward), np.zeros((11, 4, 11))
    for (x, y), i in number.items():
        for u, (turn, chance) in itertools.product(range(4), ((0, 0.8), (1, 0.1), (-1, 0.1))):
            dx, dy = steps[(u + turn) % 4]
            transitions[i, u, number.get((x + dx, y + dy), i)] += chance
    for square, paid in (((4, 3), 1.0), ((4, 2), -1.0)):
        costs[number[square]], transitions[number[square]] = -paid, 0
    return costs, transitions


@pytest.mark.parametrize("solve", SOLVERS)
def test_the_four_by_three_world_has_its_published_utilities(solve):
    """Russell and Norvig, Artificial Intelligence: A Modern Approach, figure 17.3; rows from the top."""
    found = solve(tables(*grid_world(-0.04)))
    published = [0.812, 0.868, 0.918, 1, 0.762, 0.660, -1, 0.705, 0.655, 0.611, 0.388]
    np.testing.assert_array_equal(np.round(-found.cost_to_go, 3), published)
    assert found.converged


@pytest.mark.parametrize("solve", SOLVERS)
def test_an_exit_that_pays_is_taken(solve):
    found = solve(tables([[0.1, -1.0]], [[[1.0], [0.0]]]))
    np.testing.assert_array_equal(found.cost_to_go, [-1])
    np.testing.assert_array_equal(found.control, [[1]])


@pytest.mark.parametrize("solve", SOLVERS)
@pytest.mark.parametrize("exits", [(5, -2), (5, 2), (-3, -1)])
def test_where_one_can_rest_for_nothing_the_better_of_rest_and_exit_is_found(solve, exits):
    """Two states go to and fro for nothing, each with an exit of its own; a third is paid 1 to come."""
    costs = [[0, exits[0]], [0, exits[1]], [-1, -1]]
    transitions = [[[0, 1, 0], [0, 0, 0]], [[1, 0, 0], [0, 0, 0]], [[1, 0, 0], [1, 0, 0]]]
    least = min(0, *exits)
    found = solve(tables(costs, transitions))
    np.testing.assert_array_equal(found.cost_to_go, [least, least, least - 1])


def test_where_nothing_ends_it_costs_for_ever_beside_an_exit_that_pays():
    """State 2 is paid 1 and ends, state 0 and 1 go round and pay 2 for every 1 they get."""
    problem = tables([[-1], [2], [-1]], [[[0, 1, 0]], [[1, 0, 0]], [[0, 0, 0]]])
    for solve in SOLVERS:
        np.testing.assert_array_equal(solve(problem).cost_to_go, [np.inf, np.inf, -1])
    np.testing.assert_array_equal(exact.cost_to_go(problem, np.zeros((3, 1), int)), [np.inf, np.inf, -1])


REFUSED = {
    "stage costs -0.1 on average, so that its cost-to-go is minus infinity": ([[-0.1, -1]], [[[1], [0]]]),
    "a mean cost of zero a stage, paying and being paid in turn": (
        [[1, 5], [-1, 5]],
        [[[0, 1], [0, 0]], [[1, 0], [0, 0]]],
    ),
    # From states 0 and 1 nothing ends, and going round pays 1 where it costs 2.
    "State 0 recurs for ever under a policy at stage cost -2": (
        [[-2], [1], [0]],
        [[[0, 1, 0]], [[1, 0, 0]], [[0, 0, 0]]],
    ),
}


@pytest.mark.parametrize("said", REFUSED)
def test_being_paid_for_ever_is_refused(said):
    for solve in (exact.value_iteration, exact.modified_policy_iteration):
        with pytest.raises(st.InputError) as caught:
            solve(tables(*REFUSED[said]))
        assert said in str(caught.value)


@given(seed=some.integers(0, 10**6))
@settings(max_examples=8, deadline=None)
def test_the_optimum_is_that_of_all_policies_that_end(seed):
    """Every cycle costs something, since a potential (which may be of any sign) is added to positive costs."""
    rng = np.random.default_rng(seed)
    after = np.eye(4)[rng.integers(0, 4, (2, 3, 3))].mean(axis=0)[..., :3]  # two successors; the fourth is the end
    potential = rng.integers(-9, 9, 3)
    costs = rng.integers(1, 4, (3, 3)) + after @ potential - potential[:, None]
    problem, best = tables(costs, after), np.full(3, np.inf)
    for policy in itertools.product(range(3), repeat=3):
        best = np.minimum(best, exact.cost_to_go(problem, np.array(policy)[:, None]))
    for solve in SOLVERS:
        found = solve(problem)
        np.testing.assert_allclose(found.cost_to_go, best, atol=1e-6)
        np.testing.assert_allclose(exact.cost_to_go(problem, found.control), best, atol=1e-6)
    assert exact.agent_by_agent(problem, exact.value_iteration(problem)).is_optimal
