"""Every problem keeps the laws of a model, and its heuristic those of a policy. A new problem joins by one line."""

import numpy as np
import pytest

import seriatim as st
from seriatim.problems._tabular import static_team

PROBLEMS = {
    "tabular": lambda: st.problems.random_team(0, states=6, agents=2, controls=(2, 3), discount=0.9, infeasible=0.3),
    "static team": lambda: static_team(np.array([[1.0, 0.0], [0.0, 2.0]]), discount=0.9),
    "spiders on a line": lambda: st.problems.SpidersOnALine(length=5),
    "flies stay, in any cell": lambda: st.problems.SpidersAndFlies(spiders=2, flies=1, width=3, height=2),
    "flies stay, in given cells": lambda: st.problems.SpidersAndFlies(
        spiders=2, flies=2, width=3, height=3, fly_cells=((0, 0), (2, 2)), collisions=False
    ),
    "flies wander": lambda: st.problems.SpidersAndFlies(
        spiders=1, flies=2, width=3, height=2, fly_behaviour="wander", cost="flies", discount=0.9
    ),
    "flies flee between walls": lambda: st.problems.SpidersAndFlies(
        spiders=1, flies=1, map=walled("...", ".@.", "..."), fly_behaviour="flee", vision=2
    ),
    "flies wander between walls": lambda: st.problems.SpidersAndFlies(
        spiders=2, flies=2, map=walled("....", ".@..", "...."), fly_behaviour="wander", max_flies=3, vision=1
    ),
    "flies arrive": lambda: st.problems.SpidersAndFlies(
        spiders=3, flies=2, width=4, height=5, fly_behaviour="wander", arrival_rate=0.2, arrival_stages=(2, 2, 7)
    ),
}


# Problems with flies that may come: no finite models.
UNBOUNDED = ("flies wander between walls", "flies arrive")
RELAXED = ("flies stay, in any cell", "flies wander", "flies wander between walls", "flies arrive")


# One without dynamics, one that is deterministic, one with all laws; the others where slow tests run.
FAST = ("static team", "spiders on a line", "flies wander")


def marked(name):
    return pytest.param(name, marks=[] if name in FAST else [pytest.mark.slow])


def walled(*rows):
    return st.formats.GridMap(np.array([[cell == "." for cell in row] for row in rows]))


@pytest.fixture(scope="module", params=[marked(name) for name in PROBLEMS])
def checked(request):
    """A problem's name, and the report on its model: one check for all tests of this page."""
    return request.param, st.check_model(PROBLEMS[request.param]())


def test_the_models_laws_hold(checked):
    assert checked[1].ok, str(checked[1])


@pytest.mark.parametrize("name", [marked(name) for name in PROBLEMS])
def test_the_laws_of_the_heuristic_hold(name):
    model = PROBLEMS[name]()
    report = st.check_policy(model, model.base_policy())
    assert report.ok, str(report)


def test_the_finite_laws_apply(checked):
    """A law that is skipped tells nothing: each of these is small enough to be enumerated."""
    name, report = checked
    if name in UNBOUNDED:
        return
    found = [f for f in report.findings if f.law.startswith("finite")]
    assert len(found) == 3
    assert all(f.passed for f in found)


def test_the_relaxed_laws_apply(checked):
    name, report = checked
    if name not in RELAXED:
        return
    found = [f for f in report.findings if f.law.startswith("relaxed")]
    assert len(found) == 3
    assert all(f.passed for f in found)
