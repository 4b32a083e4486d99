"""`seriatim train` and `seriatim runs`: what is trained is kept, can be gone on with, and can be used."""

import json
import shutil

import jax
import numpy as np
import pytest

import seriatim as st
from seriatim.networks._decentralised import DecentralisedPolicy

pytestmark = pytest.mark.usefixtures("unchecked")
MODEL = [
    "spiders-and-flies",
    *(
        part
        for field in ("spiders=2", "flies=1", "width=4", "height=3", "vision=2", "cost=flies")
        for part in ("--set", field)
    ),
]
TRAIN = ["train", "policy-gradient", *MODEL, "--hidden", "8", "--batch", "8", "--horizon", "6"]


@pytest.fixture(scope="module")
def trained(seriatim, tmp_path_factory):
    place = tmp_path_factory.mktemp("runs") / "whole"
    arguments = [*TRAIN, "--steps", 12, "--checkpoint-every", 5, "--run", place]
    return seriatim(*arguments, "--format", "json"), place


def test_one_object_says_what_came_of_it(trained):
    result, place = trained
    assert result.status == 0, result.err
    found = json.loads(result.out)
    assert found["run"] == str(place)
    assert (found["steps"], found["finished"]) == (12, True)
    assert found["fields"] == {"spiders": 2, "flies": 1, "width": 4, "height": 3, "vision": 2, "cost": "flies"}
    metrics = st.training.Run.open(place).metrics()
    assert np.isclose(found["last"]["cost"], np.mean(metrics["cost"]))
    assert len(metrics["cost"]) == 12


def test_resumed_it_is_the_same_policy(seriatim, trained, tmp_path):
    place = tmp_path / "parts"
    for steps in (7, 12):
        more = ["--resume"] if steps == 12 else []
        result = seriatim(*TRAIN, "--checkpoint-every", 5, "--steps", steps, "--run", place, *more)
        assert result.status == 0, result.err
    model = st.problems.SpidersAndFlies(spiders=2, flies=1, width=4, height=3, vision=2, cost="flies")
    policies = [st.training.trained_policy(st.training.Run.open(one), model) for one in (place, trained[1])]
    first, second = (np.concatenate([np.ravel(x) for x in jax.tree.leaves(p.parameters)]) for p in policies)
    assert first.tobytes() == second.tobytes()


@pytest.fixture
def planned(trained):
    """The comparison of a run, and of a rollout on top of it."""
    _, place = trained
    planner = ["--policies", f"{place},one-at-a-time", "--base", place, "--samples", 2, "--simulation-horizon", 4]
    return ["compare", *MODEL, *planner, "--episodes", 3, "--horizon", 8, "--format", "json"]


def test_a_run_is_a_policy_and_a_base_policy(seriatim, trained, planned, monkeypatch):
    compare, asked = st.compare, []

    def of_the_heuristic(model, policies, *given, **options):
        asked.append(policies)
        return compare(model, dict.fromkeys(policies, model.base_policy()), *given, **options)

    monkeypatch.setattr(st, "compare", of_the_heuristic)
    result = seriatim(*planned)
    assert result.status == 0, result.err
    place = str(trained[1])
    assert list(json.loads(result.out)["policies"]) == list(asked[0]) == [place, "one-at-a-time"]
    assert type(asked[0][place]) is type(asked[0]["one-at-a-time"].base) is DecentralisedPolicy


@pytest.mark.slow
def test_a_run_is_improved_by_a_rollout_on_top(seriatim, planned):
    found = json.loads(seriatim(*planned).out)["policies"]
    assert found["one-at-a-time"]["q_factors_per_decision"] == 2 * 5


def test_runs_are_listed(seriatim, trained, tmp_path):
    _, place = trained
    found = json.loads(seriatim("runs", place.parent, "--format", "json").out)["runs"]
    assert [(run["run"], run["state"], run["steps"]) for run in found] == [(str(place), "finished", 12)]
    picture = tmp_path / "curves.svg"
    table = seriatim("runs", place, "--plot", picture)
    assert table.status == 0, table.err
    assert "leave-one-out" in table.out
    assert "finished" in table.out
    assert picture.read_text().lstrip().startswith("<?xml")


@pytest.fixture(scope="module")
def home(seriatim, trained, tmp_path_factory):
    """A directory with runs/ in it: two runs that differ, and one that is damaged."""
    folder = tmp_path_factory.mktemp("home")
    shutil.copytree(trained[1], folder / "runs" / "whole")
    other = [*TRAIN, "--steps", 4, "--entropy", "0.01", "--run", folder / "runs" / "quick"]
    assert seriatim(*other).status == 0
    (folder / "runs" / "bad" / "checkpoints").mkdir(parents=True)
    (folder / "runs" / "bad" / "config.json").write_text("{")
    shutil.copytree(trained[1], folder / "runs" / "odd")
    (folder / "runs" / "odd" / "config.json").write_text('{"set": 3}')
    shutil.copytree(trained[1], folder / "runs" / "mute")
    (folder / "runs" / "mute" / "status.json").write_text("{}")
    return folder


def test_a_damaged_run_does_not_hide_the_others(seriatim, home, monkeypatch):
    monkeypatch.chdir(home)
    result = seriatim("runs", "--format", "json")
    assert result.status == 0
    assert "config.json is damaged" in result.err
    assert "odd/config.json is damaged, or no configuration of a run (it does not say which version" in result.err
    assert "mute/status.json is damaged, or no status of a run (it does not say which version" in result.err
    found = {entry["run"]: entry for entry in json.loads(result.out)["runs"]}
    assert {name: entry["state"] for name, entry in found.items()} == {
        "runs/bad": "damaged",
        "runs/mute": "damaged",
        "runs/odd": "damaged",
        "runs/quick": "finished",
        "runs/whole": "finished",
    }
    assert found["runs/whole"]["last"]["cost"] == found["runs/whole"]["cost"]


def test_runs_that_are_named_are_compared(seriatim, home, monkeypatch):
    monkeypatch.chdir(home)
    result = seriatim("runs", "whole", "quick")
    assert result.status == 0, result.err
    lines = [line.split() for line in result.out.splitlines()]
    assert ["entropy", "0", "0.01"] in lines
    assert ["steps", "12", "4"] in lines
    assert not any(line and line[0] == "horizon" for line in lines)  # both have the same
    assert [line[0] for line in lines if line and line[0] in ("cost", "gradient_norm")] == ["cost", "gradient_norm"]


def test_curves_of_runs_of_one_name_are_told_apart(trained, home):
    runs = [st.training.Run.open(trained[1]), st.training.Run.open(home / "runs" / "whole")]
    assert [run.name for run in runs] == ["whole", "whole"]
    (axes,) = st.training.plot_runs(runs).axes
    assert [line.get_label() for line in axes.lines] == [str(run.path) for run in runs]


def test_time_that_is_up_is_no_error(seriatim, tmp_path):
    result = seriatim(*TRAIN, "--run", tmp_path / "r", "--steps", 10**6, "--max-seconds", "0.01", "--format", "json")
    assert result.status == 0
    assert json.loads(result.out)["finished"] is False
    assert "--resume goes on from there" in result.err


def test_mistakes_are_one_sentence(seriatim, refused, trained, write, tmp_path, without_type_checks):
    _, place = trained
    refused(seriatim(*TRAIN, "--run", place), r"is a run already; go on with --resume, or give another --run DIR")
    refused(
        seriatim(*TRAIN, "--run", place, "--resume", "--batch", 16),
        r"was started with batch 8, not 16; give the same settings",
    )
    refused(seriatim(*TRAIN, "--run", tmp_path / "none", "--resume"), "is no run, for it has no config.json")
    refused(seriatim(*TRAIN, "--estimator", "magic"), "estimator='magic' does not serve trajectories; choose one of")
    refused(seriatim(*TRAIN, "--hidden", "8,x"), r"--hidden 8,x: give the sizes of the layers, as in 64,64")
    refused(seriatim(*TRAIN, "--learning-rate", "0"), "--learning-rate 0: give a number above 0")
    refused(
        without_type_checks(
            lambda: seriatim("train", "policy-gradient", f"{write()}:Countdown", "--run", tmp_path / "c")
        ),
        "Countdown does not say what each agent sees; give it a method agent_observations",
    )
    refused(seriatim("runs", tmp_path / "nowhere"), "is no directory; give one with runs in it")
    refused(seriatim("runs", place, "--plot", "curves.doc"), "give a file that ends in .svg, .png or .pdf")
    refused(seriatim("compare", *MODEL, "--policies", "base,runs/none"), "policy runs/none is unknown")
    other = ["spiders-and-flies", "--set", "vision=1", "--policies", f"base,{place}", "--episodes", 2]
    refused(seriatim("compare", *other), "it was written by another setting")
    (tmp_path / "damaged" / "checkpoints").mkdir(parents=True)
    (tmp_path / "damaged" / "config.json").write_text("{")
    refused(seriatim("compare", *MODEL, "--policies", f"base,{tmp_path / 'damaged'}"), "config.json is damaged")


def test_a_mistake_leaves_no_run_behind(seriatim, refused, tmp_path):
    place = tmp_path / "r"
    refused(seriatim(*TRAIN, "--run", place, "--batch", 10), "leave-one-out plays groups of num_samples")
    assert not place.exists()


@pytest.mark.slow
def test_a_run_whose_numbers_overflow_says_so_and_keeps_what_was(seriatim, refused, tmp_path):
    place = tmp_path / "r"
    result = seriatim(*TRAIN, "--run", place, "--learning-rate", "1e38", "--steps", 40)
    refused(result, "became .* at step .*; the state before it is kept in")
    run = st.training.Run.open(place)
    assert run.status["state"] == "failed"
    assert run.steps
