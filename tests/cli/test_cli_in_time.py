"""`solve --max-seconds` holds from reading on, and prints the best that was found."""

import time

import numpy as np
import pytest

import seriatim as st
from seriatim.cli import _load, _solve, _solved
from seriatim.cli._load import Loaded
from seriatim.cli._options import Problem

TIGER = """discount: 0.95
values: reward
states: tiger-left tiger-right
actions: listen open-left open-right
observations: hear-left hear-right
T: listen identity
T: open-left uniform
T: open-right uniform
O: * uniform
O: listen
0.85 0.15
0.15 0.85
R: * : * : * : * 10
R: listen : * : * : * -1
R: open-left : tiger-left : * : * -100
R: open-right : tiger-right : * : * -100
R: open-right : tiger-left : * : * 5
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("tiger") / "tiger.pomdp"
    place.write_text(TIGER)
    return place


@pytest.fixture(scope="module")
def tiger(place):
    return Loaded(st.formats.load(place), str(place), {}, None)


def solved(tiger, seconds):
    """The answer of `solve`, without checks of the laws; the base policy listens for ever."""
    latest = time.monotonic() + seconds
    rows, reached = _solve._solved(tiger, np.zeros((2, 1), int), None, 1e-6, latest, lambda *_: None)
    answer = _solved.Answer(rows, _solve._starts(tiger.model, None), None, reached, None)
    return answer._replace(hidden=_solve._hidden(tiger, None, 1e-6, latest, lambda *_: None))


@pytest.fixture(scope="module")
def best(tiger):
    return solved(tiger, 1e6)


def test_without_time_the_table_has_what_is_known_and_says_so(tiger, best, capsys):
    answer = solved(tiger, 0)
    assert {name: row.converged for name, row in answer.rows.items()} == {
        "base": True,
        "one-at-a-time": False,
        "agent-by-agent optimal": False,
        "optimal": False,
    }
    # The optimum is within half of the tolerance; the best policy so far is the base policy.
    assert answer.tolerance > best.tolerance
    assert (np.abs(answer.optimum - best.optimum) <= answer.tolerance / 2).all()
    np.testing.assert_allclose(answer.rows["agent-by-agent optimal"].cost_to_go, [20, 20])
    # Bounds over beliefs come back all the same: those of QMDP and of one blind policy.
    assert not answer.hidden.converged
    assert answer.hidden.lower <= best.hidden.lower <= best.hidden.upper <= answer.hidden.upper
    _solved.print_answer(tiger, answer)
    shown = " ".join(capsys.readouterr().out.split())
    assert (
        "The time was over before one-at-a-time and agent-by-agent optimal and optimal were found: the rows show the "
        "best so far. The costs called optimal are within "
    ) in shown
    assert "the time was over: give --max-seconds for more" in shown
    rows = _solved.entries(tiger, 0, answer)["policies"]
    assert [row["converged"] for row in rows.values()] == [True, False, False, False]
    assert {(row["largest_gap"], row["above_optimum"]) for row in rows.values()} == {(None, None)}
    assert _solved._printed("base", answer.rows["base"], answer) == ["base", "20", "", "", ""]


def test_with_time_enough_nothing_is_said(tiger, best, capsys):
    assert all(row.converged for row in best.rows.values())
    assert best.tolerance == 1e-6
    _solved.print_answer(tiger, best)
    assert "time was over" not in capsys.readouterr().out


def test_where_the_state_is_hidden_half_of_the_time_is_kept_for_bounds(tiger, monkeypatch):
    given = {}

    def watched(*_, max_seconds, **__):
        given["seconds"] = max_seconds
        raise st.InputError("enough")

    monkeypatch.setattr(_solve, "load", lambda *_: tiger)
    monkeypatch.setattr(st, "check_model", lambda *_, **__: type("Fine", (), {"raise_if_broken": lambda _: None})())
    monkeypatch.setattr(_solve, "has_base_policy", lambda *_: False)
    monkeypatch.setattr(st.exact, "modified_policy_iteration", watched)
    problem = Problem("tiger.pomdp", (), 0, "table")
    with pytest.raises(st.InputError, match="enough"):
        _solve.solve(problem, horizon=None, tolerance=1e-6, latest=time.monotonic() + 1000)
    assert 400 < given["seconds"] <= 500


def test_reading_counts(seriatim, refused, place, monkeypatch):
    refused(seriatim("solve", place, "--max-seconds", "1e-9"), r"tiger.pomdp, line 1 of 17: the time was over")
    seen = []
    monkeypatch.setattr(st.formats, "load", lambda name, *, max_seconds: seen.append(max_seconds))
    _load._without_module(str(place), time.monotonic() + 100)
    _load._without_module(str(place), float("inf"))
    assert 90 < seen[0] <= 100
    assert seen[1] is None
