"""`seriatim run`: the episode that `simulate` plays, watched, saved, and stopped in good order."""

import json
import re

import jax
import numpy as np
import pytest

import seriatim as st
from seriatim.cli import _run
from seriatim.cli._files import load_name
from seriatim.simulation._stage import streams

pytestmark = pytest.mark.usefixtures("unchecked")
QUICK = ("--horizon", "6", "--samples", "2")


@pytest.fixture(scope="module")
def file(write_in, tmp_path_factory):
    return write_in(tmp_path_factory.mktemp("run"))


def test_the_episode_is_that_of_simulate_and_the_first_of_evaluate(seriatim, file):
    result = seriatim("run", f"{file}:Countdown", *QUICK, "--policy", "base", "--format", "json", "--seed", "5")
    found = json.loads(result.out)
    model = load_name(f"{file}:Countdown")[0]()
    key = jax.random.key(5)
    first = st.evaluate(model, model.base_policy(), key, episodes=1, horizon=6)
    assert found["cost"] == pytest.approx(first.mean, rel=1e-6)
    path = st.simulate(model, model.base_policy(), jax.random.fold_in(key, 0), horizon=6)
    assert found["stages"] == int(path.length)
    assert found["terminated"] == bool(path.terminated)
    np.testing.assert_allclose(found["costs"], path.costs[: path.length])
    np.testing.assert_array_equal(found["controls"], path.controls[: path.length])
    assert (found["interrupted"], found["saved"], found["departures"]) == (False, None, None)


def test_a_planner_counts_its_departures_and_the_seed_decides(seriatim, file):
    arguments = ("run", f"{file}:Countdown", *QUICK, "--format", "json")
    found = json.loads(seriatim(*arguments).out)
    assert found == json.loads(seriatim(*arguments).out)
    # The second agent had better work too, at every stage.
    assert found["departures"] == found["stages"]
    assert found["controls"] == [[1, 1]] * found["stages"]


def test_optimal_is_a_policy_of_a_finite_model(seriatim):
    found = json.loads(seriatim("run", "spiders-on-a-line", "--policy", "optimal", "--format", "json").out)
    model = st.problems.SpidersOnALine()
    first = model.initial_state(streams(jax.random.fold_in(jax.random.key(0), 0)).start)
    assert found["cost"] == st.exact.value_iteration(model).cost_to_go[model.index(first)]


def test_the_summary_says_how_it_went(seriatim, file):
    result = seriatim("run", f"{file}:Countdown", "--policy", "all_work", "--set", "start=1")
    assert result == (0, f"{file}:Countdown (start=1), all_work, seed 0\nended after 1 stage, cost 1\n", "")


def test_watched_without_a_terminal_stages_come_one_after_the_other(seriatim, file):
    result = seriatim("run", f"{file}:Countdown", "--policy", "all_work", "--set", "start=1", "--watch")
    lines = [line.rstrip() for line in result.out.splitlines()]
    assert lines[:2] == ["stage 0   cost so far 0", "*"]
    assert lines[2] == "stage 1   cost so far 1"
    assert "control [1 1]" in lines


def test_watched_in_a_terminal_stages_replace_each_other(seriatim, file, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    arguments = ("--policy", "one-at-a-time", *QUICK, "--set", "luck=0", "--watch", "--delay", "0")
    result = seriatim("run", f"{file}:Countdown", *arguments)
    erase_line = "\x1b[2K"
    assert result.out.count(erase_line) > 2
    assert re.search(r"stage 2   cost so far 3\.9   improvement over the base control [\d.]+ ± [\d.?]+", result.out)
    assert "ended after 2 stages, cost 3.9" in result.out


def test_a_model_without_pictures_shows_its_arrays(seriatim, write):
    file = write(("def text(self", "def no_text(self"))
    result = seriatim("run", f"{file}:Countdown", "--policy", "all_work", "--set", "start=1", "--watch")
    assert "\nstate 1\n" in result.out


@pytest.mark.parametrize("suffix", ["html", "svg"])
def test_an_episode_is_saved(seriatim, file, tmp_path, suffix):
    picture = tmp_path / f"episode.{suffix}"
    result = seriatim("run", f"{file}:Countdown", "--policy", "all_work", "--set", "start=1", "--save", picture)
    assert result.status == 0
    assert result.out.splitlines()[-1] == f"saved {picture}"
    assert "<svg" in picture.read_text()


def test_decisions_under_a_deadline_are_timed(seriatim, file):
    arguments = ("run", f"{file}:Countdown", *QUICK, "--format", "json")
    free, hurried = (json.loads(seriatim(*arguments, *more).out) for more in ((), ("--budget-ms", "1e6")))
    timing = hurried.pop("timing")
    assert free.pop("timing") is None
    # With time enough it is the same episode.
    assert hurried == free
    assert (timing["budget_ms"], timing["decisions"], timing["share_compared"]) == (1e6, free["stages"], 1.0)
    assert 0 < timing["median_ms"] <= timing["p99_ms"] <= timing["worst_ms"]
    assert timing["over_budget"] == 0
    summary = seriatim("run", f"{file}:Countdown", *QUICK, "--budget-ms", "1e6").out.splitlines()[-1]
    assert re.fullmatch(r"deadline 1e\+06 ms: median .* ms, 99 % within .* ms, worst .* ms, 0\.0% late, .*", summary)


def test_without_time_the_base_control_is_applied(seriatim, file):
    result = seriatim("run", f"{file}:Countdown", *QUICK, "--format", "json", "--budget-ms", "1e-6")
    found = json.loads(result.out)
    assert found["departures"] == 0
    assert (found["timing"]["over_budget"], found["timing"]["share_compared"]) == (1, 0)


def test_a_policy_without_turns_has_no_deadline(seriatim, file):
    result = seriatim("run", f"{file}:Countdown", "--policy", "all_work", "--budget-ms", "5")
    assert result.status == 2
    assert "--budget-ms 5: all_work has no turns that a deadline could leave out" in result.err


def test_ctrl_c_keeps_what_was_played(seriatim, file, tmp_path, monkeypatch):
    def interrupted(*arguments):
        played = stages(*arguments)
        yield next(played)
        raise KeyboardInterrupt

    stages = _run.stages
    monkeypatch.setattr(_run, "stages", interrupted)
    picture = tmp_path / "episode.html"
    result = seriatim("run", f"{file}:Countdown", "--policy", "base", "--save", picture)
    assert result.status == 130
    assert result.out.splitlines()[1:] == ["stopped after 1 stage, cost 3", f"saved {picture}"]
    assert result.err == "seriatim: stopped.\n"
    assert picture.exists()


def test_ctrl_c_elsewhere_says_so_and_nothing_else(seriatim, file, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(st, "check_model", interrupted)
    result = seriatim("run", f"{file}:Countdown")
    assert (result.status, result.out, result.err.strip()) == (130, "", "seriatim: stopped.")
