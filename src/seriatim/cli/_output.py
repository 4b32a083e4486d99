"""Standard output: a table people like to read, or one JSON object and nothing else."""

import json
import math
import sys
from collections.abc import Mapping
from typing import Any

import click
from rich.console import Console

# Where nobody watches, lines are this long, so that tables in files do not wrap.
FILE_WIDTH = 140


def console() -> Console:
    """Return standard output as rich sees it."""
    return Console(width=None if sys.stdout.isatty() else FILE_WIDTH, highlight=False)


def print_json(entries: Mapping[str, Any]) -> None:
    """Print one object; what is not finite or not known is null."""
    click.echo(json.dumps(_plain(entries), allow_nan=False))


def described(name: str, fields: Mapping[str, Any]) -> str:
    """Write a model with the fields that were set: `spiders-and-flies (spiders=4, flies=2)`."""
    settings = ", ".join(f"{key}={_plain(value)}" for key, value in fields.items())
    return f"{name} ({settings})" if settings else name


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
