"""Grid maps: what is written is read again, and whatever else is given is refused in one sentence."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from hypothesis.extra.numpy import arrays

from seriatim._errors import InputError
from seriatim.formats import GridMap, load_map

EXAMPLE = "type octile\nheight 2\nwidth 3\nmap\n..@\n.T.\n"
EVERY_CELL = ".GSE@OTW"

# The text of a file, and the whole sentence after its name.
MALFORMED = {
    "empty": ("", ": the file is empty; a text file with a grid map (.map) is expected."),
    "only blanks": (" \n\n", ": the file is empty; a text file with a grid map (.map) is expected."),
    "rows only": (
        "..@\n.T.\n",
        ", line 1: '..@' is not a header line; 'type octile', 'height 64', 'width 64' or 'map' is expected.",
    ),
    "long line": (
        "." * 30,
        f", line 1: '{'.' * 20}...' is not a header line; 'type octile', 'height 64', 'width 64' or 'map' is expected.",
    ),
    "no height": (
        "type octile\nwidth 3\nmap\n...\n",
        ", line 3: the header has no height; add a line 'height 64' before 'map'.",
    ),
    "no width": (
        "type octile\nheight 3\nmap\n...\n",
        ", line 3: the header has no width; add a line 'width 64' before 'map'.",
    ),
    "height in words": (
        EXAMPLE.replace("height 2", "height two"),
        ", line 2: height is 'two'; a whole number from 1 up is expected.",
    ),
    "negative width": (
        EXAMPLE.replace("width 3", "width -3"),
        ", line 3: width is '-3'; a whole number from 1 up is expected.",
    ),
    "height 0": (
        EXAMPLE.replace("height 2", "height 0"),
        ", line 2: height is '0'; a whole number from 1 up is expected.",
    ),
    "fullwidth digit": (
        EXAMPLE.replace("height 2", "height \uff12"),
        ", line 2: height is '\uff12'; a whole number from 1 up is expected.",
    ),
    "too many cells": (
        EXAMPLE.replace("height 2", "height 99999999"),
        ": the header says 299,999,997 cells; at most 100,000,000 can be read.",
    ),
    "no map": (
        "type octile\nheight 2\nwidth 3\n",
        ": no line 'map' in 3 lines; it is expected after the header, before the rows.",
    ),
    "too few rows": (
        "type octile\nheight 2\nwidth 3\nmap\n...\n",
        ": the map has 1 row but its header says height 2; make them agree.",
    ),
    "no rows": (
        "type octile\nheight 2\nwidth 3\nmap\n",
        ": the map has 0 rows but its header says height 2; make them agree.",
    ),
    "too many rows": (EXAMPLE + "...\n", ": the map has 3 rows but its header says height 2; make them agree."),
    "short row": (
        EXAMPLE.replace(".T.", ".T"),
        ", line 6: the row has 2 cells but the header says width 3; make them agree.",
    ),
    "long row": (
        EXAMPLE.replace("..@", "..@."),
        ", line 5: the row has 4 cells but the header says width 3; make them agree.",
    ),
    "unknown cell": (
        EXAMPLE.replace(".T.", ".x."),
        ", line 6, column 2: unknown cell 'x'; '.GSE' (passable) and '@OTW' (blocked) are known.",
    ),
    "unknown letter": (
        EXAMPLE.replace(".T.", "..é"),
        ", line 6, column 3: unknown cell 'é'; '.GSE' (passable) and '@OTW' (blocked) are known.",
    ),
    "no free cell": (
        "type octile\nheight 1\nwidth 2\nmap\n@T\n",
        ": the map has no free cell; at least one '.' is expected.",
    ),
}


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "example.map"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize("text", [EXAMPLE, EXAMPLE.rstrip(), EXAMPLE + "\n\n", EXAMPLE.replace("\n", "\r\n")])
def test_a_map_is_read_whatever_ends_its_lines(write, text):
    grid = load_map(write(text))
    assert (grid.height, grid.width) == (2, 3)
    assert grid.passable.tolist() == [[True, True, False], [True, False, True]]


def test_a_byte_order_mark_is_no_part_of_the_header(write):
    assert load_map(write(b"\xef\xbb\xbf" + EXAMPLE.encode())).width == 3


@pytest.mark.parametrize("cell", EVERY_CELL)
def test_every_cell_of_the_format_is_known(write, cell):
    grid = load_map(write(f"type octile\nheight 1\nwidth 2\nmap\n.{cell}\n"))
    assert grid.passable.tolist() == [[True, cell in ".GSE"]]


@pytest.mark.parametrize(("text", "sentence"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_map_is_refused_in_one_sentence(write, text, sentence):
    path = write(text)
    with pytest.raises(InputError, match=f"^{re.escape(f'{path}{sentence}')}$"):
        load_map(path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"type \xff", ", line 1: byte 5 is not text; a text file with a grid map (.map) is expected."),
        (b"GIF89a\0\0", ", line 1: byte 6 is zero; a text file with a grid map (.map) is expected."),
    ],
)
def test_what_is_no_text_is_refused(write, content, sentence):
    path = write(content)
    with pytest.raises(InputError, match=f"^{re.escape(f'{path}{sentence}')}$"):
        load_map(path)


def test_a_missing_file_a_folder_and_an_impossible_name_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"no\.map: no such file; give the path of a file with a grid map"):
        load_map(tmp_path / "no.map")
    with pytest.raises(InputError, match=r"cannot be read \(.+\); give the path of a file with a grid map"):
        load_map(tmp_path)
    with pytest.raises(InputError, match=r"cannot be read \(no file can have this name\)"):
        load_map("a\0b.map")


def test_a_map_of_ones_own_has_two_axes_and_a_free_cell(without_type_checks):
    for passable in (np.ones(3, bool), np.ones((2, 0), bool)):
        with pytest.raises(InputError, match=r"mine: passable has shape .*; \[height, width\] is expected"):
            without_type_checks(lambda passable=passable: GridMap(passable, name="mine"))
    with pytest.raises(InputError, match=r"mine: the map has no free cell"):
        GridMap(np.zeros((2, 2), bool), name="mine")


GRIDS = arrays(np.int8, some.tuples(some.integers(1, 6), some.integers(1, 6)), elements=some.integers(0, 7))


def as_text(codes):
    rows = ["".join(EVERY_CELL[code] for code in row) for row in codes]
    return "\n".join(["type octile", f"height {len(rows)}", f"width {len(rows[0])}", "map", *rows, ""])


# One folder serves all examples: each writes its file anew.
quick = settings(max_examples=200, deadline=None)


@quick
@given(GRIDS.filter(lambda codes: (codes < 4).any()))
def test_what_is_written_is_read(tmp_path_factory, codes):
    path = tmp_path_factory.getbasetemp() / "written.map"
    path.write_text(as_text(codes))
    assert np.array_equal(load_map(path).passable, codes < 4)


@quick
@given(some.binary(max_size=60))
def test_any_bytes_are_a_map_or_one_sentence(tmp_path_factory, content):
    judge(tmp_path_factory, content)


@quick
@given(GRIDS, some.data())
def test_a_spoilt_map_is_a_map_or_one_sentence(tmp_path_factory, codes, data):
    """Replace, repeat or drop one line of a map that was in order."""
    lines = as_text(codes).split("\n")
    at = data.draw(some.integers(0, len(lines) - 1))
    spoilt = some.one_of(some.text(max_size=8), some.sampled_from([*lines, "height 3", "width 1", "map", "map map"]))
    lines[at : at + 1] = data.draw(some.lists(spoilt, max_size=2))
    judge(tmp_path_factory, "\n".join(lines).encode("utf-8", "surrogatepass"))


def judge(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "spoilt.map"
    path.write_bytes(content)
    try:
        grid = load_map(path)
    except InputError as error:
        refusal = str(error)
        as_promised = refusal.startswith(str(path)) and refusal.endswith(".") and "\n" not in refusal
    else:
        as_promised = grid.passable.shape == (grid.height, grid.width) and grid.passable.any()
    assert as_promised
