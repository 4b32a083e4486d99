"""`seriatim compare`: one JSON object, the same for the same seed, or a table; and nothing else on standard output."""

import json
import re

import pytest

from seriatim.cli import _output, _progress

QUICK = ("--episodes", "4", "--horizon", "6", "--samples", "2")
TIMES = "milliseconds_per_decision"


@pytest.fixture(scope="module")
def file(write_in, tmp_path_factory):
    return write_in(tmp_path_factory.mktemp("compare"))


@pytest.fixture(scope="module")
def as_json(seriatim, file):
    policies = "base,one-at-a-time,all_work"
    return seriatim("compare", f"{file}:Countdown", *QUICK, "--policies", policies, "--format", "json", "--seed", "3")


def untimed(result):
    """The object printed, without what a clock said."""
    found = json.loads(result.out)
    for row in found["policies"].values():
        assert row.pop(TIMES) > 0
    return found


def test_json_is_one_object_and_says_what_was_asked(as_json, file):
    assert as_json.status == 0
    assert as_json.out.count("\n") == 1
    found = json.loads(as_json.out)
    settings = {key: value for key, value in found.items() if key != "policies"}
    assert settings == {
        "model": f"{file}:Countdown",
        "fields": {},
        "seed": 3,
        "reference": "base",
        "episodes": 4,
        "horizon": 6,
    }
    assert list(found["policies"]) == ["base", "one-at-a-time", "all_work"]


def test_json_has_every_figure_of_every_policy(as_json):
    rows = json.loads(as_json.out)["policies"]
    figures = {"mean", "standard_error", "truncated", "tail_weight", "incomparable", "q_factors_per_decision", TIMES}
    assert set(rows["base"]) == figures
    for name in ("one-at-a-time", "all_work"):
        assert set(rows[name]) == figures | {"difference_to_base"}
        assert set(rows[name]["difference_to_base"]) == {"mean", "standard_error"}
    counts = [row["q_factors_per_decision"] for row in rows.values()]
    assert counts == [0, 4, 0]


def test_differences_are_those_of_the_means(as_json):
    rows = json.loads(as_json.out)["policies"]
    for name in ("one-at-a-time", "all_work"):
        difference = rows[name]["mean"] - rows["base"]["mean"]
        assert rows[name]["difference_to_base"]["mean"] == pytest.approx(difference, abs=1e-5)


def test_the_same_seed_gives_the_same_figures_and_another_seed_others(seriatim, file, as_json):
    arguments = ("compare", f"{file}:Countdown", *QUICK, "--policies", "base,one-at-a-time,all_work")
    assert untimed(seriatim(*arguments, "--format", "json", "--seed", "3")) == untimed(as_json)
    other = untimed(seriatim(*arguments, "--format", "json", "--seed", "4"))
    assert other["policies"] != untimed(as_json)["policies"]


def test_what_is_not_known_is_null(seriatim, file):
    """One episode has no standard error."""
    result = seriatim("compare", f"{file}:Countdown", "--policies", "base", "--episodes", "1", "--format", "json")
    assert json.loads(result.out)["policies"]["base"]["standard_error"] is None
    assert "NaN" not in result.out


def test_what_a_model_prints_is_no_part_of_the_answer(seriatim, write):
    file = write(("after = state", "print('hello'); after = state"), ("ready =", "print('loaded'); ready ="))
    arguments = ("--policies", "base", "--episodes", "2", "--horizon", "2", "--format", "json")
    result = seriatim("compare", f"{file}:Countdown", *arguments)
    assert json.loads(result.out)["episodes"] == 2
    assert "loaded\nhello\n" in result.err


def test_fields_are_set_and_said(seriatim, file):
    for source in ("Countdown", "ready", "make"):
        result = seriatim(
            "compare", f"{file}:{source}", *QUICK, "--policies", "all_work", "--set", "start=1", "--format", "json"
        )
        found = json.loads(result.out)
        assert found["fields"] == {"start": 1}
        # From 1, all working, with luck or without, the first stage ends it.
        assert found["policies"]["all_work"]["mean"] == 1


def test_base_may_be_a_policy_or_what_makes_one(seriatim, file):
    means = []
    for base in ("all_work", "work_of", f"{file}:all_work"):
        result = seriatim(
            "compare", f"{file}:Countdown", *QUICK, "--policies", "base", "--base", base, "--format", "json"
        )
        means.append(json.loads(result.out)["policies"]["base"]["mean"])
    assert len(set(means)) == 1


def test_the_table_has_a_row_for_each_policy_and_the_message_is_apart(seriatim, file):
    result = seriatim("compare", f"{file}:Countdown", *QUICK, "--policies", "base,all_work")
    assert result.status == 0
    lines = result.out.splitlines()
    assert lines[0] == f"{file}:Countdown"
    assert lines[1] == "4 episodes of at most 6 stages, seed 0"
    base = next(line for line in lines if line.startswith("base "))
    assert re.fullmatch(r"base +\d+\.\d+ ± \d\.\d+ +\d+ % +0 +[\d.]+", base)
    all_work = next(line for line in lines if line.startswith("all_work "))
    assert re.fullmatch(r"all_work +\d+\.\d+ ± \d\.\d+ +[+-]\d+\.\d+ ± \d\.\d+ +\d+ % +0 +[\d.]+", all_work)
    assert re.fullmatch(
        r"seriatim: compiled in [\d.]+ s \(base [\d.]+, all_work [\d.]+\)(; kept for the next run)?\.\n", result.err
    )


def test_a_policy_alone_has_no_difference(seriatim, file):
    assert "difference" not in seriatim("compare", f"{file}:Countdown", *QUICK, "--policies", "base").out


def test_in_a_narrow_terminal_every_policy_has_a_paragraph(seriatim, file, monkeypatch):
    monkeypatch.setattr(_output, "FILE_WIDTH", 40)
    lines = seriatim("compare", f"{file}:Countdown", *QUICK, "--policies", "base,all_work").out.splitlines()
    at = lines.index("all_work")
    entries = [line.split(":")[0] for line in lines[at + 1 :]]
    assert entries[:5] == [
        "  mean cost",
        "  difference to base",
        "  truncated",
        "  Q-factors a decision",
        "  ms a decision",
    ]
    assert max(map(len, lines[1:])) <= 40


def test_episodes_that_were_cut_are_pointed_out(seriatim, file):
    result = seriatim("compare", f"{file}:Countdown", "--episodes", "2", "--horizon", "1", "--policies", "base")
    assert "Truncated episodes were cut and would cost more" in result.out
    assert "100 %" in result.out


def test_progress_is_shown_on_standard_error_alone(seriatim, file, monkeypatch):
    monkeypatch.setattr(_progress, "PATIENCE", 0.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    result = seriatim("compare", f"{file}:Countdown", *QUICK, "--policies", "base", "--format", "json")
    json.loads(result.out)
    assert "checking the model" in result.err
    assert "━" in result.err
