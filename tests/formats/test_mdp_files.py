"""Cassandra's files without observations: the state is seen; every form of R, and the way back."""

import dataclasses
import re

import numpy as np
import pytest

import seriatim as st
from seriatim._errors import InputError
from seriatim.formats import load, save

HEAD = """
discount: 0.9
values: reward
states: calm storm
actions: sail wait
start: calm
T: sail
0.7 0.3
0.4 0.6
T: wait identity
"""
# The same rewards, in every form of the grammar: 1 for sailing from calm, -5 for a storm after sailing in a storm.
REWARDS = {
    "numbers": "R: sail : calm : calm 1\nR: sail : calm : storm 1\nR: sail : storm : storm -5\n",
    "with an observation": "R: sail : calm : * : * 1\nR: sail : 1 : 1 : * -5\n",
    "rows": "R: sail : calm\n1 1\nR: sail : storm 0 -5\n",
    "a matrix": "R: sail\n1 1\n0 -5\n",
    "overridden": "R: * : * : * 1\nR: wait\n0 0 0 0\nR: sail : storm : calm : 0\nR: sail : storm : storm : -5\n",
}


@pytest.fixture
def read(tmp_path):
    def read(text, name="weather.MDP"):
        (tmp_path / name).write_text(text)
        return load(tmp_path / name)

    return read


@pytest.mark.parametrize("rewards", REWARDS.values(), ids=REWARDS)
def test_every_form_of_a_reward_means_the_same(read, rewards):
    model = read(HEAD + rewards)
    assert model.observed
    assert model.tables.cost.tolist() == [[[-1, -1], [0, 5]], [[0, 0], [0, 0]]]
    assert (model.tables.observation == np.eye(2)).all()
    assert model.tables.observations == (("calm", "storm"),)


def test_it_has_the_numbers_of_the_same_problem_with_observations(read):
    seen = "observations: calm storm\nO: * identity\nR: sail : calm : * : * 1\nR: sail : storm : storm : * -5\n"
    whole = read(HEAD.replace("start", "observations: calm storm\nstart") + seen.partition("\n")[2], "weather.pomdp")
    assert read(HEAD + REWARDS["a matrix"]).tables == whole.tables
    assert not whole.observed


def test_it_is_solved_exactly(read):
    model = read(HEAD + REWARDS["a matrix"])
    found = st.exact.policy_iteration(model)
    # Waiting costs nothing; sailing from calm pays 1 and ends in calm with 0.7: V = -1 + 0.9 (0.7 V + 0.3 * 0).
    np.testing.assert_allclose(found.cost_to_go, [-1 / (1 - 0.63), 0], atol=1e-6)


def test_what_is_written_is_read_back_to_the_last_bit(read, tmp_path):
    model = read(HEAD + REWARDS["numbers"])
    for name in ("copy.mdp", "copy.pomdp", "copy.dpomdp"):
        save(model, tmp_path / name)
        copy = load(tmp_path / name)
        assert (copy.tables, copy.observed) == (model.tables, name == "copy.mdp")
    hidden = dataclasses.replace(model, observed=False)
    with pytest.raises(InputError, match=r"cannot be saved as '\.mdp'; give a name with \.pomdp or \.dpomdp"):
        save(hidden, tmp_path / "hidden.mdp")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (HEAD + "O: sail : calm : 0 1\n", "line 11: 'O:' stands in a file without observations; name the file .pomdp."),
        (HEAD + "observations: 2\n", "line 11: an .mdp file has no observations; name the file .pomdp."),
        (HEAD + "R: sail : calm : calm : 1 3\n", "line 11: 'R:' gives 2 numbers here; write 1 number."),
        (HEAD + "R: sail : calm\n1 2 3\n", "line 11: 'R:' gives 3 numbers here; write 2 numbers (2 states)."),
        (HEAD.replace("0.7", "0.6"), "sum to 0.9"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_line(read, text, sentence):
    with pytest.raises(InputError, match=re.escape(sentence)):
        read(text)
