"""Text files that a user names: their whole text or their lines, or one sentence that says why they cannot be read."""

import time
from pathlib import Path

from seriatim._errors import InputError
from seriatim._files import MEGABYTE, read_bytes

# The longest piece of a file that a message quotes.
QUOTED = 20
# The largest file of cells, and of a map or problem, in bytes: far more than published files have.
LARGEST_LIST, LARGEST_TABLE = 16 * MEGABYTE, 128 * MEGABYTE


def read_lines(path: str | Path, what: str) -> list[str]:
    """Return the lines of a file without their ends; line `i` of a message is `lines[i - 1]`.

    Raises:
        InputError: as `read_text`; a file of lines has at most 16 MB.
    """
    return read_text(path, what, limit=LARGEST_LIST).split("\n")


def read_text(path: str | Path, what: str, *, limit: int = LARGEST_TABLE) -> str:
    """Return the text of a file, its lines parted by newlines. Blank lines at the end are left out.

    Args:
        path: the file.
        what: names the file in a message: "map", "start cells".
        limit: the largest size in bytes.

    Raises:
        InputError: there is no such file, it is no regular file, it is larger than `limit`, it cannot be read, it is
            not text, or it is empty.
    """
    if not str(path):
        raise InputError(f"The path is empty; give that of a file with {what}.")
    text = _decoded(path, what, read_bytes(path, f"give the path of a file with {what}", limit=limit))
    if not text or text.isspace():
        raise InputError(f"{path}: the file is empty; a text file with {what} is expected.")
    return text.rstrip().replace("\r\n", "\n")


def _decoded(path: str | Path, what: str, raw: bytes) -> str:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {line}: byte {error.start} is not text; a text file with {what} is expected."
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError(
            f"{path}, line {line}: byte {text.index(chr(0))} is zero; a text file with {what} is expected."
        )
    return text


def require_time(path: str | Path, latest: float, line: int, lines: int) -> None:
    """Refuse to read on after the time `latest` on the monotonic clock.

    Raises:
        InputError: the time is over; the sentence says how far the file was read.
    """
    if time.monotonic() > latest:
        raise InputError(
            f"{path}, line {line} of {lines}: the time was over when this was read; give more seconds (--max-seconds "
            "on the command line, max_seconds in Python)."
        )


def quoted(text: str) -> str:
    """Return the text as a message shows it: in quotes, cut where it is long."""
    return repr(text if len(text) <= QUOTED else text[:QUOTED] + "...")


def whole_number(text: str) -> int | None:
    """Return the number written in ASCII digits, or None; signs and spaces, which `int` accepts, are not accepted."""
    plain = text.isascii() and text.isdigit() and len(text) <= QUOTED
    return int(text) if plain else None
