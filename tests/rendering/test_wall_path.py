"""Walls: the rectangles of the path cover the blocked cells, each once, and nothing else."""

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as some
from hypothesis.extra.numpy import array_shapes, arrays

from seriatim.rendering._grid_svg import wall_path

GRIDS = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=some.booleans())
RECTANGLE = re.compile(r"M(\d+) (\d+)h(\d+)v1h-(\d+)z")


def times_covered(path, shape):
    cells = np.zeros(shape, int)
    for column, row, length, back in (map(int, numbers) for numbers in RECTANGLE.findall(path)):
        assert length == back
        assert column + length <= shape[1]
        cells[row, column : column + length] += 1
    return cells


@given(GRIDS)
def test_every_wall_is_covered_once_and_nothing_else(walls):
    path = wall_path(walls)
    assert RECTANGLE.sub("", path) == ""
    np.testing.assert_array_equal(times_covered(path, walls.shape), walls)


@given(GRIDS)
def test_there_is_one_rectangle_for_each_run_of_a_row(walls):
    runs = sum(len(re.findall("#+", "".join("#" if wall else "." for wall in row))) for row in walls)
    assert len(RECTANGLE.findall(wall_path(walls))) == runs
