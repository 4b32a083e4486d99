"""Exact solvers against brute force, closed forms and one another."""

import itertools
import warnings

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy import sparse

import seriatim as st
from seriatim.exact._solution import TablePolicy

exact = st.exact

# One state each of what solvers have to cope with: discounts near 1, 1 with termination, constraints.
SHAPES = [
    {"discount": 0.5},
    {"discount": 0.999},
    {"discount": 0.95, "termination": 0.3, "infeasible": 0.3},
    {"discount": 1.0, "termination": 0.1},
]


def team(seed, **fields):
    return st.problems.random_team(seed, **({"states": 4, "agents": 2, "controls": (2, 3), "successors": 2} | fields))


def dense(model):
    tables = exact.tabulate(model, dense=True)
    s, a = tables.costs.shape
    return tables.costs, tables.transitions.reshape(s, a, s), tables.discount


def enumerated(model):
    """J* by solving the linear system of every deterministic policy."""
    costs, transitions, discount = dense(model)
    states = np.arange(len(costs))
    best = np.full(len(costs), np.inf)
    for policy in itertools.product(*(np.flatnonzero(np.isfinite(row)) for row in costs)):
        system = np.eye(len(costs)) - discount * transitions[states, policy]
        best = np.minimum(best, np.linalg.solve(system, costs[states, policy]))
    return best


@pytest.mark.parametrize("fields", SHAPES)
@pytest.mark.parametrize("seed", range(3))
def test_all_solvers_find_the_best_of_all_policies(seed, fields):
    model = team(seed, states=3, **fields)
    best = enumerated(model)
    for solution in (
        exact.value_iteration(model, tolerance=1e-7),
        exact.modified_policy_iteration(model, tolerance=1e-7),
        exact.modified_policy_iteration(model, tolerance=1e-7, evaluations=3),
        exact.policy_iteration(model),
    ):
        assert solution.converged
        np.testing.assert_allclose(solution.cost_to_go, best, rtol=0, atol=0.5e-7)
        np.testing.assert_allclose(exact.cost_to_go(model, solution.control), best, rtol=0, atol=1e-7)


@given(
    seed=some.integers(0, 10_000),
    fields=some.sampled_from(SHAPES),
    tolerance=some.sampled_from([1e-1, 1e-3, 1e-6, 1e-9]),
)
@settings(max_examples=2 * settings.default.max_examples)
def test_the_stated_tolerance_is_met(seed, fields, tolerance):
    model = team(seed, states=12, agents=2, controls=2, successors=4, **fields)
    tables = exact.tabulate(model)
    best = exact.policy_iteration(tables).cost_to_go
    for method in (exact.value_iteration, exact.modified_policy_iteration):
        found = method(tables, tolerance=tolerance)
        rounding = 1e-12 * np.abs(best).max()
        assert np.abs(found.cost_to_go - best).max() <= tolerance / 2 + rounding
        assert (exact.cost_to_go(tables, found.control) - best).max() <= tolerance + rounding


def test_a_two_state_example_from_the_book():
    """Puterman (1994), section 3.1, figure 3.1.1 and example 6.2.1: discount 0.95, rewards 5 or 10, then -1.

    In s1, a11 pays 5 and stays with probability 0.5, a12 pays 10 and goes to s2, where nothing is left but -1. Solved
    there: v*(s2) = -20, and a11 is optimal in s1, with v*(s1) = (5 + 0.475 v*(s2)) / (1 - 0.475).
    """
    tables = exact.Tables(
        costs=np.array([[-5.0, -10.0], [1.0, np.inf]]),
        transitions=np.array([[[0.5, 0.5], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]]),
        discount=0.95,
    )
    found = exact.value_iteration(tables, tolerance=1e-9)
    np.testing.assert_allclose(found.cost_to_go, [-(5 + 0.475 * -20) / 0.525, 20.0], atol=1e-9)
    np.testing.assert_array_equal(found.control, [[0], [0]])


def test_a_geometric_time_to_the_end_costs_its_mean():
    """One state, cost 1 a stage, ends with chance p: 1/p stages without discount, 1/(1 - a(1-p)) with it."""
    for chance, discount in itertools.product((0.25, 0.01), (1.0, 0.9)):
        tables = exact.Tables(np.ones((1, 1)), np.array([[[1 - chance]]]), discount)
        expected = 1 / (1 - discount * (1 - chance))
        for cost in (
            exact.cost_to_go(tables, np.zeros((1, 1), int)),
            exact.cost_to_go(tables, np.zeros((1, 1), int), method="iterative"),
            exact.value_iteration(tables).cost_to_go,
        ):
            np.testing.assert_allclose(cost, expected, atol=1e-6)


@pytest.mark.parametrize("fields", SHAPES)
def test_model_sparse_and_dense_tables_are_one_problem(fields):
    model = team(3, states=8, **fields)
    tables, full = exact.tabulate(model), exact.tabulate(model, dense=True)
    assert sparse.issparse(tables.transitions)
    given_sparse = exact.Tables(tables.costs, sparse.coo_array(tables.transitions), tables.discount, num_agents=2)
    answers = [
        exact.modified_policy_iteration(problem, tolerance=1e-9) for problem in (model, tables, full, given_sparse)
    ]
    for answer in answers[1:]:
        np.testing.assert_allclose(answer.cost_to_go, answers[0].cost_to_go, atol=1e-9)
    base = model.base_policy()
    np.testing.assert_allclose(
        exact.cost_to_go(model, base), exact.cost_to_go(full, np.asarray(base.control)), atol=1e-9
    )


def test_the_bellman_operator_is_the_expected_cost_of_one_stage_and_the_rest():
    model = team(5, states=5, infeasible=0.3)
    costs, transitions, discount = dense(model)
    after = np.arange(5.0)
    q = exact.bellman(model, after)
    expected = costs + discount * np.where(np.isfinite(costs), transitions @ after, 0)
    np.testing.assert_allclose(q, expected, atol=1e-12)


def test_direct_and_iterative_evaluation_agree():
    for seed, fields in itertools.product(range(4), SHAPES):
        model = team(seed, states=15, **fields)
        direct = exact.cost_to_go(model, model.base_policy())
        swept = exact.cost_to_go(model, model.base_policy(), method="iterative", tolerance=1e-7)
        np.testing.assert_allclose(swept, direct, rtol=0, atol=1e-7)


# Discount 1, where policies may never end.


def line():
    """Four cells; control 0 goes left, 1 right; cell 0 ends; cell 3 is a trap that costs nothing; else 1 a stage."""
    left = np.eye(4, k=-1)
    right = np.eye(4, k=1)
    left[3], right[3] = [0, 0, 0, 1], [0, 0, 0, 1]
    costs = np.array([[1.0, 1.0], [1.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    return costs, np.stack([left, right], axis=1)


def test_the_optimum_among_policies_that_may_never_end():
    costs, transitions = line()
    found = exact.value_iteration(exact.Tables(costs, transitions, 1.0), tolerance=1e-9)
    np.testing.assert_allclose(found.cost_to_go, [1, 2, 1, 0], atol=1e-9)
    assert found.converged


def test_where_every_policy_pays_for_ever_the_cost_is_infinite():
    costs, transitions = line()
    costs[3] = 2.0
    tables = exact.Tables(costs, transitions, 1.0)
    found = exact.value_iteration(tables, tolerance=1e-9)
    np.testing.assert_allclose(found.cost_to_go, [1, 2, 3, np.inf], atol=1e-9)
    rightwards = exact.cost_to_go(tables, np.ones((4, 1), int))
    np.testing.assert_array_equal(rightwards, np.inf)
    np.testing.assert_array_equal(exact.policy_iteration(tables, initial=found.control).cost_to_go[:3], [1, 2, 3])


def test_without_discount_the_cost_of_swinging_for_ever_is_infinite():
    model = st.problems.SpidersOnALine(6)
    signalling = st.SignallingRollout(model, model.base_policy(), simulation=st.Simulation(horizon=24))
    cost = exact.cost_to_go(model, signalling)
    spiders, alive = (np.asarray(x) for x in (model.states().spiders, model.states().alive))
    together = (spiders[:, 0] == spiders[:, 1]) & (spiders[:, 0] > 0) & (spiders[:, 0] < 5) & alive.all(axis=1)
    assert np.isinf(cost[together]).all()
    best = exact.value_iteration(model).cost_to_go
    assert np.isfinite(best).all()


def test_paying_less_than_nothing_for_ever_is_refused():
    costs, transitions = line()
    costs[3] = -1.0
    tables = exact.Tables(costs, transitions, 1.0)
    with pytest.raises(st.InputError, match="minus infinity"):
        exact.value_iteration(tables)
    with pytest.raises(st.InputError, match="State 3 recurs for ever"):
        exact.cost_to_go(tables, np.zeros((4, 1), int))


def endless(seed):
    """A team whose policies may end, rest for nothing or pay for ever: three states, two agents, two controls each."""
    rng = np.random.default_rng(seed)
    step = np.eye(4)[rng.integers(0, 4, (2, 12))].mean(axis=0)  # two equally likely successors; the fourth is the end
    return exact.Tables(rng.integers(0, 3, (3, 4)) / 1.0, step[:, :3].reshape(3, 4, 3), 1.0, num_agents=2)


def summed(tables, joint):
    """The cost of 2**40 stages of a policy, by doubling: independent of every other evaluation here."""
    rows = np.arange(3) * 4 + np.asarray(joint)
    total, ahead = tables.costs[np.arange(3), joint], tables.transitions[rows]
    for _ in range(40):
        total, ahead = total + ahead @ total, ahead @ ahead
    return np.where(total > 1e6, np.inf, total)


def deviations(control, agent):
    """Every policy in which one agent alone plays otherwise, as joint controls."""
    for own in itertools.product(range(2), repeat=3):
        other = control.copy()
        other[:, agent] = own
        yield other @ [2, 1]


@given(seed=some.integers(0, 10**6))
@settings(max_examples=4 * settings.default.max_examples)
def test_without_discount_any_policy_may_be_the_start(seed):
    tables = endless(seed)
    start = np.random.default_rng(seed).integers(0, 2, (3, 2))
    own = summed(tables, start @ [2, 1])
    np.testing.assert_allclose(exact.cost_to_go(tables, start), own, atol=1e-9)
    np.testing.assert_allclose(exact.cost_to_go(tables, start, method="iterative"), own, atol=1e-6)
    best = np.min([summed(tables, joint) for joint in itertools.product(range(4), repeat=3)], axis=0)
    for found in (
        exact.policy_iteration(tables, initial=start),
        exact.value_iteration(tables),
        exact.modified_policy_iteration(tables),
    ):
        np.testing.assert_allclose(found.cost_to_go, best, atol=1e-6)
        np.testing.assert_allclose(exact.cost_to_go(tables, found.control), best, atol=1e-6)
    alone = exact.policy_iteration(tables, improvement="one-at-a-time", initial=start)
    assert alone.converged
    assert (alone.history[1:] <= alone.history[:-1] + 1e-9).all()
    for control in (start, alone.control):
        now = summed(tables, control @ [2, 1])
        nobody_gains = all(
            (summed(tables, joint) >= now - 1e-9).all() for agent in range(2) for joint in deviations(control, agent)
        )
        assert exact.agent_by_agent(tables, control).is_agent_by_agent_optimal == nobody_gains
        assert nobody_gains or control is start


def test_a_small_chance_of_ending_is_not_lost_in_tables():
    model = team(0, controls=2, discount=1.0, termination=5e-7)
    base = np.asarray(model.base_control)
    by_tables = exact.cost_to_go(exact.tabulate(model), base)
    assert ((by_tables > 1e4) & np.isfinite(by_tables)).all()
    np.testing.assert_allclose(exact.cost_to_go(model, base), by_tables, rtol=1e-8)


@pytest.mark.parametrize("unit", [1e-15, 1e15])
def test_the_unit_of_cost_changes_no_decision(unit):
    tables = exact.tabulate(team(2, states=6, discount=0.9))
    scaled = exact.Tables(tables.costs * unit, tables.transitions, tables.discount, num_agents=2)
    for improvement in ("joint", "one-at-a-time"):
        first, second = (exact.policy_iteration(problem, improvement=improvement) for problem in (tables, scaled))
        np.testing.assert_array_equal(first.control, second.control)


# Stopping early.


def test_an_iteration_that_stops_early_says_so_and_its_bound_holds():
    tables = exact.tabulate(team(0, states=10, discount=0.99, successors=4))
    best = exact.policy_iteration(tables).cost_to_go
    with pytest.warns(exact.NotConverged, match=r"value_iteration stopped after 3 iterations, before it converged"):
        found = exact.value_iteration(tables, max_iterations=3)
    assert not found.converged
    assert np.abs(found.cost_to_go - best).max() <= found.error_bound
    with pytest.warns(exact.NotConverged, match="can still be improved"):
        assert not exact.policy_iteration(tables, max_iterations=1).converged
    with pytest.warns(exact.NotConverged, match="cost_to_go stopped after 2"):
        exact.cost_to_go(tables, found.control, method="iterative", max_iterations=2)
    with pytest.warns(exact.NotConverged, match="multiagent_value_iteration"):
        exact.multiagent_value_iteration(tables, max_iterations=2)


def test_a_tolerance_below_rounding_is_not_claimed():
    tables = exact.tabulate(team(0, states=10, discount=0.999, successors=4))
    with pytest.warns(exact.NotConverged):
        found = exact.value_iteration(tables, tolerance=1e-30)
    assert found.error_bound > 0


# Solutions at work.


def test_a_solution_is_a_policy_and_a_value_of_its_model():
    model = team(1, states=6, discount=0.9)
    solution = exact.policy_iteration(model)
    for x in range(6):
        np.testing.assert_array_equal(solution.policy(jax.numpy.int32(x), jax.random.key(0)), solution.control[x])
        np.testing.assert_allclose(solution.value(jax.numpy.int32(x)), solution.cost_to_go[x], rtol=1e-6)
    np.testing.assert_allclose(exact.cost_to_go(model, solution.policy), solution.cost_to_go, atol=1e-9)
    looked_up = TablePolicy(model, solution.control)
    in_bulk = jax.vmap(lambda x: looked_up(x, jax.random.key(0)))(model.states())
    np.testing.assert_array_equal(in_bulk, solution.control)
    with pytest.raises(st.InputError, match="cost_to_go has 5 rows; Tabular has 6 states: give a row each"):
        exact.TableValue(model, np.zeros(5))
    with pytest.raises(st.InputError, match="Tables have no states to look up"):
        _ = exact.policy_iteration(exact.tabulate(model)).policy


def test_many_agents_are_evaluated_without_their_joint_controls():
    """Ten agents with four controls: a million joint controls at a state, ten states."""
    spiders = st.problems.SpidersOnALine(3, spiders=8)
    base = exact.cost_to_go(spiders, spiders.base_policy())
    better = exact.policy_iteration(spiders, improvement="one-at-a-time")
    assert (better.cost_to_go <= base + 1e-9).all()
    # From the middle, where all but one go right, one spider goes left first: 1 stage instead of 3.
    middle = int(spiders.index(spiders.initial_state(jax.random.key(0))))
    assert (base[middle], better.cost_to_go[middle]) == (3, 1)


NOTHING = np.zeros((4, 2), int)
MISTAKES = {
    "tolerance=0.0: give a positive number": lambda t: exact.value_iteration(t, tolerance=0.0),
    "tolerance=nan": lambda t: exact.cost_to_go(t, NOTHING, tolerance=float("nan")),
    "max_iterations=0: give a whole number from 1 up": lambda t: exact.policy_iteration(t, max_iterations=0),
    "improvement='both': give 'joint' or 'one-at-a-time'": lambda t: exact.policy_iteration(t, improvement="both"),
    "method='magic': give 'direct' or 'iterative'": lambda t: exact.cost_to_go(
        t, np.zeros((4, 2), int), method="magic"
    ),
    "order=(0, 0) is no order of 2 agents": lambda t: exact.policy_iteration(t, order=(0, 0)),
    "evaluations=-1: give a whole number from 0 up": lambda t: exact.modified_policy_iteration(t, evaluations=-1),
    "cost_to_go has shape (3,)": lambda t: exact.bellman(t, np.zeros(3)),
    "The policy's controls are float64": lambda t: exact.cost_to_go(t, np.zeros((4, 2))),
    "The control of agent 1 at state 2 is 9": lambda t: exact.cost_to_go(
        t, NOTHING + np.array([[0, 0], [0, 0], [0, 9], [0, 0]])
    ),
    "The policy chooses [0, 1] at state 0, which is not admissible": lambda t: exact.cost_to_go(
        exact.Tables(np.where(np.arange(4) == 1, np.inf, t.costs), t.transitions, 0.9, num_agents=2),
        np.array([[0, 1]] * 4),
    ),
    "function cannot be called on tables": lambda t: exact.cost_to_go(t, lambda x, k: x),
    "transitions of state 0, joint control 0 sum to 2": lambda t: exact.Tables(
        np.ones((1, 1)), np.full((1, 1, 1), 2), 0.9
    ),
    "transitions has shape (1, 1)": lambda t: exact.Tables(np.ones((1, 1)), np.ones((1, 1)), 0.9),
    "costs of state 0 are all infinite": lambda t: exact.Tables(np.full((1, 1), np.inf), np.ones((1, 1, 1)), 0.9),
    "costs[0, 0] is nan": lambda t: exact.Tables(np.full((1, 1), np.nan), np.ones((1, 1, 1)), 0.9),
    "costs has 3 joint controls, which is no c**2": lambda t: exact.Tables(
        np.ones((1, 3)), np.ones((1, 3, 1)), 0.9, num_agents=2
    ),
    "discount=1.5: give a number above 0 and at most 1": lambda t: exact.Tables(
        t.costs, t.transitions, 1.5, num_agents=2
    ),
    "SpidersAndFlies with arrivals is no finite model": lambda t: exact.value_iteration(
        st.problems.SpidersAndFlies(arrival_rate=0.1)
    ),
}


@pytest.mark.parametrize("sentence", MISTAKES)
def test_a_mistake_is_one_clear_sentence(sentence, without_type_checks):
    tables = exact.tabulate(team(0, controls=2))
    with warnings.catch_warnings(), pytest.raises(st.InputError) as caught:
        without_type_checks(lambda: MISTAKES[sentence](tables))
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


def test_too_many_joint_controls_are_refused_with_the_way_out():
    model = st.problems.SpidersOnALine(3, spiders=10)
    with pytest.raises(st.InputError, match=r"2\*\*10 = 1,024 joint controls.*one-at-a-time.* needs"):
        exact.value_iteration(model)
