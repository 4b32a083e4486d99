"""The command line: `seriatim compare`, `run`, `check`."""

from seriatim.cli._main import main

__all__ = ["main"]
