"""Results: kept as JSON, printed, and written into the documentation between its marks.

    <!-- bench:NAME -->  ... replaced ...  <!-- /bench:NAME -->

Pictures and tables are made from the JSON alone, so they can be made again without measuring.
"""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import rich.box
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from benchmarks._machine import machine

Row: TypeAlias = Mapping[str, Any]
Columns: TypeAlias = Mapping[str, str]  # heading, which is also the key of a row -> format of its values

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DOCS = ROOT / "docs"
IMAGES = DOCS / "images"


def publish(
    name: str,
    columns: Columns,
    measure: Callable[[], list[Row]],
    *,
    draw: Callable[[list[Row]], Figure] | None = None,
    redraw: bool = False,
    page: str = "benchmarks.md",
    where: Callable[[], str] = machine,
) -> None:
    """Measure, or read what was measured last; print the table and put it, and the picture, into a page of the docs.

    `where` says what was measured on.
    """
    kept = RESULTS / f"{name}.json"
    if not redraw:
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(json.dumps({"machine": where(), "rows": measure()}, indent=1) + "\n")
    result = json.loads(kept.read_text())
    rows, caption = result["rows"], result["machine"]
    # What was measured before a column was thought of has none.
    columns = {heading: form for heading, form in columns.items() if any(heading in row for row in rows)}
    _print(name, columns, rows, caption)
    _insert(DOCS / page, name, f"{_markdown(columns, rows)}\n\n*{caption}.*")
    if draw is not None:
        _save(draw(rows), IMAGES / f"bench-{name.replace('_', '-')}.svg")


def _cell(row: Row, heading: str, form: str) -> str:
    value = row.get(heading)
    return "" if value is None else format(value, form)


def _print(name: str, columns: Columns, rows: list[Row], caption: str) -> None:
    table = Table(title=name, box=rich.box.SIMPLE_HEAD, caption=caption)
    for heading, form in columns.items():
        table.add_column(heading, justify="right" if form else "left")
    for row in rows:
        table.add_row(*(_cell(row, heading, form) for heading, form in columns.items()))
    Console().print(table)


def _markdown(columns: Columns, rows: list[Row]) -> str:
    lines = [
        "| " + " | ".join(columns) + " |",
        "|" + "|".join("---:" if form else "---" for form in columns.values()) + "|",
    ]
    lines += ["| " + " | ".join(_cell(row, *column) for column in columns.items()) + " |" for row in rows]
    return "\n".join(lines)


def _insert(page: Path, name: str, text: str) -> None:
    """Replace what stands between a benchmark's marks; add the marks at the end where there are none."""
    begin, end = f"<!-- bench:{name} -->", f"<!-- /bench:{name} -->"
    before = page.read_text()
    if begin not in before:
        before += f"\n{begin}\n{end}\n"
    after = re.sub(
        f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: f"{begin}\n{text}\n{end}", before, flags=re.DOTALL
    )
    page.write_text(after)


def _save(figure: Figure, path: Path) -> None:
    """Write an SVG that is the same text for the same figures, so that only new figures make a difference."""
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": path.stem, "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")
