"""Scenario files: what is written is read, and whatever else is given is refused in one sentence with its line."""

import re

import numpy as np
import pytest

from seriatim._errors import InputError
from seriatim.formats import GridMap, load_scenarios
from seriatim.formats._scenarios import Scenario
from seriatim.problems import SpidersAndFlies

#    . . @
#    . @ .
#    . . .
GRID = GridMap(np.array([[True, True, False], [True, False, True], [True, True, True]]), name="small.map")
GOOD = "0\tmaps/small one.map\t3\t3\t1\t0\t2\t1\t3.41421356"
LINES = {
    "9 entries": (
        "0 a.map 3 3 1 0 2 1",
        "there are 8 entries; 9 are expected: bucket, map, width, height, start column",
    ),
    "whole": ("0 a.map 3 3 1.5 0 2 1 4", "the start column is '1.5'; a number from 0 up is expected."),
    "negative": ("0 a.map 3 3 1 0 -2 1 4", "the goal column is '-2'; a number from 0 up"),
    "length": ("0 a.map 3 3 1 0 2 1 -4", "the length is '-4'; a number from 0 up"),
    "width": ("0 a.map 4 3 1 0 2 1 4", "the map's width is 4, and small.map has 3; give the map of the scenarios."),
    "outside": ("0 a.map 3 3 1 0 2 3 4", "the goal (row 3, column 2) is outside small.map, 3 x 3."),
    "blocked": ("0 a.map 3 3 1 1 2 1 4", "the start (row 1, column 1) of small.map is blocked; take a free one."),
}


@pytest.fixture
def read(tmp_path):
    def read(text):
        (tmp_path / "some.scen").write_text(text)
        return load_scenarios(tmp_path / "some.scen", GRID)

    return read


def test_what_a_line_says(read):
    expected = Scenario(0, "maps/small one.map", (0, 1), (1, 2), 3.41421356)
    assert read(f"version 1\n{GOOD}\n") == read(f"version 1.0\r\n{GOOD} \r\n\r\n") == (expected,)
    old = "7 a.map 1 0 2 1 4"
    assert (
        read(f"{old}\n\n{old}")
        == read(f"version 0\n{old}\n{old}")
        == (expected._replace(bucket=7, map="a.map", length=4),) * 2
    )


@pytest.mark.parametrize(("line", "sentence"), LINES.values(), ids=LINES)
def test_a_malformed_line_is_refused_in_one_sentence(read, line, sentence):
    with pytest.raises(InputError, match=rf"some\.scen, line 4: {re.escape(sentence)}"):
        read(f"version 1\n{GOOD}\n\n{line}\n")


def test_a_file_without_scenarios_is_refused(read):
    with pytest.raises(InputError, match="no scenario follows the version"):
        read("version 1\n")
    with pytest.raises(InputError, match=r"line 1: 'version two' is no version; 'version 1' is expected"):
        read("version two\n")
    with pytest.raises(InputError, match="the file is empty; a text file with scenarios"):
        read("\n")


def test_spiders_hunt_from_the_starts_of_a_file_for_its_goals(tmp_path):
    path = tmp_path / "some.scen"
    path.write_text(f"version 1\n{GOOD}\n0 a 3 3 0 2 2 2 2\n")
    model = SpidersAndFlies(spiders=2, flies=1, map=GRID, starts=path, fly_cells=path)
    assert model.start_cells.tolist() == [[0, 1], [2, 0]]
    assert model.first_fly_cells.tolist() == [[1, 2]]
