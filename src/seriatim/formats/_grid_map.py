"""Grid maps in the MovingAI format, `.map`.

    type octile
    height 2
    width 3
    map
    ..@
    .T.

`.` and `G` are ground. `@` and `O` (out of bounds) and `T` (a tree) are blocked. `S`, swamp, can be entered from
ground, so it is passable. `W`, water, can be crossed from water but not entered from ground. Our agents start on
ground, so it is blocked. The League of Robot Runners adds `E`, a cell where errands come up, and uses `S` for cells
where they end; both are passable.

Source: N. Sturtevant, Benchmarks for Grid-Based Pathfinding, IEEE Trans. Comput. Intell. AI Games 4(2), 2012, and
the format's page at movingai.com/benchmarks/formats.html.
"""

import itertools
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8

from seriatim._errors import InputError
from seriatim._record import record, static
from seriatim.formats._lines import quoted, read_text, whole_number

PASSABLE = ".GSE"
BLOCKED = "@OTW"
# The limit is above all published maps (about 1,500 x 1,500 cells), and far below what fills the memory.
MAX_CELLS = 100_000_000


@record
class GridMap:
    """A grid of cells, passable or blocked; row 0 is the top, column 0 the left.

    Attributes:
        passable: True where an agent may be, `[height, width]`.
        name: for messages and pictures.

    Raises:
        InputError: `passable` is no grid, or has no free cell.
    """

    passable: Bool[np.ndarray, "height width"]
    name: str = static(default="map")

    def __post_init__(self) -> None:
        if np.ndim(self.passable) != 2 or not np.size(self.passable):
            raise InputError(f"{self.name}: passable has shape {np.shape(self.passable)}; [height, width] is expected.")
        if not np.any(self.passable):
            raise InputError(f"{self.name}: the map has no free cell; at least one '.' is expected.")

    @property
    def height(self) -> int:
        """The number of rows."""
        return int(self.passable.shape[0])

    @property
    def width(self) -> int:
        """The number of columns."""
        return int(self.passable.shape[1])


def load_map(path: str | Path) -> GridMap:
    """Read a `.map` file.

    Raises:
        InputError: the file is missing, not text, or malformed; the sentence gives the line.
    """
    text = read_text(path, "a grid map (.map)")
    sizes, first, rest = _header(path, text)
    height, width = sizes["height"], sizes["width"]
    found = rest.count("\n") + 1 if rest else 0
    if found != height:
        counted = "1 row" if found == 1 else f"{found} rows"
        raise InputError(f"{path}: the map has {counted} but its header says height {height}; make them agree.")
    codes = _codes(rest, height, width)
    if codes is None:  # a row ends with blanks, or has a mistake
        rows = [row.rstrip() for row in rest.split("\n")]
        for number, row in enumerate(rows, start=first + 1):
            _check_row(path, number, row, width)
        codes = np.frombuffer("".join(rows).encode("ascii"), np.uint8).reshape(height, width)
    return GridMap(np.isin(codes, list(PASSABLE.encode())), name=str(path))


def _codes(rows: str, height: int, width: int) -> UInt8[np.ndarray, "height width"] | None:
    """Return the cells as bytes if all rows have the width and only cells in them, else None."""
    if len(rows) != height * (width + 1) - 1 or not rows.isascii():
        return None
    codes = np.frombuffer(f"{rows}\n".encode("ascii"), np.uint8).reshape(height, width + 1)
    known = np.isin(codes[:, :-1], list((PASSABLE + BLOCKED).encode()))
    return codes[:, :-1] if known.all() and (codes[:, -1] == ord("\n")).all() else None


def _header(path: str | Path, text: str) -> tuple[dict[str, int], int, str]:
    """Return the sizes, the number of lines before the first row, and the text from the first row on."""
    sizes: dict[str, int] = {}
    end = -1
    for number in itertools.count(1):
        start, end = end + 1, text.find("\n", end + 1)
        line = text[start:] if end < 0 else text[start:end]
        words = line.split()
        if words == ["map"]:
            return _complete(path, number, sizes), number, text[end + 1 :] if end >= 0 else ""
        if len(words) != 2 or words[0] not in ("type", "height", "width"):
            expected = "'type octile', 'height 64', 'width 64' or 'map'"
            raise InputError(f"{path}, line {number}: {quoted(line)} is not a header line; {expected} is expected.")
        if words[0] != "type":
            sizes[words[0]] = _size(path, number, words)
        if end < 0:
            break
    raise InputError(f"{path}: no line 'map' in {number} lines; it is expected after the header, before the rows.")


def _size(path: str | Path, number: int, words: list[str]) -> int:
    size = whole_number(words[1])
    if not size:
        raise InputError(
            f"{path}, line {number}: {words[0]} is {quoted(words[1])}; a whole number from 1 up is expected."
        )
    return size


def _complete(path: str | Path, number: int, sizes: dict[str, int]) -> dict[str, int]:
    for name in ("height", "width"):
        if name not in sizes:
            raise InputError(f"{path}, line {number}: the header has no {name}; add a line '{name} 64' before 'map'.")
    cells = sizes["height"] * sizes["width"]
    if cells > MAX_CELLS:
        raise InputError(f"{path}: the header says {cells:,} cells; at most {MAX_CELLS:,} can be read.")
    return sizes


def _check_row(path: str | Path, number: int, row: str, width: int) -> None:
    if len(row) != width:
        raise InputError(
            f"{path}, line {number}: the row has {len(row)} cells but the header says width {width}; make them agree."
        )
    unknown = row.strip(PASSABLE + BLOCKED)
    wrong = next((cell for cell in unknown if cell not in PASSABLE + BLOCKED), None)
    if wrong is not None:
        raise InputError(
            f"{path}, line {number}, column {row.index(wrong) + 1}: unknown cell {wrong!r}; "
            f"{PASSABLE!r} (passable) and {BLOCKED!r} (blocked) are known."
        )
