"""Problems whose state is hidden are planned and played by beliefs."""

import json

import pytest

import seriatim as st

SMALL = ("repair", "--set", "layout=line", "--set", "width=4", "--set", "robots=2")


def test_a_hidden_state_is_planned_by_beliefs(seriatim):
    """The first stage costs what is expected before anything is seen: 4 sites, a twentieth of each damaged level."""
    found = json.loads(
        seriatim("compare", *SMALL, "--policies", "base", "--episodes", "3", "--horizon", "1", "--format", "json").out
    )
    assert found["policies"]["base"]["mean"] == pytest.approx(4 * 0.05 * 111.1, rel=1e-5)
    assert found["policies"]["base"]["standard_error"] == pytest.approx(0, abs=1e-4)


def test_an_episode_shows_what_is_believed(seriatim, tmp_path):
    place = tmp_path / "repair.svg"
    shown = seriatim("run", *SMALL, "--policy", "base", "--horizon", "3", "--save", place).out
    assert "cut after 3 stages" in shown
    assert place.read_text().startswith("<svg")


def test_its_laws_are_checked(seriatim):
    assert "features" in seriatim("check", *SMALL).out


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
