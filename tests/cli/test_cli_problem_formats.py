"""Files of all formats as MODEL; where the state is observed, nothing is said of those who do not see it."""

import json

import pytest

from seriatim.cli._load import is_problem_file

WEATHER = """<pomdpx><Discount>0.5</Discount>
<Variable>
  <StateVar vnamePrev="now" vnameCurr="then"><ValueEnum>calm storm</ValueEnum></StateVar>
  <ActionVar vname="move"><ValueEnum>sail wait</ValueEnum></ActionVar>
  <ObsVar vname="sky"><NumValues>1</NumValues></ObsVar>
  <RewardVar vname="pay"/>
</Variable>
<InitialStateBelief><CondProb><Var>now</Var><Parent>null</Parent><Parameter>
  <Entry><Instance>calm</Instance><ProbTable>1</ProbTable></Entry></Parameter></CondProb></InitialStateBelief>
<StateTransitionFunction><CondProb><Var>then</Var><Parent>now move</Parent><Parameter>
  <Entry><Instance>- * -</Instance><ProbTable>identity</ProbTable></Entry></Parameter></CondProb>
</StateTransitionFunction>
<ObsFunction><CondProb><Var>sky</Var><Parent>null</Parent><Parameter>
  <Entry><Instance>o0</Instance><ProbTable>1</ProbTable></Entry></Parameter></CondProb></ObsFunction>
<RewardFunction><Func><Var>pay</Var><Parent>move</Parent><Parameter>
  <Entry><Instance>sail</Instance><ValueTable>3</ValueTable></Entry></Parameter></Func></RewardFunction></pomdpx>
"""
PROCESS = "discount: 0.5\nvalues: reward\nstates: 2\nactions: 2\nstart: 0\nT: * identity\nR: 0 : * : * 3\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [("weather.pomdpx", WEATHER), pytest.param("process.mdp", PROCESS, marks=pytest.mark.slow)],
    ids=["pomdpx", "mdp"],
)
def test_every_format_is_a_model(seriatim, refused, tmp_path, name, text):
    place = tmp_path / name
    place.write_text(text)
    shown = seriatim("compare", place, "--policies", "base", "--episodes", "4", "--horizon", "3").out.replace("\n", "")
    assert f"{name}, state observed" in shown
    assert "-5.25" in shown  # 3 (1 + 1/2 + 1/4)
    place.write_text(text.replace("0.5", "5"))
    refused(seriatim("compare", place), rf"{name}, line 1: the discount is '5'; write a number above 0")


def test_the_names_of_problem_files_are_known():
    """The quick witness of the slow tests here."""
    assert all(is_problem_file(f"some{suffix}") for suffix in (".pomdp", ".dpomdp", ".mdp", ".MDP", ".pomdpx"))
    assert not is_problem_file("some.py:pomdp")


@pytest.mark.slow
def test_a_process_whose_state_is_observed_is_solved_as_such(seriatim, tmp_path):
    place = tmp_path / "process.MDP"
    place.write_text(PROCESS)
    found = json.loads(seriatim("solve", place, "--format", "json").out)
    assert abs(found["policies"]["optimal"]["cost_at_start"] + 6) < 1e-5
    assert "state_hidden" not in found
