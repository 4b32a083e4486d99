"""Ctrl-C in `seriatim compare` prints what is finished; without a terminal a line says now and then how far it is."""

import json
import time

import numpy as np
import pytest

import seriatim as st
from seriatim.cli import _progress
from seriatim.evaluation import Comparison, Interrupted
from seriatim.evaluation._compare import Difference, Row
from seriatim.evaluation._estimate import estimate
from seriatim.testing._report import Report


@pytest.fixture
def interrupted(seriatim, write, monkeypatch):
    """Run `compare` on three policies, interrupted after some of them."""

    def run(finished, *options):
        costs = np.array([3.0, 5.0])
        found = estimate(costs, np.array([2, 2]), np.array([True, True]), horizon=9, discount=1.0)
        difference = Difference(-1.0, 0.1)
        rows = {n: Row(found, difference if i else None, 0, 0.1, 21, 1.0, 0.1) for i, n in enumerate(finished)}

        def compare(*_, **__):
            raise Interrupted(Comparison(rows, 2, 9))

        for name in ("check_model", "check_policy"):
            monkeypatch.setattr(st, name, lambda *_, **__: Report(()))
        monkeypatch.setattr(st, "compare", compare)
        return seriatim("compare", f"{write()}:Countdown", "--policies", "base,one-at-a-time,all_work", *options)

    return run


def test_the_table_has_what_is_finished_and_says_that_more_was_asked(interrupted):
    result = interrupted(["base", "one-at-a-time"])
    assert result.status == 130
    assert "one-at-a-time" in result.out
    assert "all_work" not in result.out
    assert "Interrupted: 2 of 3 policies" in result.out
    assert result.err == "seriatim: stopped.\n"


def test_json_is_one_object_all_the_same(interrupted):
    result = interrupted(["base"], "--format", "json")
    found = json.loads(result.out)
    assert (result.status, found["interrupted"], list(found["policies"])) == (130, True, ["base"])


@pytest.mark.parametrize("form", ["table", "json"])
def test_where_nothing_is_finished_nothing_is_claimed(interrupted, form):
    result = interrupted([], "--format", form)
    assert (result.status, result.err) == (130, "seriatim: stopped.\n")
    assert form == "table" or json.loads(result.out)["policies"] == {}
    assert form == "json" or result.out == ""


def told_by(capsys, *steps):
    with _progress.progress() as show:
        for step in steps:
            show(*step)
        deadline = time.monotonic() + 10
        lines = ""
        while not lines and time.monotonic() < deadline:
            time.sleep(0.01)
            lines = capsys.readouterr().err
    return lines.splitlines()[0]


def test_without_a_terminal_a_line_says_how_far_it_is(capsys, monkeypatch):
    monkeypatch.setattr(_progress, "PAUSE", 0.02)
    assert told_by(capsys, ("base", 0, 50, "tracing and compiling")) == "seriatim: 0 s: base, tracing and compiling"
    assert told_by(capsys, ("base", 0, 50, ""), ("base", 17.5, 50, "")) == "seriatim: 0 s: base, 35 %"
    assert told_by(capsys, ("checking the model",)) == "seriatim: 0 s: checking the model"


def test_what_is_soon_over_writes_no_line(capsys):
    with _progress.progress() as show:
        show("base", 1, 2)
    assert capsys.readouterr().err == ""
