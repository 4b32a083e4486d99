"""Every problem keeps the laws of a model, and its heuristic those of a policy. A new problem joins by one line."""

import functools

import numpy as np
import pytest

import seriatim as st

PROBLEMS = {
    "tabular": lambda: st.problems.random_team(0, states=6, agents=2, controls=(2, 3), discount=0.9, infeasible=0.3),
    "static team": lambda: st.problems.static_team(np.array([[1.0, 0.0], [0.0, 2.0]]), discount=0.9),
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


def walled(*rows):
    return st.formats.GridMap(np.array([[cell == "." for cell in row] for row in rows]))


@functools.cache
def model_report(name):
    return st.check_model(PROBLEMS[name]())


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_laws_hold(name):
    model = PROBLEMS[name]()
    for report in (model_report(name), st.check_policy(model, model.base_policy())):
        assert report.ok, str(report)


@pytest.mark.parametrize("name", [name for name in PROBLEMS if name not in UNBOUNDED])
def test_the_finite_laws_apply(name):
    """A law that is skipped tells nothing: each of these is small enough to be enumerated."""
    found = [f for f in model_report(name).findings if f.law.startswith("finite")]
    assert len(found) == 3
    assert all(f.passed for f in found)


@pytest.mark.parametrize("name", RELAXED)
def test_the_relaxed_laws_apply(name):
    found = [f for f in model_report(name).findings if f.law.startswith("relaxed")]
    assert len(found) == 3
    assert all(f.passed for f in found)
