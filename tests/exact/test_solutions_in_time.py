"""Exact methods whose time is over say so, and what they return holds: bounds hold the optimum, policies cost that."""

import types

import numpy as np
import pytest
from test_paid_exits import grid_world, tables

import seriatim as st
from seriatim.exact import _checks, _finite_horizon

exact = st.exact
SWEEPS = (exact.value_iteration, exact.modified_policy_iteration)


@pytest.fixture(scope="module")
def discounted():
    rng = np.random.default_rng(0)
    return exact.Tables(rng.uniform(0, 1, (6, 4)), rng.dirichlet(np.ones(6), (6, 4)), 0.99, num_agents=2)


@pytest.fixture(scope="module")
def ending():
    """Discount 1; control 1 costs more and ends sooner, and control 0 of state 0 stays for ever."""
    costs = np.array([[0.1, 1.0], [1.0, 3.0]])
    transitions = np.array([[[1.0, 0.0], [0.0, 0.5]], [[0.5, 0.4], [0.0, 0.3]]])
    return exact.Tables(costs, transitions, 1.0)


@pytest.mark.parametrize("solve", SWEEPS)
@pytest.mark.parametrize("name", ["discounted", "ending"])
def test_bounds_that_had_no_time_still_hold(solve, name, request):
    problem = request.getfixturevalue(name)
    with pytest.warns(exact.NotConverged, match=r"stopped after 1 iterations.* max_seconds"):
        found = solve(problem, max_seconds=0)
    best = exact.policy_iteration(problem).cost_to_go
    assert not found.converged
    assert (np.abs(found.cost_to_go - best) <= found.error_bound + 1e-12).all()
    own = exact.cost_to_go(problem, found.control)
    assert (own - found.cost_to_go <= 2 * found.error_bound + 1e-12).all()


@pytest.mark.parametrize("solve", SWEEPS)
def test_a_policy_that_had_no_time_to_improve_is_one_that_ends(solve):
    """Costs of both signs: policies are evaluated exactly, and the last one counts."""
    problem = tables(*grid_world(-0.04))
    with pytest.warns(exact.NotConverged):
        found = solve(problem, max_seconds=0)
    assert (found.converged, found.error_bound) == (False, np.inf)
    np.testing.assert_allclose(found.cost_to_go, exact.cost_to_go(problem, found.control))


def test_policies_are_those_made_by_then(discounted):
    with pytest.warns(exact.NotConverged, match="policy_iteration stopped after 0 iterations.* the time was over"):
        found = exact.policy_iteration(discounted, improvement="one-at-a-time", max_seconds=0)
    assert (found.iterations, found.converged) == (0, False)
    np.testing.assert_allclose(found.cost_to_go, exact.cost_to_go(discounted, found.control))


def test_with_time_enough_nothing_changes(discounted):
    for solve in (*SWEEPS, exact.policy_iteration):
        np.testing.assert_array_equal(solve(discounted, max_seconds=1e6).cost_to_go, solve(discounted).cost_to_go)
    for improvement in ("joint", "one-at-a-time"):
        limited, free = (
            exact.finite_horizon(discounted, 3, improvement=improvement, max_seconds=seconds) for seconds in (1e6, None)
        )
        np.testing.assert_array_equal(limited.cost_to_go, free.cost_to_go)
        np.testing.assert_array_equal(limited.history, free.history)


def test_stages_that_were_not_seen_are_no_answer(discounted):
    for improvement in ("joint", "one-at-a-time"):
        with pytest.raises(st.InputError, match="The time was over after 0 of 3 stages; give more seconds"):
            exact.finite_horizon(discounted, 3, improvement=improvement, max_seconds=0)


def test_improvements_by_stage_are_those_made_by_then(discounted, monkeypatch):
    """The clock stops in the middle of the first improvement: the policy to start from is what is known."""
    initial = np.zeros((6, 2), int)
    looks = iter([0.0] * 6)  # when it begins, at each stage evaluated, and at two that were improved
    clock = types.SimpleNamespace(monotonic=lambda: next(looks, 2.0))
    for part in (_checks, _finite_horizon):
        monkeypatch.setattr(part, "time", clock)
    with pytest.warns(exact.NotConverged, match="finite_horizon stopped after 0 iterations.* the time was over"):
        found = exact.finite_horizon(discounted, 3, improvement="one-at-a-time", initial=initial, max_seconds=1)
    monkeypatch.undo()
    np.testing.assert_array_equal(found.cost_to_go, exact.finite_horizon_cost(discounted, initial, 3))


def test_outcomes_are_not_enumerated_after_the_time():
    model = st.problems.random_team(0, states=3, agents=1, controls=2, successors=1)
    for solve in (*SWEEPS, exact.policy_iteration):
        with pytest.raises(st.InputError, match=r"outcomes of Tabular were enumerated up to state 0 of 3; give more"):
            solve(model, max_seconds=0)


@pytest.mark.parametrize("wrong", [-1, float("nan"), "60", True])
def test_what_is_no_time_is_refused(discounted, wrong, without_type_checks):
    for solve in (*SWEEPS, exact.policy_iteration):
        with pytest.raises(
            st.InputError, match=r"max_seconds=.*: give a number of seconds from 0 up, or None for no limit"
        ):
            without_type_checks(lambda solve=solve: solve(discounted, max_seconds=wrong))
