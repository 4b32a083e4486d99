"""Exit statuses and sentences for exceptions, which depend on whether the user or this program made the mistake."""

import contextlib
import io
import os
import sys
import traceback
from pathlib import Path
from typing import Any, TextIO

import click

from seriatim._errors import InputError, in_words, users_frame

FAULT_OF_OURS, MISTAKE_OF_THE_USERS, INTERRUPTED, READER_GONE = 1, 2, 130, 141


def report(error: BaseException, *, with_traceback: bool) -> int:
    """Write to standard error what happened, and return the exit status."""
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        say("stopped.")
        return INTERRUPTED
    # Click and rich raise SystemExit when the reader of a pipe has gone. With status 0 click has offered completions.
    if isinstance(error, SystemExit) and users_frame(error) is None:
        return READER_GONE if error.code else 0
    sentence = users_mistake(error)
    if sentence is None:
        traceback.print_exception(error)
        say(f"{in_words(error)}. This is a fault of seriatim's, not yours; please report it with the lines above.")
        return FAULT_OF_OURS
    if with_traceback:
        traceback.print_exception(error)
    say(sentence)
    return MISTAKE_OF_THE_USERS


def users_mistake(error: BaseException) -> str | None:
    """Return the sentence for a mistake of the user's, or None if the error is a fault of ours.

    An error is the user's if it says so (`InputError`), comes from the command line, or passed through the user's code.
    """
    if isinstance(error, InputError):
        return " ".join(str(error).split())
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f"{' '.join(error.format_message().split()).rstrip('.')}; see {error.ctx.command_path} --help."
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, OSError) and error.strerror is not None:
        return f"{error.filename or 'the output'}: {error.strerror}."
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):  # the latter is XLA's
        said = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        return f"there is not enough memory ({said}); ask for less at once, or a smaller model."
    if users_frame(error) is not None:
        return f"{in_words(error)}; --traceback shows how it came to that."
    return None


def asked(owner: Any, method: str, *arguments: Any) -> Any:
    """Call a method of a model; if it takes other arguments, say that its author made the mistake.

    No line of the author's code ran then, so the traceback alone would not show it.

    Raises:
        InputError: it takes other arguments. An exception that the method itself raises is passed on.
    """
    try:
        return getattr(owner, method)(*arguments)
    except TypeError as error:
        if users_frame(error) is not None or type(owner).__module__.startswith("seriatim."):
            raise
        raise InputError(f"{type(owner).__name__}.{method} raised {in_words(error)}.") from error


def say(sentence: str) -> None:
    """Write one line to standard error; if that fails, go on without it."""
    with contextlib.suppress(OSError):
        click.echo(f"seriatim: {sentence}", err=True)


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    """Show a warning of this package or of the user's own code as one line; hide those of other libraries.

    The signature is that of `warnings.showwarning`.
    """
    if category.__module__.startswith("seriatim"):
        say(f"warning: {message}")
    elif not {"site-packages", "dist-packages"} & set(Path(filename).parts):
        say(f"warning: {message} ({Path(filename).name}, line {lineno})")


def survive_odd_streams() -> None:
    """Replace characters that a terminal cannot show, such as ±; discard the output if there is no stream for it."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower().replace("-", "") != "utf8":
            stream.reconfigure(errors="replace")


def exit_with(status: int) -> Any:
    """End the command with a status, without a further message."""
    raise click.exceptions.Exit(status)
