"""Scenario files of the MovingAI benchmarks, `.scen`: many pairs of a start and a goal on one map.

    version 1
    0  maze-32-32-2.map  32  32  17  21  15  16  13.82842712

    bucket, map, its width and height, column and row of the start, of the goal, and the length of a shortest path

In a file with the line `version 0`, or without a version, lines lack width and height. The length is that of the
benchmark, which has diagonal moves.

Source: N. Sturtevant, Benchmarks for Grid-Based Pathfinding, IEEE Trans. Comput. Intell. AI Games 4(2), 2012, and
the format's page at movingai.com/benchmarks/formats.html.
"""

from pathlib import Path
from typing import NamedTuple

from seriatim._errors import InputError
from seriatim.formats._cells import Cell, check_free
from seriatim.formats._grid_map import GridMap
from seriatim.formats._lines import quoted, read_lines, whole_number
from seriatim.formats._numbers import number

# Numbers of a line, after the bucket and the name of the map.
NEW, OLD = ("width", "height"), ()
PLACES = ("start column", "start row", "goal column", "goal row")


class Scenario(NamedTuple):
    """A pair of a start and a goal on a map.

    Attributes:
        bucket: pairs of about the same length share one.
        map: the name of the map, as the file has it.
        start: (row, column).
        goal: (row, column).
        length: of a shortest path with diagonal moves, each of length sqrt(2).
    """

    bucket: int
    map: str
    start: Cell
    goal: Cell
    length: float


def load_scenarios(path: str | Path, grid: GridMap) -> tuple[Scenario, ...]:
    """Read the scenarios of a `.scen` file, in the order of the file.

    Raises:
        InputError: the file is missing, not text, or malformed, the map has another size, or a cell is outside the map
            or blocked; the sentence gives the line.
    """
    lines = read_lines(path, "scenarios (.scen)")
    sizes, first = _version(path, lines)
    meant = [(place, line) for place, line in enumerate(lines[first:], first + 1) if line.strip()]
    if not meant:
        raise InputError(f"{path}: no scenario follows the version; a line for each is expected.")
    return tuple(_scenario(f"{path}, line {place}", line, sizes, grid) for place, line in meant)


def _version(path: str | Path, lines: list[str]) -> tuple[tuple[str, ...], int]:
    """Return which sizes of the map each line has, and how many lines come before the first scenario."""
    words = lines[0].split()
    if not words or words[0].lower() != "version":
        return OLD, 0
    version = number(words[1]) if len(words) == 2 else None
    if version not in (0, 1):
        raise InputError(f"{path}, line 1: {quoted(lines[0])} is no version; 'version 1' is expected.")
    return (NEW if version else OLD), 1


def _scenario(place: str, line: str, sizes: tuple[str, ...], grid: GridMap) -> Scenario:
    parts = [part.strip() for part in (line.strip().split("\t") if "\t" in line.strip() else line.split())]
    names = ("bucket", "map", *sizes, *PLACES, "length")
    if len(parts) != len(names):
        raise InputError(f"{place}: there are {len(parts)} entries; {len(names)} are expected: {', '.join(names)}.")
    found = dict(zip(names, parts, strict=True))
    whole = {name: whole_number(found[name]) for name in ("bucket", *sizes, *PLACES)}
    wrong = next((name for name, value in whole.items() if value is None), None)
    length = number(found["length"])
    if wrong is not None or length is None or length < 0:
        name = "length" if wrong is None else wrong
        raise InputError(f"{place}: the {name} is {quoted(found[name])}; a number from 0 up is expected.")
    for name in sizes:
        if whole[name] != getattr(grid, name):
            raise InputError(
                f"{place}: the map's {name} is {whole[name]}, and {grid.name} has {getattr(grid, name)}; give the map "
                "of the scenarios."
            )
    start, goal = (_cell(place, whole, kind, grid) for kind in ("start", "goal"))
    return Scenario(whole["bucket"] or 0, found["map"], start, goal, length)


def _cell(place: str, numbers: dict[str, int | None], kind: str, grid: GridMap) -> Cell:
    row, column = numbers[f"{kind} row"] or 0, numbers[f"{kind} column"] or 0
    if row >= grid.height or column >= grid.width:
        raise InputError(
            f"{place}: the {kind} (row {row}, column {column}) is outside {grid.name}, {grid.height} x {grid.width}."
        )
    check_free(f"{place}: the {kind}", row, column, grid)
    return row, column
