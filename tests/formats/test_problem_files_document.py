"""What docs/problem-files.md says is so."""

import re
from pathlib import Path

import pytest

from seriatim._errors import InputError
from seriatim.formats import load
from seriatim.formats._lines import LARGEST_LIST, LARGEST_TABLE
from seriatim.formats._load import SUFFIXES
from seriatim.formats._pomdpx import MAX_VARIABLES
from seriatim.formats._preamble import MAX_NUMBERS

PAGE = (Path(__file__).parents[2] / "docs" / "problem-files.md").read_text()


def test_the_example_runs_and_the_mistake_is_that_of_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, *_ = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    exec(compile(code, "problem-files.md", "exec"), {})
    assert capsys.readouterr().out == "(('listen', 'open-left', 'open-right'),) [0.85 0.15]\nTrue\n"
    text = Path("tiger.pomdp").read_text()
    Path("tiger.pomdp").write_text(text.replace("O: * uniform", "T: listen : tiger-left 0.9 0\nO: * uniform"))
    with pytest.raises(InputError) as caught:
        load("tiger.pomdp")
    assert str(caught.value) in PAGE


def test_the_sizes_and_formats_of_the_page_are_those_of_the_code():
    assert f"problems and maps up to {LARGEST_TABLE >> 20} MB, lists of cells up to\n{LARGEST_LIST >> 20} MB" in PAGE
    assert f"up to {MAX_NUMBERS // 10**6} million numbers" in PAGE
    assert MAX_VARIABLES == 8
    assert "up to eight of a kind" in PAGE
    assert all(f"| `{suffix}` |" in PAGE for suffix in SUFFIXES)
