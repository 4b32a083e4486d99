"""Lines of a text file a user names, or one sentence that says why they cannot be read."""

from pathlib import Path

from seriatim._errors import InputError

# The longest piece of a file that a message quotes.
QUOTED = 20


def read_lines(path: str | Path, what: str) -> list[str]:
    """Return the lines of a file without their ends; line `i` of a message is `lines[i - 1]`.

    Blank lines at the end are left out.

    Args:
        path: the file.
        what: names the file in a message: "map", "start cells".

    Raises:
        InputError: there is no such file, it cannot be read, it is not text, or it is empty.
    """
    if not str(path):
        raise InputError(f"The path is empty; give that of a file with {what}.")
    try:
        raw = Path(path).read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; give the path of a file with {what}.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: cannot be read ({reason}); give the path of a file with {what}.") from None
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
    if not text.strip():
        raise InputError(f"{path}: the file is empty; a text file with {what} is expected.")
    return text.rstrip().replace("\r\n", "\n").split("\n")


def quoted(text: str) -> str:
    """Return the text as a message shows it: in quotes, cut where it is long."""
    return repr(text if len(text) <= QUOTED else text[:QUOTED] + "...")


def whole_number(text: str) -> int | None:
    """Return the number written in ASCII digits, or None: no sign, no space, nothing `int` would forgive."""
    plain = text.isascii() and text.isdigit() and len(text) <= QUOTED
    return int(text) if plain else None
