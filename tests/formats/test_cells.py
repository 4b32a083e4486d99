"""Start cells and errands: what is written is read again, and whatever else is given is refused in one sentence."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from seriatim._errors import InputError
from seriatim.formats import GridMap, load_agents, load_tasks

#    . . @
#    . @ .
GRID = GridMap(np.array([[True, True, False], [True, False, True]]), name="small.map")
FREE = ((0, 0), (0, 1), (1, 0), (1, 2))

# The text of a file, and the whole sentence after its name; `{what}` is what the reader expects.
MALFORMED = {
    "empty": ("", ": the file is empty; a text file with {what} is expected."),
    "only comments": ("# nothing\n", ": there are only comments; the count of {what} is expected first."),
    "no count": ("a few\n0\n", ", line 1: 'a few' is not a number; the count of {what} is expected."),
    "negative count": ("-1\n", ", line 1: '-1' is not a number; the count of {what} is expected."),
    "too few": ("# two\n2\n0\n", ": 1 line follows, but line 2 says 2 {what}; make them agree."),
    "no cell": (
        "1\nhere\n",
        ", line 2: 'here' is not a cell; a whole number, row * width + column, is expected.",
    ),
    "negative cell": (
        "1\n-3\n",
        ", line 2: '-3' is not a cell; a whole number, row * width + column, is expected.",
    ),
    "fraction of a cell": (
        "1\n1.5\n",
        ", line 2: '1.5' is not a cell; a whole number, row * width + column, is expected.",
    ),
    "outside": ("1\n6\n", ", line 2: cell 6 is outside small.map, 2 x 3; 0 to 5 is expected."),
    "blocked": (
        "2\n0\n\n# a wall\n4\n",
        ", line 5: cell 4 (row 1, column 1) of small.map is blocked; take a free one.",
    ),
}
READERS = {"start cells (.agents)": load_agents, "errands (.tasks)": load_tasks}


@pytest.mark.parametrize("what", READERS)
@pytest.mark.parametrize(("text", "sentence"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_file_is_refused_in_one_sentence(tmp_path, what, text, sentence):
    path = tmp_path / "cells"
    path.write_text(text)
    with pytest.raises(InputError, match=f"^{re.escape(f'{path}{sentence}'.replace('{what}', what))}$"):
        READERS[what](path, GRID)


@pytest.mark.parametrize("what", READERS)
def test_lines_beyond_the_count_are_left_out(tmp_path, what):
    """The Start-Kit reads as many as the first line says; published files have more."""
    path = tmp_path / "cells"
    path.write_text("2\n0\n3\n5\nnot a cell\n")
    assert np.reshape(READERS[what](path, GRID), (2, 2)).tolist() == [[0, 0], [1, 0]]


def test_an_errand_names_the_cell_that_is_wrong(tmp_path):
    path = tmp_path / "some.tasks"
    path.write_text("2\n0,1\n1,,3\n")
    with pytest.raises(InputError, match=r"line 3: '' is not a cell"):
        load_tasks(path, GRID)
    path.write_text("2\n0,1\n1,2\n")
    with pytest.raises(InputError, match=r"line 3: cell 2 \(row 0, column 2\) of small\.map is blocked"):
        load_tasks(path, GRID)


def test_comments_and_blank_lines_are_skipped(tmp_path):
    path = tmp_path / "some.agents"
    path.write_text("# version\n\n2  # two of them\n 0 \n3# the lower left\n")
    assert load_agents(path, GRID) == ((0, 0), (1, 0))


quick = settings(max_examples=200, deadline=None)


@quick
@given(some.lists(some.lists(some.sampled_from(FREE), min_size=1, max_size=4), max_size=5))
def test_what_is_written_is_read(tmp_path_factory, errands):
    path = tmp_path_factory.getbasetemp() / "written.tasks"
    lines = [",".join(str(row * GRID.width + column) for row, column in cells) for cells in errands]
    path.write_text("\n".join([str(len(errands)), *lines]))
    assert load_tasks(path, GRID) == tuple(map(tuple, errands))
    firsts = [line.split(",")[0] for line in lines]
    path.write_text("\n".join([str(len(errands)), *firsts]))
    assert load_agents(path, GRID) == tuple(cells[0] for cells in errands)


@quick
@given(some.one_of(some.binary(max_size=40), some.text("0123456,#\n -", max_size=20).map(str.encode)))
def test_any_bytes_are_cells_or_one_sentence(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "spoilt"
    path.write_bytes(content)
    for load in READERS.values():
        try:
            found = load(path, GRID)
        except InputError as error:
            as_promised = str(error).startswith(str(path)) and "\n" not in str(error)
        else:
            as_promised = set(found if load is load_agents else sum(found, ())) <= set(FREE)
        assert as_promised
