"""Problem files as MODEL: their policies see the state, and what cannot be read is one sentence with its line."""

import json

import seriatim as st
from seriatim.cli._load import Loaded
from seriatim.cli._options import Planning
from seriatim.cli._policies import _simulation

TEXT = """agents: 2
discount: 0.5
values: reward
states: 2
start:
uniform
actions:
stay go
2
observations:
2
2
T: * :
identity
O: * :
uniform
R: * : * : -1
R: go 1 : * : 3
"""


def test_a_problem_file_is_a_model(seriatim, refused, tmp_path, unchecked):
    place = tmp_path / "pair.dpomdp"
    place.write_text(TEXT)
    given = ("--policies", "base", "--episodes", "4", "--horizon", "3")
    shown = seriatim("compare", place, *given).out.replace("\n", "")
    assert f"{place}, state observed" in shown
    assert "-5.25" in shown  # 3 (1 + 1/2 + 1/4)
    other = json.loads(seriatim("compare", place, *given, "--set", "discount=1", "--format", "json").out)
    assert other["policies"]["base"]["mean"] == -9
    place.write_text(TEXT.replace("go 1", "go 2"))
    refused(seriatim("compare", place), r"pair\.dpomdp, line 18: '2' is no action")
    refused(seriatim("solve", tmp_path / "nothing.pomdp"), "no such file")


def loaded(model):
    return Loaded(model, "model", {}, None)


def test_what_never_ends_is_simulated_for_a_few_stages(tmp_path):
    """Without a discount, to termination would be 10,000 stages for each of 32 samples of each Q-factor."""
    place = tmp_path / "pair.dpomdp"
    place.write_text(TEXT.replace("discount: 0.5", "discount: 1"))
    planning = Planning(samples=None, simulation_horizon=None, significance=None, order=None)
    for model, value in (
        (st.problems.Repair().belief_model(), st.problems.DamageForever),
        (st.formats.load(place), type(None)),
    ):
        simulation = _simulation(loaded(model), planning)
        assert simulation.horizon == 10
        assert isinstance(simulation.terminal_cost, value)
    assert _simulation(loaded(st.problems.SpidersAndFlies()), planning).horizon is None


def test_a_problem_file_is_solved(seriatim, tmp_path):
    place = tmp_path / "pair.dpomdp"
    place.write_text(TEXT)
    found = json.loads(seriatim("solve", place, "--format", "json").out)
    assert abs(found["policies"]["optimal"]["cost_at_start"] + 6) < 1e-5
    # Nothing that is seen tells anything, and nothing moves: to go and stay pays in both states.
    assert found["state_hidden"]["lower"] <= -6 + 1e-6 <= found["state_hidden"]["upper"] + 2e-4
    assert found["state_hidden"]["converged"]


def test_the_tiger_is_solved_as_what_it_is(seriatim, unchecked, monkeypatch, tmp_path):
    """The published value of the classical problem, a reward of 19.3714; without a discount it says why not."""
    bounds, kept = st.beliefs.bounds, []

    def once(*given, **options):
        if not kept:
            kept.append(bounds(*given, **options))
        return kept[0]

    monkeypatch.setattr(st.beliefs, "bounds", once)
    place = tmp_path / "tiger.pomdp"
    place.write_text(TIGER)
    found = json.loads(seriatim("solve", place, "--format", "json", "--tolerance", "1e-3").out)["state_hidden"]
    assert found["lower"] - 1e-6 <= -19.3714 <= found["upper"] + 1e-4
    assert found["upper"] - found["lower"] <= 1e-3
    shown = " ".join(seriatim("solve", place, "--tolerance", "1e-3").out.split())
    assert "State hidden" in shown
    assert "is between -19.37" in shown


TIGER = """discount: 0.95
values: reward
states: left right
actions: listen open-left open-right
observations: hear-left hear-right
start: uniform
T: * uniform
T: listen identity
O: * uniform
O: listen
0.85 0.15
0.15 0.85
R: * : * : * : * 10
R: listen : * : * : * -1
R: open-left : left : * : * -100
R: open-right : right : * : * -100
"""
