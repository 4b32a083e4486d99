"""`seriatim train policy-iteration`, and what its runs are good for: policies, bases, signals, terminal costs."""

import json
import shutil

import jax
import numpy as np
import pytest

import seriatim as st
from seriatim.cli._train import at_the_end
from seriatim.evaluation._estimate import estimate
from seriatim.networks._classifier import NetworkValue
from seriatim.training import _policy_iteration

pytestmark = pytest.mark.usefixtures("unchecked")
MODEL = ["spiders-on-a-line"]
SMALL = ["--hidden", "4", "--entities", 2, "--states", 20, "--samples", 2, "--simulation-horizon", 2, "--passes", 1]
TRAIN = ["train", "policy-iteration", *MODEL, *SMALL, "--episodes", 4, "--horizon", 10, "--iterations", 1]


@pytest.fixture(scope="module", params=["idle", pytest.param("at work", marks=pytest.mark.slow)])
def trains(request):
    """Commands, with a trainer that makes its steps without playing, labelling or fitting; or with that of users."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "idle":
            for name in ("_labelled", "_fitted"):
                patch.setattr(st.training.PolicyIteration, name, lambda _, state, __: state)
            patch.setattr(st.training.PolicyIteration, "_valued", lambda _, state: state)
            patch.setattr(st.training.PolicyIteration, "_episodes", episodes)
            patch.setattr(_policy_iteration, "visited", lambda model, _, keys, *__: jax.vmap(model.initial_state)(keys))
            patch.setattr(_policy_iteration, "_agreement", lambda *_: 1.0)
            patch.setattr(st, "compare", compared)
        yield


def episodes(trainer, policy, key):
    """What episodes of any policy cost."""
    costs, stages = np.arange(trainer.episodes, dtype=float), np.full(trainer.episodes, 3)
    return estimate(costs, stages, stages > 0, horizon=trainer.horizon, discount=1.0)


compare = st.compare


def compared(model, policies, *given, **options):
    """Compare the policies with the heuristic in the place of each."""
    return compare(model, dict.fromkeys(policies, model.base_policy()), *given, **options)


@pytest.fixture(scope="module")
def trained(trains, seriatim, tmp_path_factory):
    place = tmp_path_factory.mktemp("runs") / "whole"
    return seriatim(*TRAIN, "--run", place), place


def test_a_table_says_what_each_iteration_gained(trained):
    result, place = trained
    assert result.status == 0, result.err
    assert "difference" in result.out
    assert f"--policies base,{place}" in result.out
    assert "The policy of iteration 1 is kept" in result.out
    metrics = st.training.Run.open(place).metrics()
    assert metrics["iteration"][-1] == 1
    assert np.isnan(metrics["cost"][0])


def test_stopped_and_resumed_it_is_the_same_policy(seriatim, trained, tmp_path):
    place = tmp_path / "parts"
    # As a process leaves it that is killed while it makes the directory.
    (place / "checkpoints").mkdir(parents=True)
    (place / ".environment.json.abc.tmp").write_bytes(b"half")
    stopped = seriatim(*TRAIN, "--run", place, "--resume", "--max-seconds", "1e-6")
    assert stopped.status == 0, stopped.err
    assert "--resume" in stopped.err
    assert "seriatim compare" not in stopped.out
    result = seriatim(*TRAIN, "--run", place, "--resume", "--format", "json")
    assert result.status == 0, result.err
    assert json.loads(result.out)["finished"]
    model = st.problems.SpidersOnALine()
    policies = [st.training.trained_policy(st.training.Run.open(one), model) for one in (place, trained[1])]
    first, second = (np.concatenate([np.ravel(x) for x in jax.tree.leaves(policy)]) for policy in policies)
    assert first.tobytes() == second.tobytes()


def test_a_run_is_a_policy_a_base_a_signal_and_a_terminal_cost(seriatim, trained, monkeypatch):
    _, place = trained
    asked, compare = [], st.compare
    monkeypatch.setattr(st, "compare", lambda *given, **more: asked.append(given) or compare(*given, **more))
    policies = ["--policies", f"base,{place},one-at-a-time,signalling-learned", "--base", place]
    of_run = ["--signal", place, "--value", place, "--simulation-horizon", 2]
    result = seriatim("compare", *MODEL, *policies, *of_run, "--episodes", 3, "--horizon", 8, "--format", "json")
    assert result.status == 0, result.err
    found = json.loads(result.out)["policies"]
    assert list(found) == ["base", str(place), "one-at-a-time", "signalling-learned"]
    assert found["base"]["mean"] == found[str(place)]["mean"]
    ((_, policies, _),) = asked
    network, planner, signalling = (policies[name] for name in ("base", "one-at-a-time", "signalling-learned"))
    assert planner.base is network
    assert type(planner.schedule.guess) is type(signalling.signal) is type(network)
    assert isinstance(planner.simulation.terminal_cost, NetworkValue)


def test_networks_that_were_never_fitted_are_no_policy(seriatim, refused, trained, tmp_path):
    place = shutil.copytree(trained[1], tmp_path / "early")
    for last in sorted((place / "checkpoints").iterdir())[::-1]:
        last.unlink()
        refused(seriatim("compare", *MODEL, "--policies", place), "early has made no policy yet; resume it until its")


def test_a_run_of_another_model_is_refused_by_name(seriatim, refused, trained):
    other = ["spiders-and-flies", "--set", "spiders=1", "--set", "flies=1", "--set", "width=3", "--set", "height=3"]
    said = "was trained on spiders-on-a-line, and this is spiders-and-flies: .* it was written by another setting"
    refused(seriatim("compare", *other, "--policies", trained[1]), said)


def test_a_configuration_that_was_changed_is_a_sentence(seriatim, refused, trained, tmp_path):
    place = shutil.copytree(trained[1], tmp_path / "odd")
    config = (place / "config.json").read_text()
    (place / "config.json").write_text(config.replace('"entities": 2', '"entity": 2'))
    refused(seriatim("compare", *MODEL, "--policies", place), "config.json is damaged, .* .it is not what was written")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--policies", "signalling-learned"], "give --signal"),
        (["--base", "nowhere"], "is in no file, and no run; give it as path/to/file.py:NAME, or as the directory of a"),
        (["--policies", "one-at-a-time", "--signal", "nowhere"], "--signal nowhere is no run"),
        (["--policies", "one-at-a-time", "--value", "nowhere"], "--value nowhere is no run"),
    ],
)
def test_mistakes_are_one_sentence(seriatim, arguments, said):
    result = seriatim("compare", *MODEL, *arguments)
    assert result.status == 2
    assert said in result.err
    assert "Traceback" not in result.err


def test_who_works_is_named_or_refused(seriatim, trains, tmp_path):
    result = seriatim(*TRAIN, "--run", tmp_path / "new", "--on", "moon")
    assert result.status == 2
    assert "--on moon: give cores, devices, ray, or ray=ADDRESS" in result.err


def test_a_value_needs_simulations_that_are_cut(seriatim, trained):
    result = seriatim("compare", *MODEL, "--policies", "one-at-a-time", "--value", trained[1])
    assert result.status == 2
    assert "give --simulation-horizon too" in result.err


def test_what_is_said_of_the_end_is_the_last_policy_not_a_mean_of_several():
    several = {
        "step": np.arange(4),
        "iteration": np.array([np.nan, 1, np.nan, 2]),
        "cost": np.array([np.nan, 9, np.nan, 5]),
    }
    assert {name: column.tolist() for name, column in at_the_end(several).items()} == {"iteration": [2], "cost": [5]}


def test_runs_lists_the_last_policy(seriatim, trained):
    result = seriatim("runs", trained[1], "--format", "json")
    assert result.status == 0, result.err
    (found,) = json.loads(result.out)["runs"] if "runs" in json.loads(result.out) else json.loads(result.out)
    assert found["kind"] == "policy-iteration"
    assert np.isfinite(found["cost"])
