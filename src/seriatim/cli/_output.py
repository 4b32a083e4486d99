"""Standard output: numbers and tables for people, or one JSON object and nothing else."""

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

# Lines are this long without a terminal, so that tables in files do not wrap.
FILE_WIDTH = 140
# Tables are at most this wide.
ANY_WIDTH = 10_000

Row = Sequence[Text | str]


def console() -> Console:
    """Return standard output as a console of rich; `COLUMNS` sets its width, in a terminal or not."""
    asked = os.environ.get("COLUMNS", "")
    told = asked.isdecimal() and int(asked) > 0
    return Console(width=None if sys.stdout.isatty() or told else FILE_WIDTH, highlight=False)


def print_table(headings: Sequence[str], rows: Sequence[Row]) -> None:
    """Print a table of numbers; in a terminal that is too narrow, print a paragraph for each row."""
    table = Table(box=rich.box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_edge=False)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    out = console()
    # The table is measured without a limit, because rich would otherwise shrink its columns to fit.
    if out.measure(table, options=out.options.update(width=ANY_WIDTH)).maximum <= out.width:
        out.print(Text(), table, sep="\n")
        return
    for row in rows:
        out.print(Text(), row[0], sep="\n")
        for heading, entry in zip(headings[1:], row[1:], strict=True):
            if str(entry):
                out.print(Text(f"  {' '.join(heading.split())}: ").append(entry))


def print_json(entries: Mapping[str, Any]) -> None:
    """Print one JSON object; a number that is not finite or not known is null."""
    click.echo(json.dumps(_plain(entries), allow_nan=False))


def described(name: str, fields: Mapping[str, Any]) -> str:
    """Write a model with the fields that were set: `spiders-and-flies (spiders=4, flies=2)`."""
    settings = ", ".join(f"{key}={_plain(value)}" for key, value in fields.items())
    return f"{name} ({settings})" if settings else name


def _plain(value: Any) -> Any:
    # JSON has no nan and no infinity, so they become None.
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


# Further decimals would only show rounding errors.
MOST_DECIMALS = 6


def with_errors(means: Sequence[float], errors: Sequence[float], *, signed: bool = False) -> list[str]:
    """Write means and standard errors with one number of decimals, two significant digits of the smallest error.

    >>> with_errors([14.2371, 9.05], [0.3112, 0.1234])
    ['14.24 ± 0.31', ' 9.05 ± 0.12']
    """
    known = [error for error in errors if math.isfinite(error) and error > 0]
    decimals = _decimals(min(known)) if known else 2
    heads = [f"{mean:{'+' if signed else ''}.{decimals}f}" for mean in means]
    tails = [f"{error:.{decimals}f}" if math.isfinite(error) else "?" for error in errors]
    return [f"{head:>{_longest(heads)}} ± {tail:>{_longest(tails)}}" for head, tail in zip(heads, tails, strict=True)]


def share(part: float) -> str:
    """Write a share in per cent; only an exact 0 or 1 is written as `0 %` or `100 %`.

    >>> [share(part) for part in (0.0, 0.001, 0.5, 0.999, 1.0)]
    ['0 %', '<1 %', '50 %', '>99 %', '100 %']
    """
    if 0 < part < 0.01:
        return "<1 %"
    return ">99 %" if 0.99 < part < 1 else f"{100 * part:.0f} %"


def milliseconds(value: float) -> str:
    """Write a time with two significant digits, at least.

    >>> [milliseconds(value) for value in (0.0123, 0.07, 1.26, 340.2)]
    ['0.012', '0.070', '1.3', '340']
    """
    return f"{value:.{_decimals(value)}f}"


def plural(count: int, noun: str, several: str | None = None) -> str:
    """Write `1 stage`, `2 stages`; the plural must be given if it is not the word with an s."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {several or noun + 's'}"


def _decimals(value: float) -> int:
    """Return how many decimals show two significant digits."""
    return min(max(1 - math.floor(math.log10(value)), 0), MOST_DECIMALS) if value > 0 else MOST_DECIMALS


def _longest(texts: Sequence[str]) -> int:
    return max(map(len, texts))
