"""A state on a grid as an SVG picture.

The parts that stay (paper, walls, lines) are written first and last, and the parts that move in between. This order is
the same for every state of a model, which makes an episode of many pictures small. No style uses a class or an
identifier, so that several pictures can be put into any page.

Walls are one path: a rectangle for each run of blocked cells in a row. A real map has thousands of blocked cells and
hundreds of runs, so the path is several times smaller than a rectangle a cell, and neighbours in a row show no seam.
"""

from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple, TypeAlias

import numpy as np
import svg
from jaxtyping import Bool

from seriatim._errors import InputError
from seriatim.rendering._marks import Mark, Placed, check_grid, of_kind, spread
from seriatim.rendering._palette import AGENT, BORDER, FONT, GONE, INK, LINE, PAPER, TARGET, WALL, ink_on, level_colour

Number: TypeAlias = float | int

# Coordinates are in twentieths of a cell, so that most of them are small whole numbers.
CELL = 20
# A grid with more than ROOMY cells a side has no room for labels and lines. Above VAST, marks grow beyond their cells,
# so that they remain visible.
ROOMY = 30
VAST = 45


class _Grid(NamedTuple):
    height: int
    width: int

    @property
    def longest(self) -> int:
        return max(self.height, self.width)

    @property
    def pixels(self) -> int:
        """The pixels of a cell in a picture that is not scaled."""
        return min(48, max(2, round(640 / self.longest)))

    @property
    def pixel(self) -> Number:
        """The size of a pixel in units, which is the width of lines."""
        return _short(CELL / self.pixels)

    @property
    def room(self) -> float:
        """The side of the square that a mark may fill when it is alone in its cell, in cells."""
        return max(1.0, self.longest / VAST)

    @property
    def mark(self) -> float:
        """The side of that square in units."""
        return CELL * self.room


def grid_svg(
    height: int,
    width: int,
    marks: Sequence[Mark],
    *,
    walls: Bool[np.ndarray, "height width"] | None = None,
    caption: str = "",
    vision: Number | None = None,
    ways: Sequence[tuple[tuple[int, int], tuple[int, int]]] = (),
) -> str:
    """Draw a grid and what stands in it as one SVG picture, legible on light and dark pages.

    Agents are discs, with their labels if there is room. Targets are diamonds, and targets that are gone faded crosses.
    Sites are squares, darker for a higher level. Marks that share a cell stand apart, or become one with a count.

    Args:
        height: rows.
        width: columns.
        marks: the things to draw; later ones cover earlier ones of their kind.
        walls: True where a cell is blocked.
        caption: a line under the grid.
        vision: shade the cells that lie within so many moves (up, down, left, right) of an agent.
        ways: pairs of (row, column) cells to join by a line; they replace the lines between cells.

    Raises:
        InputError: there are no cells, the walls have another shape, a mark is outside, or `vision` is negative.
    """
    check_grid(height, width, marks, walls)
    if vision is not None and not vision >= 0:
        raise InputError(f"vision={vision}: a distance in moves; give a number from 0 up, or None.")
    grid = _Grid(height, width)
    drawn = [
        *(_ways(grid, ways) if ways else _ground(grid, walls)),
        *_sites(grid, spread(of_kind(marks, "site"), grid.room)),
        *_gone(grid, of_kind(marks, "gone")),
        *_vision(grid, of_kind(marks, "agent"), vision),
        *_bodies(grid, spread(of_kind(marks, "target", "agent"), grid.room)),
        svg.Rect(width=width * CELL, height=height * CELL, fill="none", stroke=BORDER, stroke_width=grid.pixel),
        *_caption(grid, caption),
    ]
    return str(_sheet(grid, drawn, _line_height(grid) if caption else 0))


def _sheet(grid: _Grid, drawn: list[svg.Element], below: Number) -> svg.SVG:
    # Half of the border's line lies outside the grid. The margin keeps it in the picture.
    margin = grid.pixel
    width, height = grid.width * CELL + 2 * margin, grid.height * CELL + 2 * margin + below
    scale = grid.pixels / CELL
    return svg.SVG(
        viewBox=svg.ViewBoxSpec(-margin, -margin, _short(width), _short(height)),
        width=round(width * scale),
        height=round(height * scale),
        extra={
            "role": "img",
            "aria-label": f"grid of {grid.height} rows and {grid.width} columns",
            "font-family": FONT,
            "font-weight": "600",
            "text-anchor": "middle",
        },
        elements=[svg.Rect(x=-margin, y=-margin, width=_short(width), height=_short(height), fill=PAPER), *drawn],
    )


def _ground(grid: _Grid, walls: Bool[np.ndarray, "height width"] | None) -> list[svg.Element]:
    ground: list[svg.Element] = []
    if grid.longest <= ROOMY:
        across = "".join(f"M0 {row * CELL}h{grid.width * CELL}" for row in range(1, grid.height))
        down = "".join(f"M{column * CELL} 0v{grid.height * CELL}" for column in range(1, grid.width))
        ground.append(svg.Path(stroke=LINE, stroke_width=grid.pixel, extra={"d": across + down}))
    if walls is not None and np.any(walls):
        ground.append(svg.Path(fill=WALL, transform=[svg.Scale(CELL)], extra={"d": wall_path(walls)}))
    return ground


def _ways(grid: _Grid, ways: Sequence[tuple[tuple[int, int], tuple[int, int]]]) -> list[svg.Element]:
    middle = CELL // 2
    path = "".join(
        f"M{a[1] * CELL + middle} {a[0] * CELL + middle}L{b[1] * CELL + middle} {b[0] * CELL + middle}" for a, b in ways
    )
    return [svg.Path(stroke=BORDER, stroke_width=_short(2 * grid.pixel), fill="none", extra={"d": path})]


def _sites(grid: _Grid, sites: list[Placed]) -> list[svg.Element]:
    drawn: list[svg.Element] = []
    for site in sites:
        half = 0.44 * grid.mark * site.size
        side, corner = _short(2 * half), _short(0.3 * half)
        drawn.append(
            svg.Rect(
                x=_short(site.x * CELL - half),
                y=_short(site.y * CELL - half),
                width=side,
                height=side,
                rx=corner,
                fill=level_colour(site.mark.level),
            )
        )
        drawn += _label(grid, site, fill=ink_on(site.mark.level))
    return drawn


def _gone(grid: _Grid, gone: list[Mark]) -> list[svg.Element]:
    """Draw one cross in each cell with targets that are gone, however many they are."""
    cells = dict.fromkeys((mark.row, mark.column) for mark in gone)
    if not cells:
        return []
    # A cross is two strokes from the top left corner: down to the right, then from the top right down to the left.
    arm = 0.2 * grid.mark
    across = _short(2 * arm)
    crosses = "".join(
        f"M{_short((column + 0.5) * CELL - arm)} {_short((row + 0.5) * CELL - arm)}"
        f"l{across} {across}m0-{across}l-{across} {across}"
        for row, column in cells
    )
    width = _short(0.09 * grid.mark)
    return [
        svg.Path(
            stroke=GONE, stroke_width=width, stroke_linecap="round", opacity=0.7, fill="none", extra={"d": crosses}
        )
    ]


def _vision(grid: _Grid, agents: list[Mark], vision: Number | None) -> list[svg.Element]:
    """Shade the cells that agents see: a diamond about each agent, all in one path, so that none is shaded twice."""
    if vision is None or not agents:
        return []
    cells = dict.fromkeys((mark.row, mark.column) for mark in agents)
    # Half a cell is added to the moves, so that the centre of the farthest cell lies inside. A larger reach than the
    # whole grid shows nothing more.
    reach = min(vision, grid.height + grid.width) + 0.5
    diamonds = "".join(_diamond((column + 0.5) * CELL, (row + 0.5) * CELL, reach * CELL) for row, column in cells)
    # A picture inside the picture cuts the diamonds off at the edge of the grid. A clip path would need an identifier.
    shade = svg.Path(fill=AGENT, fill_opacity=0.1, extra={"d": diamonds})
    edge = svg.Path(fill="none", stroke=AGENT, stroke_opacity=0.35, stroke_width=grid.pixel, extra={"d": diamonds})
    return [svg.SVG(xmlns=None, width=grid.width * CELL, height=grid.height * CELL, elements=[shade, edge])]


def _bodies(grid: _Grid, bodies: list[Placed]) -> list[svg.Element]:
    discs: list[svg.Element] = []
    labels: list[svg.Element] = []
    # All diamonds share one path, because marks take most of the file of a long episode.
    diamonds = ""
    for body in bodies:
        x, y, size = body.x * CELL, body.y * CELL, grid.mark * body.size
        if body.mark.kind == "agent":
            discs.append(svg.Circle(cx=_short(x), cy=_short(y), r=_short(0.38 * size)))
        else:
            diamonds += _diamond(x, y, 0.38 * size)
        labels += _label(grid, body)
    # A rim in the colour of the paper separates a mark from walls and, where marks are larger than cells, from others.
    rim = _short(0.05 * grid.mark)
    targets = svg.Path(fill=TARGET, stroke=PAPER, stroke_width=rim, extra={"d": diamonds})
    return [
        *([targets] if diamonds else []),
        *_group(discs, svg.G(fill=AGENT, stroke=PAPER, stroke_width=rim)),
        *_group(labels, svg.G(fill=PAPER)),
    ]


def _label(grid: _Grid, placed: Placed, fill: str | None = None) -> list[svg.Element]:
    """Write a count at any size, but a label only if it has at most three characters and the cell has room."""
    text = f"\N{MULTIPLICATION SIGN}{placed.stands_for}" if placed.stands_for > 1 else placed.mark.label
    if not text or (placed.stands_for == 1 and (grid.longest > ROOMY or len(text) > 3)):
        return []
    size = grid.mark * placed.size * (0.46, 0.42, 0.32, 0.25)[min(len(text), 4) - 1]
    # The text is moved down by a third of its size, because renderers disagree about `dominant-baseline`.
    x, y = _short(placed.x * CELL), _short(placed.y * CELL + 0.35 * size)
    return [svg.Text(x=x, y=y, font_size=_short(size), fill=fill, text=escape(text))]


def _caption(grid: _Grid, caption: str) -> list[svg.Element]:
    if not caption:
        return []
    line, width = _line_height(grid), grid.width * CELL
    # A character is about half as wide as it is high. A long caption is written smaller, so that it is not cut.
    size = min(0.6 * line, width / (0.55 * len(caption)))
    y = grid.height * CELL + 0.7 * line
    return [svg.Text(x=width // 2, y=_short(y), font_size=_short(size), fill=INK, text=escape(caption))]


def _line_height(grid: _Grid) -> Number:
    """Return the height of the caption's line in units: 24 pixels."""
    return _short(24 * grid.pixel)


def _group(elements: list[svg.Element], group: svg.G) -> list[svg.Element]:
    """Put elements into a group, if there are any."""
    group.elements = elements
    return [group] if elements else []


def _diamond(x: Number, y: Number, half: Number) -> str:
    side = _short(half)
    # In path data a minus sign separates numbers, so no space is needed before it.
    return f"M{_short(x - side)} {_short(y)}l{side}-{side} {side} {side}-{side} {side}z"


def _short(number: Number) -> Number:
    """Round to a hundredth of a unit, which nobody can see, and write whole numbers without a point."""
    rounded = round(number, 2)
    return int(rounded) if rounded == int(rounded) else rounded


def wall_path(walls: Bool[np.ndarray, "height width"]) -> str:
    """Write the blocked cells as SVG path data, one unit a cell; no two rectangles overlap."""
    return "".join(f"M{column} {row}h{length}v1h-{length}z" for row, column, length in runs(walls))


def runs(walls: Bool[np.ndarray, "height width"]) -> Iterator[tuple[int, int, int]]:
    """Yield (row, first column, length) of each longest run of blocked cells, row by row."""
    # With a free cell before and after each row, +1 marks the first cell of a run and -1 the cell after its last.
    edges = np.diff(np.pad(np.asarray(walls, np.int8), ((0, 0), (1, 1))), axis=1)
    rows, starts = np.nonzero(edges == 1)
    _, ends = np.nonzero(edges == -1)
    for row, start, end in zip(rows.tolist(), starts.tolist(), ends.tolist(), strict=True):
        yield row, start, end - start
