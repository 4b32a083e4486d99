"""`seriatim compare`: one JSON object, the same for the same seed, or a table; and nothing else on standard output."""

import dataclasses
import json
import re

import jax
import jax.numpy as jnp
import pytest

import seriatim as st
from seriatim.cli import _output, _progress

QUICK = ("--episodes", "4", "--horizon", "6", "--samples", "2")
TIMES = "milliseconds_per_decision"


@pytest.fixture(scope="module")
def file(write_in, tmp_path_factory):
    return write_in(tmp_path_factory.mktemp("compare"))


POLICIES = "base,one-at-a-time,all_work"


@pytest.fixture(scope="module")
def computed(seriatim, file):
    """What the command printed, and the comparison that it printed."""
    compare, kept = st.compare, []

    def watched(*given, **options):
        kept.append(compare(*given, **options))
        return kept[-1]

    arguments = ("compare", f"{file}:Countdown", *QUICK, "--policies", POLICIES, "--format", "json", "--seed", "3")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(st, "compare", watched)
        return seriatim(*arguments), kept[0]


@pytest.fixture
def as_json(computed):
    return computed[0]


@pytest.fixture
def answered(computed, unchecked, monkeypatch):
    """Answer with the rows of these names, their estimates changed; keep what was asked, and compute nothing."""

    def answer(*names, **changes):
        _, found = computed
        rows = {name: found.rows[name] for name in names}
        changed = {
            name: dataclasses.replace(row, estimate=dataclasses.replace(row.estimate, **changes))
            for name, row in rows.items()
        }
        asked = []

        def compare(model, policies, *_, **__):
            asked.append((model, policies))
            return dataclasses.replace(found, rows=changed)

        monkeypatch.setattr(st, "compare", compare)
        return asked

    return answer


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
        "interrupted": False,
    }
    assert list(found["policies"]) == ["base", "one-at-a-time", "all_work"]


def test_json_has_every_figure_of_every_policy(as_json):
    rows = json.loads(as_json.out)["policies"]
    figures = {
        "mean",
        "standard_error",
        "truncated",
        "tail_weight",
        "q_factors_per_decision",
        TIMES,
        "states_timed",
        "incomparable",
    }
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


def test_the_same_seed_gives_the_same_figures_and_another_seed_others(seriatim, file, as_json, unchecked):
    arguments = ("compare", f"{file}:Countdown", *QUICK, "--policies", POLICIES)
    assert untimed(seriatim(*arguments, "--format", "json", "--seed", "3")) == untimed(as_json)
    other = untimed(seriatim(*arguments, "--format", "json", "--seed", "4"))
    assert other["policies"] != untimed(as_json)["policies"]


def test_what_is_not_known_is_null(seriatim, file, answered):
    """One episode has no standard error."""
    answered("base", standard_error=float("nan"))
    result = seriatim("compare", f"{file}:Countdown", "--policies", "base", "--episodes", "1", "--format", "json")
    assert json.loads(result.out)["policies"]["base"]["standard_error"] is None
    assert "NaN" not in result.out


def test_what_a_model_prints_is_no_part_of_the_answer(seriatim, write, unchecked):
    file = write(("after = state", "print('hello'); after = state"), ("ready =", "print('loaded'); ready ="))
    arguments = ("--policies", "base", "--episodes", "2", "--horizon", "2", "--format", "json")
    result = seriatim("compare", f"{file}:Countdown", *arguments)
    assert json.loads(result.out)["episodes"] == 2
    assert "loaded\nhello\n" in result.err


def test_fields_are_set_and_said(seriatim, file, answered):
    asked = answered("all_work")
    for source in ("Countdown", "ready", "make"):
        result = seriatim(
            "compare", f"{file}:{source}", *QUICK, "--policies", "all_work", "--set", "start=1", "--format", "json"
        )
        assert json.loads(result.out)["fields"] == {"start": 1}
    assert [model.start for model, _ in asked] == [1, 1, 1]
    assert [float(model.luck) for model, _ in asked] == pytest.approx([0.2, 0.2, 0.5])


def test_what_is_set_is_played(seriatim, file, unchecked):
    arguments = (*QUICK, "--policies", "all_work", "--set", "start=1", "--format", "json")
    found = json.loads(seriatim("compare", f"{file}:Countdown", *arguments).out)
    # From 1, all working, with luck or without, the first stage ends it.
    assert found["policies"]["all_work"]["mean"] == 1


def test_base_may_be_a_policy_or_what_makes_one(seriatim, file, answered):
    asked = answered("base")
    for base in ("all_work", "work_of", f"{file}:all_work"):
        seriatim("compare", f"{file}:Countdown", *QUICK, "--policies", "base", "--base", base)
    controls = [policies["base"](jnp.int32(3), jax.random.key(0)).tolist() for _, policies in asked]
    assert controls == [[1, 1]] * 3


def test_the_table_has_a_row_for_each_policy_and_the_message_is_apart(seriatim, file, answered):
    answered("base", "all_work")
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
        r"seriatim: times of decisions are medians over states that the policy came to \(base \d+, all_work \d+\)\.\n"
        r"seriatim: tracing took [\d.]+ s and compiling [\d.]+ s \(base [\d.]+, all_work [\d.]+\)"
        r"(; compiled programs are kept for the next run)?\.\n",
        result.err,
    )


def test_a_policy_alone_has_no_difference(seriatim, file, answered):
    answered("base")
    assert "difference" not in seriatim("compare", f"{file}:Countdown", *QUICK, "--policies", "base").out


def test_in_a_narrow_terminal_every_policy_has_a_paragraph(seriatim, file, answered, monkeypatch):
    answered("base", "all_work")
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


def test_episodes_that_were_cut_are_pointed_out(seriatim, file, answered):
    answered("base", truncated=1.0, tail_weight=0.9)
    result = seriatim("compare", f"{file}:Countdown", "--episodes", "2", "--horizon", "1", "--policies", "base")
    assert "Truncated episodes were cut, and what would have followed is not counted" in result.out
    assert "100 %" in result.out


def test_progress_is_shown_on_standard_error_alone(seriatim, file, monkeypatch):
    monkeypatch.setattr(_progress, "PATIENCE", 0.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    result = seriatim("compare", f"{file}:Countdown", *QUICK, "--policies", "base", "--format", "json")
    json.loads(result.out)
    assert "checking the model" in result.err
    assert "━" in result.err
