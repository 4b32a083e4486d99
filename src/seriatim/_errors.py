"""Mistakes of the user's: the one exception for them, and the place of an error in the user's own code."""

import re
import sysconfig
import traceback
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_PACKAGE = str(Path(__file__).parent)
_STANDARD_LIBRARY = sysconfig.get_path("stdlib")
# The attribute of an error from another process that says where it was raised there.
_ELSEWHERE = "_seriatim_frame"
# JAX's names for the arrays that it traces functions with.
_TRACER = re.compile(r"\b\w*Tracer\b")
# The error of a user's function while a compiled program ran: the last line of the traceback that JAX gives.
_RAISED_INSIDE = re.compile(r"Traceback \(most recent call last\):\n(?:[ ].*\n)+([^\s:]+): ?(.*(?:\n.+)*)")


class InputError(ValueError):
    """An input cannot be used; the message is one sentence with the value seen, the values expected, and a remedy.

    The command line prints it and ends with status 2. Everything else that is raised is a fault of the library's.
    """


def name_of(thing: Any) -> str:
    """Name a policy, or what else the user made, as its author would: the function's name or the record's type."""
    return str(getattr(thing, "__name__", type(thing).__name__))


def users_frame(error: BaseException) -> traceback.FrameSummary | None:
    """Return the innermost frame of `error` in the user's own code, or None if the error never passed there.

    The user's is every file that belongs neither to this package, nor to Python, nor to an installed library.
    """
    elsewhere: traceback.FrameSummary | None = getattr(error, _ELSEWHERE, None)
    if elsewhere is not None:
        return elsewhere
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame for frame in reversed(frames) if is_users(frame.filename)), None)


def raised_inside(error: BaseException) -> str | None:
    """Return the message of a user's check, or of another function of theirs, that failed while a compiled program ran.

    Examples are `equinox.error_if` and functions that JAX calls back. None if the error comes from elsewhere.
    """
    found = _RAISED_INSIDE.search(str(error))
    if found is None or "INTERNAL" not in str(error):
        return None
    kind, text = found[1].rpartition(".")[2], " ".join(found[2].split()) or "no message"
    return text if "Equinox" in kind else f"{kind}: {text}"


def remembered(what: str, error: BaseException) -> str:
    """Say that `what` uses an array of an earlier call, of which JAX has raised an `UnexpectedTracerError`."""
    return (
        f"{what} uses an array that an earlier call has kept, in an attribute or a global variable{place_of(error)}; "
        "nothing may be remembered between calls but in the state."
    )


def at_place(error: BaseException, filename: str, line: int, function: str) -> BaseException:
    """Return an error that came from another process, with the place in the user's code that it came from."""
    setattr(error, _ELSEWHERE, traceback.FrameSummary(filename, line, function))
    return error


def in_one_line(error: BaseException) -> str:
    """Return the first line of an error's message; an array that JAX traces is called an array."""
    lines = str(error).strip().splitlines() or ["no message"]
    return _TRACER.sub("Array", lines[0]).rstrip(".")


def in_words(error: BaseException) -> str:
    """Write an error as `ZeroDivisionError: division by zero (model.py, line 12)`: its first line, and the place."""
    said = f"{type(error).__name__}: {in_one_line(error)}"
    if isinstance(error, SyntaxError) and error.filename:
        return f"{type(error).__name__}: {error.msg} ({_shown(error.filename)}, line {error.lineno})"
    return said + place_of(error)


def place_of(error: BaseException) -> str:
    """Write the place of an error in the user's own code as ` (model.py, line 12)`; nothing if it was never there."""
    frame = users_frame(error)
    return "" if frame is None else f" ({_shown(frame.filename)}, line {frame.lineno})"


def is_users(filename: str) -> bool:
    """Say whether a file is the user's: neither of this package, nor of Python, nor of an installed library."""
    path = Path(filename)
    # Compiled libraries name files of their own making, relative to where they were made.
    installed = {"site-packages", "dist-packages"} & set(path.parts) or path.suffix in (".pyx", ".pxd", ".pxi")
    ours = filename.startswith((_PACKAGE, _STANDARD_LIBRARY, "<"))
    return not installed and not ours


def _shown(filename: str) -> str:
    """Shorten a path to one relative to where the user works, if it lies below."""
    path = Path(filename)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else filename


def require_extra(part: str, *packages: str) -> None:
    """Say in a sentence what is missing.

    Raises:
        ImportError: a package is not installed.
    """
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise ImportError(
            f"{part} needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed; "
            "install what it needs by: pip install 'seriatim[train]'"
        )
