"""Problems whose state is hidden are planned and played by beliefs."""

import json

import pytest

import seriatim as st
from seriatim.testing._report import Report

SMALL = ("repair", "--set", "layout=line", "--set", "width=4", "--set", "robots=2")


def test_a_hidden_state_is_planned_by_beliefs(seriatim, unchecked):
    """The first stage costs what is expected before anything is seen: 4 sites, a twentieth of each damaged level."""
    found = json.loads(
        seriatim("compare", *SMALL, "--policies", "base", "--episodes", "3", "--horizon", "1", "--format", "json").out
    )
    assert found["policies"]["base"]["mean"] == pytest.approx(4 * 0.05 * 111.1, rel=1e-5)
    assert found["policies"]["base"]["standard_error"] == pytest.approx(0, abs=1e-4)


def test_an_episode_shows_what_is_believed(seriatim, tmp_path, unchecked):
    place = tmp_path / "repair.svg"
    shown = seriatim("run", *SMALL, "--policy", "base", "--horizon", "3", "--save", place).out
    assert "cut after 3 stages" in shown
    assert place.read_text().startswith("<svg")


@pytest.mark.slow
def test_its_laws_are_checked(seriatim):
    assert "features" in seriatim("check", *SMALL).out


def test_the_model_of_beliefs_is_what_is_checked(seriatim, monkeypatch, tmp_path):
    """A built-in one's, and that of a user's own: whatever `belief_model()` returns."""
    place = tmp_path / "own.py"
    place.write_text("class Own:\n    transition = None\n\n    def belief_model(self):\n        return 'beliefs'\n")
    checked = []
    monkeypatch.setattr(st, "check_model", lambda model, *_, **__: checked.append(model) or Report(()))
    monkeypatch.setattr(st, "check_policy", lambda *_, **__: Report(()))
    for arguments in (SMALL, (f"{place}:Own",)):
        assert seriatim("check", *arguments).status == 0
    assert type(checked[0]) is type(st.problems.Repair().belief_model())
    assert checked[1] == "beliefs"


@pytest.mark.slow
def test_a_user_may_offer_beliefs_too(seriatim, tmp_path):
    """Whatever `belief_model()` returns is what is played."""
    place = tmp_path / "own.py"
    place.write_text(
        "import seriatim as st\n\n\ndef own():\n    return st.problems.Repair(robots=1, layout='line', width=3)\n"
    )
    found = json.loads(
        seriatim(
            "compare", f"{place}:own", "--policies", "base", "--episodes", "2", "--horizon", "1", "--format", "json"
        ).out
    )
    assert found["policies"]["base"]["mean"] == pytest.approx(3 * 0.05 * 111.1, rel=1e-5)
    assert st.problems.Repair().belief_model().num_agents == 4
