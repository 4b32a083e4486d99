"""Standard output: a table people like to read, or one JSON object and nothing else."""

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click
import rich.box
from rich.console import Console
from rich.table import Table
from rich.text import Text

# Where nobody watches, lines are this long, so that tables in files do not wrap.
FILE_WIDTH = 140
# No table is wider.
ANY_WIDTH = 10_000

Row = Sequence[Text | str]


def console() -> Console:
    """Return standard output as rich sees it; `COLUMNS` is its width if the user says so, terminal or not."""
    asked = os.environ.get("COLUMNS", "")
    told = asked.isdecimal() and int(asked) > 0
    return Console(width=None if sys.stdout.isatty() or told else FILE_WIDTH, highlight=False)


def print_table(headings: Sequence[str], rows: Sequence[Row]) -> None:
    """Print a table of numbers, or in a terminal too narrow for it a paragraph for each row."""
    table = Table(box=rich.box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_edge=False)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    out = console()
    if out.measure(table, options=out.options.update(width=ANY_WIDTH)).maximum <= out.width:
        out.print(Text(), table, sep="\n")
        return
    for row in rows:
        out.print(Text(), row[0], sep="\n")
        for heading, entry in zip(headings[1:], row[1:], strict=True):
            if str(entry):
                out.print(Text(f"  {' '.join(heading.split())}: ").append(entry))


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
