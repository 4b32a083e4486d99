"""Every form of .pomdp and .dpomdp against arrays written by hand; a mistake is one sentence with its line."""

import re

import numpy as np
import pytest

from seriatim._errors import InputError
from seriatim.formats import load

POMDP = """
discount: 0.9
values: reward
states: left middle right
actions: stay go
observations: 2
start: 0.5 0.25 0.25
T: stay identity
T: go uniform
O: * uniform
"""
TEAM = """
agents: one two
discount: 1.0
values: cost
states: a b
start exclude: a
actions:
x y z
2
observations:
2
dim bright
T: * :
identity
O: * :
uniform
"""


@pytest.fixture
def read(tmp_path):
    def read(text, suffix=".pomdp"):
        place = tmp_path / f"problem{suffix}"
        place.write_text(text)
        return load(place).tables

    return read


def test_names_numbers_and_wildcards_mean_the_same(read):
    rows = [
        ("go", "middle", "right"),
        ("1", "1", "2"),
        ('"go"', '"middle"', "2"),
    ]
    tables = [read(POMDP + f"T: {a} : {s} 0 0 1\nR: {a} : {s} : {t} : * 4\n") for a, s, t in rows]
    for one in tables:
        assert one.transition[1, 1].tolist() == [0, 0, 1]
        assert one.cost[1, 1].tolist() == [0, 0, -4]
    everywhere = read(POMDP + "T: * : * : * 0\nT: * : * : left 1\nR: * : * : * : * -2.5\n")
    assert (everywhere.transition == [1, 0, 0]).all()
    assert (everywhere.cost == 2.5).all()


@pytest.mark.parametrize(
    ("entry", "rows"),
    [
        ("T: go identity", np.eye(3)),
        ("T: go\nidentity", np.eye(3)),
        ('T:"go" :\n"identity"', np.eye(3)),
        ("T: go uniform", np.full((3, 3), 1 / 3)),
        ("T: go reset", np.tile([0.5, 0.25, 0.25], (3, 1))),
        ("T: go : * reset", np.tile([0.5, 0.25, 0.25], (3, 1))),
        ("T: go : * : * 0\nT: go : * : right 1.", np.tile([0, 0, 1], (3, 1))),
        ("T: go : * : * 0\nT: go : * : right : +1e0", np.tile([0, 0, 1], (3, 1))),
        ("T: go\n0 1 0\n0 .5 5e-1\n1. 0 0", np.array([[0, 1, 0], [0, 0.5, 0.5], [1, 0, 0]])),
        ("T: go 0 1 0 0 .5 5e-1 1. 0 0", np.array([[0, 1, 0], [0, 0.5, 0.5], [1, 0, 0]])),
        ("T: go : *\n0 1 0", np.tile([0, 1, 0], (3, 1))),
        ("T: go : * :\n0 1 0", np.tile([0, 1, 0], (3, 1))),
        ("T: go identity # all stay\n#T: go uniform", np.eye(3)),
        ("T:go:*:*:0 T:go:*:left:1", np.tile([1, 0, 0], (3, 1))),
    ],
)
def test_transitions(read, entry, rows):
    assert np.array_equal(read(POMDP + entry).transition[1], rows)


def test_observations(read):
    seen = read(POMDP + "O: go\n1 0\n0 1\n.5 .5\nO: stay : middle 1 0\nO: stay : right : 0 0.25\nO: 0 : 2 : 1 .75")
    assert seen.observation[1].tolist() == [[1, 0], [0, 1], [0.5, 0.5]]
    assert seen.observation[0].tolist() == [[0.5, 0.5], [1, 0], [0.25, 0.75]]


def test_values_of_every_depth_and_their_expectation_over_observations(read):
    text = POMDP + "O: go\n1 0\n0 1\n.25 .75\n"
    by_seen = read(text + "R: go : left : right : 0 8\nR: go : middle : left 2 3\nR: go : right\n1 2\n3 4\n5 6\n").cost
    assert by_seen[1].tolist() == [[0, 0, -2], [-2, 0, 0], [-1, -4, -5.75]]
    alone = read(text + "R: * : left : 7\nR: go : left : middle : -1\n").cost
    assert alone[:, 0].tolist() == [[-7, -7, -7], [-7, 1, -7]]


@pytest.mark.parametrize(
    ("start", "chances"),
    [
        ("", [1 / 3, 1 / 3, 1 / 3]),
        ("start: uniform", [1 / 3, 1 / 3, 1 / 3]),
        ('start:\n"uniform"', [1 / 3, 1 / 3, 1 / 3]),
        ("start: middle", [0, 1, 0]),
        ("start: 2", [0, 0, 1]),
        ("start: 0.1 0.2 0.7", [0.1, 0.2, 0.7]),
        ("start:\n1e-1 .2\n0.7", [0.1, 0.2, 0.7]),
        ("start include: left 2", [0.5, 0, 0.5]),
        ("start exclude: left", [0, 0.5, 0.5]),
    ],
)
def test_starts(read, start, chances):
    tables = read(POMDP.replace("start: 0.5 0.25 0.25", start))
    assert np.allclose(tables.start, chances, atol=1e-15)


def test_later_entries_override_earlier_ones(read):
    text = "T: * : * : * 0\nT: * : * : left 1\nT: stay : right 0 0 1\nR: * : * : * : * 1\nR: stay : left : * : * 2\n"
    tables = read(POMDP + text)
    assert tables.transition[0].tolist() == [[1, 0, 0], [1, 0, 0], [0, 0, 1]]
    assert tables.cost[0].tolist() == [[-2] * 3, [-1] * 3, [-1] * 3]


def test_declarations_stand_in_any_order_over_lines_and_numbers_have_names(read):
    lines = POMDP.strip().split("\n")
    assert np.array_equal(read("\n".join([*reversed(lines[:6]), *lines[6:]])).start, [0.5, 0.25, 0.25])
    assert read(POMDP.replace("left middle right", "\nleft middle\nright")).states == ("left", "middle", "right")
    assert read(POMDP).observations == (("0", "1"),)
    assert read(POMDP.replace("left", '"T"')).states[0] == "T"


def test_a_team_joins_actions_and_observations_with_the_last_agent_fastest(read):
    text = (
        "T: y 1 : a : b : 1\nT: y 1 : a : a : 0\n"  # names and numbers
        "T: 4 :\n0 1\n1 0\n"  # a joint number: z 0
        "T: x * : b :\n0.5 0.5\n"
        "O: z 1 : a :\n0.1 0.2 0.3 0.4\n"
        "O: z 1 : b : * : 0\nO: z 1 : b : * bright : 0.5\n"
        "R: * 1 : * : 3\nR: z * : a : b : * dim : 4\nR: 0 : b : a : 2 : 8\n"
    )
    tables = read(TEAM + text, ".dpomdp")
    assert tables.agents == ("one", "two")
    assert (tables.num_joint_actions, tables.num_joint_observations) == (6, 4)
    assert tables.start.tolist() == [0, 1]
    assert tables.transition[3].tolist() == [[0, 1], [0, 1]]
    assert tables.transition[4].tolist() == [[0, 1], [1, 0]]
    assert tables.transition[:2, 1].tolist() == [[0.5, 0.5]] * 2
    assert tables.observation[5].tolist() == [[0.1, 0.2, 0.3, 0.4], [0, 0.5, 0, 0.5]]
    assert tables.cost[1].tolist() == [[3, 3], [3, 3]]
    assert tables.cost[4].tolist() == [[0, 2], [0, 0]]  # dim half of the time
    assert tables.cost[5].tolist() == [[3, 3], [3, 3]]  # b is never dim after z 1
    assert tables.cost[0].tolist() == [[0, 0], [2, 0]]


MISTAKES = [
    ("T: go uniform", "T: jump uniform", 9, "'jump' is no action"),
    ("T: go uniform", "T: go : left 0.5 0.5 0.5", 9, "sum to 1.5"),
    ("T: go uniform", "T: go : left 0.5 0.5", 9, "gives 2 numbers here; write 3 numbers"),
    ("T: go uniform", "T: go : left : right x", 9, "'x' is no number"),
    ("T: go uniform", "T: go : left : right 1.2.3", 9, "'1.2.3' is no number"),
    ("T: go uniform", "T: go\n1 0 0\n0 1e999 0\n0 0 1", 11, "'1e999' is no number"),
    ("T: go uniform", "T: go\n1 0 0\n0 1 0\n0 0 -1", 12, "-1 is no probability"),
    ("T: go uniform", "T: go : 3 : 0 1", 9, "'3' is no state"),
    ("T: go uniform", "", 10, "T: go : left sum to 0"),
    ("T: go uniform", "T: go : left : right : 1 : 0 : 0", 9, "5 more colons"),
    ("T: go uniform", "T: : left : right 1", 9, "nothing between colons"),
    ("T: go uniform", "T: go : left identity", 9, "identity cannot stand here"),
    ("O: * uniform", "O: * reset", 10, "reset belongs to T"),
    ("O: * uniform", "O: * uniform\nR: go : left : * : * uniform", 11, "cannot stand for a single number"),
    ("discount: 0.9", "", 10, "without 'discount:'"),
    ("discount: 0.9", "discount: 0", 2, "the discount is '0'"),
    ("discount: 0.9", "discount: 0.9\ndiscount: 0.8", 3, "stands here and on line 2"),
    ("discount: 0.9", "agents: 2\ndiscount: 0.9", 2, "has one agent, not 2"),
    ("values: reward", "values: prize", 3, "the values are 'prize'"),
    ("values: reward", "valeus: reward", 3, "'valeus' stands before a colon"),
    ("left middle right", "left middle left", 4, "'left' is no new name"),
    ("left middle right", "left middle T", 4, "a word of the format"),
    ("left middle right", "1000000000", 4, "1 to 100,000"),
    ("left middle right", "90000", 4, "at most 30,000,000"),
    ("left middle right", "0", 4, "'0' states"),
    ("left middle right", "", 4, "states are missing"),
    ("start: 0.5 0.25 0.25", "start: 0.5 0.25", 7, "2 probabilities for 3 states"),
    ("start: 0.5 0.25 0.25", "start: 0.5 0.25 0.5", 7, "sum to 1.25"),
    ("start: 0.5 0.25 0.25", "start: nowhere", 7, "'nowhere' is no start"),
    ("start: 0.5 0.25 0.25", "start exclude: *", 7, "leaves no state"),
    ("start: 0.5 0.25 0.25", "start include: left up", 7, "'up' is no state"),
    ("discount: 0.9", "hello\ndiscount: 0.9", 2, "'hello' is where the file should begin"),
]


@pytest.mark.parametrize(("old", "new", "line", "words"), MISTAKES)
def test_a_mistake_is_one_sentence_with_its_line(read, old, new, line, words):
    assert old in POMDP
    with pytest.raises(InputError) as caught:
        read(POMDP.replace(old, new, 1))
    message = str(caught.value)
    assert words in message
    assert re.search(r"problem\.pomdp, line (\d+): ", message)[1] == str(line), message
    assert "\n" not in message
    assert message.endswith(".")


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("x y z\n2", "x y z", 7, "1 lines for 2 agents"),
        ("start exclude: a\n", "", 15, "without 'start:'"),
        ("T: * :\nidentity", "T: x 0 1 : a : b : 1", 13, "3 words name a joint action"),
        ("T: * :\nidentity", "T: x w :\nidentity", 13, "'w' is no action"),
        ("T: * :\nidentity", "T: 6 :\nidentity", 13, "'6' is no joint action"),
        ("agents: one two", "agents: 17", 2, "at most 16"),
    ],
)
def test_a_mistake_in_a_team_file_is_one_sentence_with_its_line(read, old, new, line, words):
    assert old in TEAM
    with pytest.raises(InputError) as caught:
        read(TEAM.replace(old, new, 1), ".dpomdp")
    assert words in str(caught.value)
    assert f"problem.dpomdp, line {line}: " in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is empty"), (b"\xff\xfe", "is not text"), (b"# only this\n", "nothing but comments"), (b"\0", "is zero")],
)
def test_what_is_no_text_is_said_to_be_none(tmp_path, content, words):
    place = tmp_path / "problem.pomdp"
    place.write_bytes(content)
    with pytest.raises(InputError, match=words):
        load(place)
    with pytest.raises(InputError, match="no such file"):
        load(tmp_path / "other.dpomdp")
    with pytest.raises(InputError, match=r"\.pomdp, \.dpomdp, \.mdp or \.pomdpx is expected"):
        load(tmp_path / "problem.txt")
