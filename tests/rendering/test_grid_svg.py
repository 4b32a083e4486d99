"""The picture of a grid: well-formed, everything there, nothing on top of anything else."""

import re
from collections import Counter
from itertools import combinations, pairwise
from math import dist
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

import seriatim as st
from seriatim.rendering import Mark, grid_svg
from seriatim.rendering._frames import share
from seriatim.rendering._grid_svg import CELL, wall_path
from seriatim.rendering._marks import SLOTS
from seriatim.rendering._palette import AGENT, PAPER, TARGET, ink_on, level_colour

MAP = Path(__file__).parents[3] / "shared" / "data" / "maps" / "random-64-64-10.map"
SVG = "{http://www.w3.org/2000/svg}"
HEIGHT, WIDTH = 3, 5
MARKS = some.lists(
    some.builds(
        Mark,
        row=some.integers(0, HEIGHT - 1),
        column=some.integers(0, WIDTH - 1),
        kind=some.sampled_from(["agent", "target", "gone", "site"]),
        label=some.text(alphabet="A1<&\"'", max_size=4),
        level=some.floats(0, 1),
    ),
    max_size=25,
)


def read(picture):
    root = ElementTree.fromstring(picture)
    assert root.tag == f"{SVG}svg"
    return root


def discs(root):
    """Centres and radii of the agents, in cells."""
    circles = root.iter(f"{SVG}circle")
    return [tuple(float(circle.get(name)) / CELL for name in ("cx", "cy", "r")) for circle in circles]


def diamonds(root):
    """Centres and half diagonals of the targets, in cells."""
    path = "".join(path.get("d") for path in root.findall(f"{SVG}path[@fill='{TARGET}']"))
    corners = re.findall(r"M(\S+) (\S+)l([\d.]+)-[-\d. ]+z", path)
    return [((float(x) + float(half)) / CELL, float(y) / CELL, float(half) / CELL) for x, y, half in corners]


def counts(root):
    texts = (text.text or "" for text in root.iter(f"{SVG}text"))
    return [int(text[1:]) for text in texts if re.fullmatch("\N{MULTIPLICATION SIGN}[0-9]+", text)]


def cells_of(marks, kind):
    return Counter((mark.row, mark.column) for mark in marks if mark.kind == kind)


@given(MARKS)
def test_every_agent_and_target_is_in_its_cell_and_none_covers_another(marks):
    root = read(grid_svg(HEIGHT, WIDTH, marks))
    agents, targets = cells_of(marks, "agent"), cells_of(marks, "target")
    crowded = {cell for cell in agents | targets if agents[cell] + targets[cell] > len(SLOTS)}
    for bodies, drawn in ((agents, discs(root)), (targets, diamonds(root))):
        expected = {cell: 1 if cell in crowded else number for cell, number in bodies.items()}
        assert Counter((int(y), int(x)) for x, y, _ in drawn) == expected
    for x, y, radius in discs(root) + diamonds(root):
        assert radius <= min(x % 1, 1 - x % 1, y % 1, 1 - y % 1)
    for (x, y, radius), (x2, y2, radius2) in combinations(discs(root) + diamonds(root), 2):
        assert dist((x, y), (x2, y2)) >= radius + radius2 - 1e-9


@given(MARKS)
def test_of_a_crowd_the_number_is_written(marks):
    bodies = [mark for mark in marks if mark.kind in ("agent", "target")]
    root = read(grid_svg(HEIGHT, WIDTH, bodies))
    agents, targets = cells_of(bodies, "agent"), cells_of(bodies, "target")
    crowded = [cell for cell in agents | targets if agents[cell] + targets[cell] > len(SLOTS)]
    expected = [kind[cell] for cell in crowded for kind in (agents, targets) if kind[cell] > 1]
    assert sorted(counts(root)) == sorted(expected)


@given(MARKS)
def test_every_cell_of_what_is_gone_has_a_cross_and_every_site_its_colour(marks):
    picture = grid_svg(HEIGHT, WIDTH, marks)
    assert len(re.findall(r"M[\d. ]+l[\d. ]+m", picture)) == len(cells_of(marks, "gone"))
    sites = [mark for mark in marks if mark.kind == "site"]
    shown = Counter(square.get("fill") for square in read(picture).iter(f"{SVG}rect") if square.get("rx"))
    for cell, number in cells_of(marks, "site").items():
        levels = [mark.level for mark in sites if (mark.row, mark.column) == cell]
        shown.subtract(map(level_colour, levels if number <= len(SLOTS) else [max(levels)]))
    assert not any(shown.values())


def test_walls_are_all_there_and_the_same_text_in_every_state():
    walls = np.eye(4, 7, dtype=bool)
    before, after = ([Mark(0, column, "agent", "1"), Mark(3, 5, "target")] for column in (1, 2))
    pictures = [grid_svg(4, 7, marks, walls=walls, vision=1.5) for marks in (before, after)]
    assert all(f'd="{wall_path(walls)}"' in picture for picture in pictures)
    assert wall_path(walls) in share(pictures).prefix


@pytest.mark.parametrize(("width", "expected"), [(30, ["7"]), (31, [])])
def test_numbers_are_written_where_cells_are_large(width, expected):
    root = read(grid_svg(2, width, [Mark(0, 0, "agent", "7")]))
    assert [text.text for text in root.iter(f"{SVG}text")] == expected


def test_labels_and_captions_are_text_whatever_is_in_them():
    root = read(grid_svg(2, 2, [Mark(0, 0, "agent", "<&"), Mark(1, 1, "site", '"')], caption="a < b & c"))
    assert sorted(text.text for text in root.iter(f"{SVG}text")) == ['"', "<&", "a < b & c"]


def test_a_caption_has_a_line_of_its_own_in_which_it_fits():
    without, with_caption = (read(grid_svg(2, 3, [], caption=caption)) for caption in ("", "very " * 40))
    top, below = (float(root.get("viewBox").split()[3]) for root in (without, with_caption))
    (text,) = with_caption.iter(f"{SVG}text")
    assert top < float(text.get("y")) < below
    assert float(text.get("font-size")) * 0.5 * len(text.text) <= 3 * CELL


@given(some.integers(0, 6), some.integers(0, 4), some.integers(0, 6))
def test_vision_shades_the_cells_within_so_many_moves(vision, row, column):
    (inner,) = read(grid_svg(5, 7, [Mark(row, column, "agent")], vision=vision)).findall(f"{SVG}svg")
    path = inner[0].get("d")
    x, y, half = map(float, re.match(r"M(\S+) (\S+)l([\d.]+)-", path).groups())
    for cell in np.ndindex(5, 7):
        apart = abs((cell[1] + 0.5) * CELL - (x + half)) + abs((cell[0] + 0.5) * CELL - y)
        assert (apart <= half) == (abs(cell[0] - row) + abs(cell[1] - column) <= vision)


def test_overlapping_views_are_one_shade():
    crowd = [Mark(1, 1, "agent"), Mark(1, 1, "agent"), Mark(1, 2, "agent")]
    (inner,) = read(grid_svg(4, 4, crowd, vision=1)).findall(f"{SVG}svg")
    shade, edge = inner
    assert shade.get("d").count("M") == edge.get("d").count("M") == 2


def luminance(colour):
    """Relative luminance, WCAG 2.1, 2018."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(one, other):
    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


def test_higher_levels_are_darker_so_that_no_colour_need_be_seen():
    lights = [luminance(level_colour(level)) for level in np.linspace(0, 1, 101)]
    assert all(darker < lighter for lighter, darker in pairwise(lights))


def test_labels_stand_out():
    """WCAG 2.1, 1.4.3 and 1.4.11: at least 3 to 1 for large or bold letters and for graphics."""
    assert min(contrast(AGENT, PAPER), contrast(TARGET, PAPER)) >= 3
    for level in np.linspace(0, 1, 101):
        assert contrast(level_colour(level), ink_on(level)) >= 3


def test_marks_of_a_large_map_are_larger_than_its_cells():
    (small,), (large,) = (discs(read(grid_svg(1, width, [Mark(0, 9, "agent")]))) for width in (40, 450))
    assert small[2] < 0.5
    assert large[2] / 450 >= 0.99 * small[2] / 45


@pytest.mark.skipif(not MAP.exists(), reason=f"no maps at {MAP.parent}")
def test_a_real_map_is_small():
    passable = st.formats.load_map(MAP).passable
    picture = grid_svg(*passable.shape, [], walls=~passable)
    assert wall_path(~passable) in picture
    assert len(picture) < 10_000


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"height": 0}, r"height=0, width=2: .* at least one row"),
        ({"walls": np.zeros((2, 3), bool)}, r"walls has shape \(2, 3\): .* give walls of shape \(2, 2\)"),
        ({"marks": [Mark(2, 0, "agent")]}, r"row=2, .*outside the grid; give a row from 0 to 1"),
        ({"marks": [Mark(0, -1, "agent")]}, r"column=-1, .*outside the grid"),
        ({"marks": [Mark(0, 0, "spider")]}, r"unknown kind 'spider'; give one of 'agent', 'target'"),
        ({"marks": [Mark(0, 0, "site", level=1.5)]}, r"level=1.5 is no shade; give a number from 0 to 1"),
        ({"marks": [Mark(0, 0, "site", level=float("nan"))]}, r"level=nan"),
        ({"vision": -1.0}, r"vision=-1.0: a distance in moves; give a number from 0 up"),
    ],
)
def test_mistakes_are_one_sentence(wrong, message):
    given = {"height": 2, "width": 2, "marks": [], **wrong}
    with pytest.raises(st.InputError, match=message) as error:
        grid_svg(**given)
    assert "\n" not in str(error.value)
