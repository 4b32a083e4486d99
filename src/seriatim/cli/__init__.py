"""The command line: `seriatim compare`, `run`, `check`, `solve`, `train`, `runs`.

Ctrl-C is listened to from here on. The modules that the commands need are imported only after that.
"""

import sys
from collections.abc import Sequence

__all__ = ["main"]

# The exit status of a process that was stopped by Ctrl-C.
STOPPED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status.

    Args:
        arguments: those of the command line; by default, the process's own. In that case the process ends here, if
            Ctrl-C has interrupted the command.
    """
    try:
        from seriatim.cli._main import main as run

        return run(arguments)
    except KeyboardInterrupt:  # Ctrl-C before the command listened to it, or after
        sys.stderr.write("seriatim: stopped.\n")
        return STOPPED
