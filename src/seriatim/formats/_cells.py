"""Cells of a map in the formats of the League of Robot Runners: start cells (`.agents`) and errands (`.tasks`).

    # a comment
    2             the number of lines that count; the Start-Kit ignores lines after them, and so does this reader
    1005          a start cell, `row * width + column`
    345
                  in .tasks: one errand a line, the cells to visit in order, as in `203,453`

Source: League of Robot Runners, Start-Kit, example problems, 2022 and later (leagueofrobotrunners.org).
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from seriatim._errors import InputError
from seriatim.formats._grid_map import GridMap
from seriatim.formats._lines import quoted, read_lines, whole_number

Cell: TypeAlias = tuple[int, int]  # row, column


def load_agents(path: str | Path, grid: GridMap) -> tuple[Cell, ...]:
    """Read the start cells of a team on a map.

    Returns:
        Cells as (row, column), in the order of the file.

    Raises:
        InputError: the file is missing, not text, or malformed, or a cell is outside the map or blocked; the sentence
            gives the line.
    """
    entries = _entries(path, "start cells (.agents)")
    return tuple(_cell(path, number, text, grid) for number, text in entries)


def load_tasks(path: str | Path, grid: GridMap) -> tuple[tuple[Cell, ...], ...]:
    """Read errands on a map: for each, the cells to visit in order.

    Raises:
        InputError: as `load_agents`.
    """
    entries = _entries(path, "errands (.tasks)")
    return tuple(tuple(_cell(path, number, word, grid) for word in text.split(",")) for number, text in entries)


def _entries(path: str | Path, what: str) -> list[tuple[int, str]]:
    """Return the counted lines, as many as the first one says, with their line numbers."""
    lines = _meaningful(read_lines(path, what))
    number, text = next(lines, (0, ""))
    if not number:
        raise InputError(f"{path}: there are only comments; the count of {what} is expected first.")
    count = whole_number(text)
    if count is None:
        raise InputError(f"{path}, line {number}: {quoted(text)} is not a number; the count of {what} is expected.")
    entries = list(itertools.islice(lines, count))
    if len(entries) < count:
        follow = "1 line follows" if len(entries) == 1 else f"{len(entries)} lines follow"
        raise InputError(f"{path}: {follow}, but line {number} says {count} {what}; make them agree.")
    return entries


def _meaningful(lines: list[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, start=1):
        text = line.split("#")[0].strip()
        if text:
            yield number, text


def _cell(path: str | Path, number: int, word: str, grid: GridMap) -> Cell:
    index = whole_number(word.strip())
    place = f"{path}, line {number}"
    if index is None:
        raise InputError(f"{place}: {quoted(word)} is not a cell; a whole number, row * width + column, is expected.")
    cells = grid.height * grid.width
    if index >= cells:
        raise InputError(
            f"{place}: cell {index} is outside {grid.name}, {grid.height} x {grid.width}; 0 to {cells - 1} is expected."
        )
    row, column = divmod(index, grid.width)
    check_free(f"{place}: cell {index}", row, column, grid)
    return row, column


def check_free(what: str, row: int, column: int, grid: GridMap) -> None:
    """Refuse a blocked cell of a map.

    Raises:
        InputError: it is blocked.
    """
    if not grid.passable[row, column]:
        raise InputError(f"{what} (row {row}, column {column}) of {grid.name} is blocked; take a free one.")
