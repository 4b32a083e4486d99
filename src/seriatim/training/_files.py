"""Files that are there whole or not at all, whenever the process is killed."""

import contextlib
import os
import secrets
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file beside its place, make sure that it is on the disk, and put it there in one operation.

    Raises:
        OSError: it cannot be written; what was there before is still there. The error names the file.
    """
    # Not by `tempfile`, whose files nobody else may read: runs are shared.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    _settle(path.parent)


def remove_leftovers(folder: Path) -> None:
    """Remove what writers that were killed left beside their files."""
    for path in list(filter(is_leftover, folder.iterdir())):
        path.unlink(missing_ok=True)


def is_leftover(path: Path) -> bool:
    """Say whether a file is one that was not finished."""
    return path.name.startswith(".") and path.suffix == ".tmp"


def _settle(folder: Path) -> None:
    """Write the folder's own entry to the disk, where the system lets folders be opened."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
