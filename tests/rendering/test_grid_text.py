"""The picture of a grid as text: one a person can check by eye, and one character a cell always."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

import seriatim as st
from seriatim.rendering import Mark, grid_text

EVERYTHING = """
●·██◆
·3·x·
+·▁▄▇
·●··█
""".strip()


def test_a_picture_to_look_at():
    walls = np.zeros((4, 5), bool)
    walls[0, 2:4] = walls[3, 4] = True
    marks = [
        Mark(0, 0, "agent", "1"),
        Mark(0, 0, "gone"),
        *[Mark(1, 1, "agent")] * 3,
        *[Mark(2, 0, "agent")] * 12,
        Mark(3, 1, "agent", "17"),
        Mark(3, 1, "target"),
        Mark(0, 4, "gone"),
        Mark(0, 4, "target"),
        Mark(1, 3, "gone"),
        *[Mark(2, 2 + i, "site", level=i / 2) for i in range(3)],
        Mark(2, 4, "site", level=0.2),
    ]
    assert grid_text(4, 5, marks, walls=walls) == EVERYTHING.replace("x", "\N{MULTIPLICATION SIGN}")
    assert grid_text(4, 5, marks[::-1], walls=walls) == EVERYTHING.replace("x", "\N{MULTIPLICATION SIGN}")


@given(some.integers(1, 6), some.integers(1, 6), some.data())
def test_one_character_a_cell(height, width, data):
    cells = some.tuples(some.integers(0, height - 1), some.integers(0, width - 1), some.sampled_from(["agent", "site"]))
    marks = [Mark(*cell) for cell in data.draw(some.lists(cells))]
    lines = grid_text(height, width, marks).split("\n")
    assert [len(line) for line in lines] == [width] * height
    free = sum(line.count("·") for line in lines)
    assert free == height * width - len({(mark.row, mark.column) for mark in marks})


def test_a_mark_outside_is_a_mistake():
    with pytest.raises(st.InputError, match="outside the grid"):
        grid_text(2, 2, [Mark(0, 2, "agent")])
