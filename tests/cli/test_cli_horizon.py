"""Finite horizons on the command line: `--horizon` where nothing else ends a problem, and models that say their own."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st
from seriatim.cli._load import Loaded, over_stages
from seriatim.cli._options import Planning
from seriatim.cli._policies import _optimal, _simulation, base_policy
from seriatim.cli._solve import _narrowed, _starts
from seriatim.cli._solved import Answer, Between, Row, Starts, _head, _printed
from seriatim.exact._solution import StagePolicy
from seriatim.finite_horizon import TimedState

# To run pays 1 where the machine is good, to repair costs 3 and makes it good. The start is known to be bad.
MACHINE = """discount: 1
values: reward
states: good bad
actions: run repair
observations: nothing
start: 0.1 0.9
T: run identity
T: repair : * : good 1
O: * : * : nothing 1
R: run : good : * : * 1
R: repair : * : * : * -3
"""
DEFAULT = Planning(samples=None, simulation_horizon=None, significance=None, order=None)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("machine") / "machine.pomdp"
    place.write_text(MACHINE)
    return place


@pytest.fixture(scope="module")
def machine(place):
    return Loaded(st.formats.load(place), str(place), {}, None)


def test_solve_over_stages_is_exact_at_the_start_that_the_file_gives(seriatim, place):
    found = json.loads(seriatim("solve", place, "--horizon", "6", "--format", "json").out)
    policies = found["policies"]
    assert (found["stages"], found["starts"], found["starts_drawn"]) == (6, 2, None)
    # Repaired at once, five stages pay; good from the start, six do. The file's 0.1 is that of double precision.
    assert policies["optimal"]["cost_at_start"] == pytest.approx(0.9 * (3 - 5) + 0.1 * -6, abs=1e-14)
    assert policies["base"]["cost_at_start"] == pytest.approx(0.1 * -6, abs=1e-14)
    assert policies["optimal"]["standard_error"] == 0
    # Nobody sees the state: to repair helps with chance 0.9, and costs a good machine its stage, in any case.
    assert found["state_hidden"] == {"lower": pytest.approx(-2), "upper": pytest.approx(-2), "converged": True}


def test_without_a_horizon_the_sentence_names_the_option(seriatim, refused, place):
    refused(seriatim("solve", place), r"minus infinity.*--horizon N, or --set discount=0.95")


def test_a_horizon_is_part_of_a_problem_that_nothing_else_ends(machine):
    played, cut = over_stages(machine, 3)
    assert isinstance(played.model, st.FiniteHorizon)
    assert (played.model.stages, cut) == (3, 3)
    assert over_stages(machine, None)[1] == 400
    # Planners simulate to the true end, and no cost for ever is added there.
    simulation = _simulation(played, DEFAULT)
    assert (simulation.horizon, simulation.terminal_cost) == (None, None)
    assert isinstance(base_policy(played, None), type(st.at_any_time(lambda x, key: x)))
    assert isinstance(_optimal(played), StagePolicy)


def test_elsewhere_a_horizon_is_where_episodes_are_cut(machine):
    discounted = machine._replace(model=st.formats.TeamPOMDP(machine.model.tables, 0.9))
    ending = machine._replace(model=st.problems.SpidersOnALine())
    for loaded in (discounted, ending):
        assert over_stages(loaded, 3) == (loaded, 3)
    assert _simulation(discounted, DEFAULT).horizon == 10


def test_a_model_may_say_after_how_many_stages_it_ends(machine):
    """A day of 120 minutes is not cut by the clock, it is over."""
    model = st.problems.random_team(0, states=2, agents=1, controls=2, successors=1)
    object.__setattr__(model, "ends_after", 120)
    played, cut = over_stages(machine._replace(model=model), None)
    assert (played.model.stages, cut) == (120, 120)
    played, cut = over_stages(machine._replace(model=model), 50)
    assert (played.model.stages, cut) == (120, 50)


def test_a_mean_over_starts_that_were_drawn_has_its_error():
    cost = np.array([1.0, 3.0, 9.0])
    drawn = Starts(np.array([0.5, 0.5, 0.0]), 1000)
    assert drawn.mean(cost) == (2, pytest.approx(1 / np.sqrt(999)))
    assert Starts(drawn.weights, None).mean(cost) == (2, 0)
    assert Starts(np.array([0.0, 0.0, 1.0]), 1000).mean(cost) == (9, 0)
    assert Starts(drawn.weights, 1000).mean(np.array([1.0, np.inf, 0])) == (np.inf, 0)
    answer = Answer({"optimal": Row(cost, None)}, drawn, None, 1e-6, None)
    assert _head(answer) == "3 states, a mean over 1,000 starts drawn, 2 states, tolerance 1e-06"
    assert _printed("optimal", answer.rows["optimal"], answer)[1] == "2 ± 0.032"
    given = _starts(
        st.problems.Tabular(
            np.zeros((2, 1, 1), int),
            np.ones((2, 1, 1)),
            np.ones((2, 1)),
            np.ones((2, 1, 1), bool),
            0.5,
            initial=[0.25, 0.75],
        ),
        None,
    )
    assert (given.weights.tolist(), given.drawn) == ([0.25, 0.75], None)


def test_bounds_that_had_no_time_are_narrowed_by_what_is_known():
    rows = {"base": Row(np.array([5.0]), None), "optimal": Row(np.array([2.0]), None)}
    answer = Answer(rows, Starts(np.ones(1), None), None, 0.2, None)
    assert _narrowed(Between(-9, 9, False), answer, is_blind=True) == (1.9, 5, False)
    assert _narrowed(Between(-9, 9, False), answer, is_blind=False) == (1.9, 9, False)
    for known in (Between(-9, 9, True), "no bounds"):
        assert _narrowed(known, answer, is_blind=True) == known


@pytest.mark.slow
def test_rollout_is_not_worse_than_its_base_over_three_stages(seriatim, place):
    """Planners that looked ten stages ahead repaired with three left, at a loss of 1."""
    given = ("--horizon", "3", "--episodes", "20", "--samples", "1", "--policies", "base,one-at-a-time,optimal")
    found = json.loads(seriatim("compare", place, *given, "--format", "json").out)["policies"]
    for name in ("one-at-a-time", "optimal"):
        assert found[name]["difference_to_base"]["mean"] <= 0
        assert found[name]["truncated"] == 0


# To run is paid 1 where the machine is good; to repair costs 3 and makes it good; the start is bad. In the first file
# running leads to bad, so no repair ever pays for itself. In the second a good machine stays good: a look ten stages
# ahead promises a repair 9 - 3, while only two of three stages are left to be paid for.
BREAKS = MACHINE.replace("start: 0.1 0.9", "start: bad").replace("T: run identity", "T: run : * : bad 1")
LASTS = MACHINE.replace("start: 0.1 0.9", "start: bad")


@pytest.mark.parametrize("text", [BREAKS, LASTS])
def test_over_three_stages_from_a_bad_machine_nothing_is_worth_its_price(text, tmp_path):
    """Exactly: to run for ever costs 0, to repair first 3 - 1 or 3 - 2. One agent at a time stays at 0."""
    (tmp_path / "machine.pomdp").write_text(text)
    tables = st.exact.tabulate(st.formats.load(tmp_path / "machine.pomdp"))
    run = np.zeros((2, 1), int)
    rollout = st.exact.finite_horizon(tables, 3, improvement="one-at-a-time", initial=run)
    optimum = st.exact.finite_horizon(tables, 3)
    bad = 1
    # No agent can improve on running from there, so what one-at-a-time rollout chooses costs the same.
    assert rollout.history[:, 0, bad].tolist() == [0] * (1 + rollout.iterations)
    assert optimum.cost_to_go[0][bad] == 0
    assert optimum.control[:, bad].tolist() == [[0], [0], [0]]
    repaired = np.array([[[0], [1]], [[0], [0]], [[0], [0]]])
    assert st.exact.finite_horizon_cost(tables, repaired, 3)[0][bad] == (2 if text == BREAKS else 1)


def test_a_planner_that_knows_of_three_stages_does_not_repair(tmp_path):
    """One that looks ten stages ahead does, at a loss of 1."""
    (tmp_path / "machine.pomdp").write_text(LASTS)
    model = st.formats.load(tmp_path / "machine.pomdp")
    base, bad = model.base_policy(), jnp.int32(1)
    assert base.control.tolist() == [0]
    one_sample = st.Simulation(horizon=10, num_samples=1)
    far = st.OneAtATimeRollout(model, base, one_sample).decide(bad, jax.random.key(0))
    assert (far.control.tolist(), float(far.improvement)) == ([1], 9 - 3)
    three = st.FiniteHorizon(model, 3)
    planner = st.OneAtATimeRollout(three, three.base_policy(), one_sample)
    near = planner.decide(TimedState(bad, jnp.int32(3)), jax.random.key(0))
    assert near.q_factors.tolist() == [[0, 1]]
    assert near.control.tolist() == [0]


@pytest.mark.slow
@pytest.mark.parametrize("text", [BREAKS, LASTS])
@pytest.mark.parametrize("suffix", ["pomdp", "mdp"])
def test_the_commands_say_zero_too(seriatim, tmp_path, text, suffix):
    if suffix == "mdp":  # the format without observations
        lines = [line for line in text.splitlines() if not line.startswith(("observations", "O:"))]
        text = "\n".join(line.replace(": * : * : *", ": * : *").replace("good : * : *", "good : *") for line in lines)
    place = tmp_path / f"machine.{suffix}"
    place.write_text(text + "\n")
    found = json.loads(seriatim("solve", place, "--horizon", "3", "--format", "json").out)["policies"]
    assert {name: row["cost_at_start"] for name, row in found.items()} == dict.fromkeys(found, 0)
    given = ("--horizon", "3", "--format", "json")
    compared = json.loads(seriatim("compare", place, *given, "--episodes", "4").out)["policies"]
    assert {name: row["mean"] for name, row in compared.items()} == {"base": 0, "one-at-a-time": 0}
    assert {row["truncated"] for row in compared.values()} == {0}
    assert json.loads(seriatim("run", place, *given, "--policy", "one-at-a-time").out)["cost"] == 0
