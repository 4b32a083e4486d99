"""Reading and writing of files: the only place of the package that opens files.

Only regular files up to a stated size are read. Reading a named pipe would wait for a writer, and a device may never
end.

Files are written as a whole: the content goes to a file beside the place, and that file is renamed. So a file is
complete or not there at all, whenever the process is killed. A file that was there before stays until the renaming.
"""

import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path
from typing import Any, BinaryIO

from seriatim._errors import InputError

MEGABYTE = 2**20
# The largest size of a file that is read, in bytes, unless a caller gives another limit.
LARGEST = 1024 * MEGABYTE


def as_path(path: Any) -> Path:
    """Return a path; refuse a value that is none.

    Raises:
        InputError: it is no text and no `Path`.
    """
    if not isinstance(path, (str, os.PathLike)) or not isinstance(os.fspath(path), str):
        raise InputError(f"{path!r} is no path; give the name of a file or directory, a text or a pathlib.Path.")
    return Path(path)


def read_bytes(path: str | Path, advice: str, *, limit: int = LARGEST, first: int | None = None) -> bytes:
    """Read a regular file.

    Args:
        path: of the file; links are followed.
        advice: the end of the sentence if it cannot be read, such as "give the path of a map".
        limit: the largest size in bytes.
        first: how many bytes are read, from the start; by default all.

    Raises:
        InputError: there is no such file, it is no regular file, it is larger than `limit`, or it cannot be read. The
            sentence is `PATH: no such file; ADVICE.` or `PATH: cannot be read (REASON); ADVICE.`
    """
    try:
        with open_regular(path, limit=limit) as file:
            content = _all(file, limit + 1) if first is None else file.read(first)
        if len(content) > limit:  # the file grew, or the system does not know its size
            raise _too_large(limit)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {advice}.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {advice}.") from error
    return content


def _all(file: BinaryIO, most: int) -> bytes:
    """Read up to `most` bytes; memory is reserved only for the size that the system reports."""
    content = file.read(min(os.fstat(file.fileno()).st_size + 1, most))
    while len(content) < most and (more := file.read(min(MEGABYTE, most - len(content)))):
        content += more
    return content


def open_regular(path: str | Path, *, limit: int = LARGEST) -> BinaryIO:
    """Open a regular file to read bytes of it, without waiting.

    Raises:
        OSError: it cannot be opened, is no regular file, or is larger than `limit` bytes; `strerror` says which.
    """
    path = as_path(path)
    # With these flags opening a named pipe does not wait, and a terminal does not become that of the process.
    flags = sum(getattr(os, name, 0) for name in ("O_RDONLY", "O_NONBLOCK", "O_NOCTTY", "O_BINARY"))
    try:
        handle = os.open(path, flags)
    except ValueError:
        raise _no_name() from None
    try:
        found = os.fstat(handle)
        _require_regular(found.st_mode)
        if found.st_size > limit:
            raise _too_large(limit)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def save_text(path: str | Path, text: str) -> None:
    """Write a text that the user asked for, in UTF-8: the whole file, or nothing.

    Raises:
        InputError: the text has a character that UTF-8 cannot encode, or the file cannot be written. An earlier file
            is then still there.
    """
    path = as_path(path)
    try:
        content = text.encode()
    except UnicodeEncodeError as error:
        wrong = text[error.start]
        raise InputError(
            f"{path}: its text has {wrong!r} at character {error.start}, half of a surrogate pair, which no file can "
            "hold; write the whole character."
        ) from None
    save_bytes(path, content)


def save_bytes(path: str | Path, content: bytes) -> None:
    """Write a file that the user asked for: the whole file, or nothing.

    Raises:
        InputError: it cannot be written. An earlier file is then still there.
    """
    try:
        write_atomically(as_path(path), content)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); save elsewhere.") from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file beside its place, make sure that it is on the disk, and put it there in one operation.

    A link stays a link, and the file it leads to is replaced; a file keeps its permissions.

    Raises:
        OSError: it cannot be written. An earlier file is then still there. The error names the file.
    """
    temporary = None
    try:
        target = Path(os.path.realpath(path))
        mode = _replaceable(target)
        # `tempfile` is not used, because nobody else may read its files, and runs are shared.
        temporary = target.with_name(f".seriatim-{secrets.token_hex(8)}.tmp")
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            # Without this, the renamed file could be empty after a loss of power.
            os.fsync(file.fileno())
        if mode is not None:
            with contextlib.suppress(OSError):  # not every file system has permissions
                os.chmod(temporary, mode)
        os.replace(temporary, target)
    except BaseException as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        known = _no_name() if isinstance(error, ValueError) else error
        if isinstance(known, OSError):
            raise OSError(known.errno, known.strerror, str(path)) from error
        raise
    _settle(target.parent)


def remove_leftovers(folder: Path) -> None:
    """Remove the unfinished files that killed writers left beside their targets."""
    for path in list(filter(is_leftover, folder.iterdir())):
        path.unlink(missing_ok=True)


def is_leftover(path: Path) -> bool:
    """Say whether a file is an unfinished one of a killed writer."""
    return path.name.startswith(".") and path.suffix == ".tmp"


def _replaceable(target: Path) -> int | None:
    """Return the permissions of the file that is to be replaced, or None if there is none.

    Raises:
        OSError: there is something else than a regular file, or a file that may not be written to.
    """
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        return None
    _require_regular(mode)
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return stat.S_IMODE(mode)


def _require_regular(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, f"it is {_kind(mode)}, not a regular file")


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def _no_name() -> OSError:
    """Return the error for a path with a zero byte or half of a surrogate pair in it."""
    return OSError(errno.EINVAL, "no file can have this name")


def _too_large(limit: int) -> OSError:
    return OSError(errno.EFBIG, f"it has more than {limit / MEGABYTE:,.4g} MB, the most that is read of such a file")


def _settle(folder: Path) -> None:
    """Write the folder's own entry to the disk, where the system lets folders be opened."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
