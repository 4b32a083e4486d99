"""Problem files as MODEL: their policies see the state, and what cannot be read is one sentence with its line."""

import json

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


def test_a_problem_file_is_a_model(seriatim, refused, tmp_path):
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


def test_a_problem_file_is_solved(seriatim, tmp_path):
    place = tmp_path / "pair.dpomdp"
    place.write_text(TEXT)
    found = json.loads(seriatim("solve", place, "--format", "json").out)
    assert abs(found["policies"]["optimal"]["cost_at_start"] + 6) < 1e-5
