"""Tables are as wide as `COLUMNS` says, through a pipe too."""

import pytest

from seriatim.cli import _output

HEADINGS, ROWS = ["policy", "mean cost", "ms a\ndecision"], [["one-at-a-time", "36.84 ± 0.43", "2.7"]]


@pytest.mark.parametrize(("columns", "width"), [("30", 30), ("200", 200), (None, 140), ("", 140), ("wide", 140)])
def test_columns_are_respected_without_a_terminal(monkeypatch, columns, width):
    if columns is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", columns)
    assert _output.console().width == width


def test_a_table_that_does_not_fit_becomes_paragraphs(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "30")
    _output.print_table(HEADINGS, ROWS)
    assert capsys.readouterr().out.split("\n")[1:4] == [
        "one-at-a-time",
        "  mean cost: 36.84 ± 0.43",
        "  ms a decision: 2.7",
    ]
