"""Bounds over beliefs when the time is short, when there are many controls, and in double precision."""

import time

import numpy as np
import pytest
from small import random_problem

import seriatim as st
from seriatim.beliefs._tables import observed_tables
from seriatim.beliefs.solvers import _informed
from seriatim.beliefs.solvers._blind import blind_costs
from seriatim.exact._rows import as_sparse


@pytest.fixture(scope="module")
def problem():
    return random_problem(3, states=4, agents=1, controls=3, observations=3, discount=0.9, end=0.2)


@pytest.fixture(scope="module")
def tables(problem):
    return observed_tables(problem)


def rows_of(tables):
    return as_sparse(tables.transitions.transpose(1, 0, 2).reshape(-1, len(tables.costs)))


def informed(tables, q):
    """The right-hand side of the fast informed bound, as it is written."""
    after = np.array(tables.costs)
    for x, u in np.ndindex(q.shape):
        for seen in tables.likelihood[u].T:
            weights = tables.transitions[u, x] * seen
            after[x, u] += tables.discount * min(weights[weights > 0] @ column[weights > 0] for column in q.T)
    return after


@pytest.mark.parametrize("block", [1, 2**22])
def test_a_sweep_of_the_fast_informed_bound_is_its_equation(tables, block, monkeypatch):
    monkeypatch.setattr(_informed, "BLOCK", block)
    sweep = _informed.informed_sweep(tables.costs, rows_of(tables), tables.likelihood, tables.discount)
    q = np.random.default_rng(0).normal(size=tables.costs.shape)
    np.testing.assert_allclose(sweep(q), informed(tables, q), atol=1e-12)
    q[2, 1] = np.inf
    np.testing.assert_allclose(sweep(q), informed(tables, q), atol=1e-12)


def test_columns_that_are_left_out_change_no_minimum():
    rng = np.random.default_rng(1)
    for states in (1, 2, 5):
        q = rng.integers(0, 6, (states, 200)).astype(float)
        q[:, 0] = np.inf
        kept = q[:, _informed.undominated_columns(q)]
        weights = rng.dirichlet(np.ones(states), 100)
        np.testing.assert_array_equal((weights @ kept).min(axis=1), (weights @ q[:, 1:]).min(axis=1))
        assert kept.shape[1] < 60
    assert _informed.undominated_columns(rng.normal(size=(1, 1000))).size == 1


def test_without_any_time_bounds_hold_all_the_same(problem, tables):
    known = st.beliefs.bounds(problem, tolerance=0.3)
    found = st.beliefs.bounds(problem, max_seconds=0)
    assert (found.trials, found.converged) == (0, False)
    assert found.lower <= known.lower + 1e-9
    assert known.upper <= found.upper + 1e-9
    assert np.isfinite(found.lower)
    assert found.upper >= st.beliefs.blind_policies(problem).at(tables.prior) - 1e-12


def test_bounds_begin_with_the_fast_informed_bound(problem, tables):
    found = st.beliefs.bounds(problem, tolerance=100.0)
    assert found.trials == 0
    assert found.lower == pytest.approx(st.beliefs.fast_informed_bound(problem).at(tables.prior), abs=1e-4)
    assert found.upper == pytest.approx(st.beliefs.blind_policies(problem).at(tables.prior), abs=1e-12)


def test_a_search_stops_when_the_time_is_over(problem, monkeypatch):
    """The clock moves by a second whenever it is looked at."""
    ticks = iter(range(10**9))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(ticks)))
    found = st.beliefs.bounds(problem, tolerance=1e-12, max_seconds=2000.0)
    assert not found.converged
    assert next(ticks) < 2100
    assert found.lower <= found.upper


def test_many_states_are_bounded_from_above_by_iteration(tables, monkeypatch):
    monkeypatch.setattr("seriatim.beliefs.solvers._blind.LARGE", 1)
    exact = blind_costs(tables.costs, tables.transitions, tables.discount, None)
    hurried = blind_costs(tables.costs, tables.transitions, tables.discount, None, latest=time.monotonic() + 60)
    assert (hurried >= exact - 1e-12).all()
    np.testing.assert_allclose(hurried, exact, rtol=1e-7)
    none_left = blind_costs(tables.costs, tables.transitions, tables.discount, None, np.array([2, 0, 1]), latest=0.0)
    assert np.isinf(none_left[:2]).all()
    assert (none_left[2] >= exact[2]).all()


@pytest.mark.parametrize("horizon", [1, 3])
def test_bounds_over_stages_are_the_exact_value_or_hold_it(problem, horizon):
    best = st.beliefs.centralised_value(problem, horizon)
    assert st.beliefs.centralised_bounds(problem, horizon) == (best, best, True)
    lower, upper, converged = st.beliefs.centralised_bounds(problem, horizon, max_seconds=0)
    assert lower <= best + 1e-12
    assert best <= upper + 1e-12
    assert converged == (horizon == 1)


PAIR = """agents: 2
discount: 0.9
values: cost
states: 3
start:
0.1 0.2 0.7
actions:
2
3
observations:
2
1
T: * :
uniform
T: 1 2 : 0 : 2 : 0.3
T: 1 2 : 0 : 0 : 0.7
T: 1 2 : 0 : 1 : 0
O: * : * : 0 0 : 0.1
O: * : * : 1 0 : 0.9
R: * : 0 : * : * : 0.1
R: 1 2 : 0 : 2 : * : 7
"""


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    place = tmp_path_factory.mktemp("pair") / "pair.dpomdp"
    place.write_text(PAIR)
    return st.formats.load(place)


def test_probabilities_of_files_stay_in_double_precision(pair):
    tables = observed_tables(pair)
    np.testing.assert_array_equal(tables.prior, np.array([0.1, 0.2, 0.7]) / np.sum([0.1, 0.2, 0.7]))
    # Joint controls are numbered as 3**2, of which the first agent has no third.
    np.testing.assert_array_equal(tables.transitions[5, 0], [0.7, 0, 0.3])
    np.testing.assert_array_equal(tables.likelihood[5, 0], [0.1, 0.9])
    assert tables.costs[0, 5] == 0.7 * 0.1 + 0.3 * 7
    assert np.isinf(tables.costs[:, 6:]).all()
    assert not tables.transitions[6:].any()


def test_two_stages_of_a_file_are_exact_to_the_last_digits(pair):
    """Beliefs that are nearly equal are met once, and none is rounded."""
    tables = observed_tables(pair)
    finite = tables.costs[:, np.isfinite(tables.costs[0])]
    moves = tables.transitions[np.isfinite(tables.costs[0])]
    seen = tables.likelihood[np.isfinite(tables.costs[0])]
    after = np.einsum("x,axy,ayo->aoy", tables.prior, moves, seen)
    best = (tables.prior @ finite + tables.discount * (after @ finite).min(axis=2).sum(axis=1)).min()
    assert abs(st.beliefs.centralised_value(pair, 2) - best) < 1e-14


def test_rows_of_files_are_those_of_their_outcomes(pair):
    control = np.array([[[1, 2], [0, 1]]] * 3)
    own = st.exact._sources.source(pair)
    by_outcomes = own._replace(given=None)
    for found, expected in (
        (own.rows(control), by_outcomes.rows(control)),
        (own.joint_rows(), by_outcomes.joint_rows()),
    ):
        np.testing.assert_allclose(found.costs, expected.costs, rtol=1e-6)
        np.testing.assert_allclose(found.transitions.toarray(), expected.transitions.toarray(), atol=1e-7)
