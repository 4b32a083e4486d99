"""Damaged problem files end in a model or in one sentence with the line, never in a traceback or a hang.

`SERIATIM_DAMAGED_FILES=10000 pytest tests/formats/test_damaged_problems.py` tries more of them.
"""

import os
import re

import numpy as np
import pytest

from seriatim._errors import InputError
from seriatim.formats import TeamPOMDP, load

COUNT = int(os.environ.get("SERIATIM_DAMAGED_FILES", "300"))

POMDP = """# a corridor
discount: 0.95
values: reward
states: left middle "T" right
actions: stay go
observations: 3
start exclude: right
T: stay identity
T: go : * reset
T: go : left
0.25 .25 0.25 2.5e-1
T: go : middle : * 0.0
T: go : middle : right 1
O: * uniform
O: go
1 0 0
0 1 0
0 0.5 0.5
0.2 0.3 0.5
R: * : * : * : * -1
R: go : left : right : 2 10
R: stay : left : left 1 2 3
"""
TEAM = """agents: 2
discount: 1.0
values: cost
states: a b c
start:
0.5 0.25 0.25
actions:
x y
3
observations:
2
"dim" bright
T: * :
uniform
T: x * :
identity
T: 5 : a :
0 0 1
T: y 1 : * : b : 0.33333333
O: * :
uniform
O: x 0 : a : 1 bright : 0.25
R: * 1 : * : 3
R: y * : a : b : * dim : 4
R: x 1 : c :
1 2 3 4
5 6 7 8
9 10 11 12
"""
WORDS = [
    "T:",
    "O:",
    "R:",
    "states:",
    "start:",
    "*",
    ":",
    "uniform",
    "reset",
    "-1",
    "1e999",
    "99999999999",
    "nan",
    '"',
    "#",
]


def damaged(text, rng):
    """Damage a file in one of the ways of accidents: cut, words lost, doubled, exchanged or inserted, bits flipped."""
    pieces = re.findall(r"\S+|\s+", text) or [""]
    i, j = rng.integers(len(pieces), size=2)
    way = rng.integers(7)
    if way == 0:
        return text[: rng.integers(len(text) + 1)].encode("latin-1")
    if way == 1:
        del pieces[i]
    if way == 2:
        pieces[i:i] = [pieces[i], " "]
    if way == 3:
        pieces[i], pieces[j] = pieces[j], pieces[i]
    if way == 4:
        pieces[i:i] = [" ", WORDS[rng.integers(len(WORDS))], " "]
    if way == 5:
        pieces[i] = WORDS[rng.integers(len(WORDS))]
    raw = bytearray("".join(pieces).encode("latin-1"))
    if way == 6 and raw:
        raw[rng.integers(len(raw))] ^= 1 << rng.integers(8)
    return bytes(raw)


@pytest.mark.parametrize(("text", "suffix"), [(POMDP, ".pomdp"), (TEAM, ".dpomdp")], ids=["pomdp", "dpomdp"])
def test_a_damaged_file_is_a_model_or_one_sentence_with_its_line(tmp_path, text, suffix):
    place = tmp_path / f"damaged{suffix}"
    place.write_text(text)
    load(place)
    rng = np.random.default_rng(0)
    for _ in range(COUNT // 2):
        raw = damaged(text, rng)
        for _ in range(rng.integers(3)):
            raw = damaged(raw.decode("latin-1"), rng)
        place.write_bytes(raw)
        try:
            assert isinstance(load(place), TeamPOMDP)
        except InputError as error:
            message = str(error)
            assert re.match(r".*damaged\.d?pomdp(, line \d+)?: .*\.$", message), (raw, message)
            assert ", line " in message or "the file is empty" in message, (raw, message)
            assert "\n" not in message, (raw, message)
