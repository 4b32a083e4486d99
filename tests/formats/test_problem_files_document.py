"""What docs/problem-files.md says is so."""

import re
from pathlib import Path

import pytest

from seriatim._errors import InputError
from seriatim.formats import load

PAGE = (Path(__file__).parents[2] / "docs" / "problem-files.md").read_text()


def test_the_example_runs_and_the_mistake_is_that_of_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    exec(compile(code, "problem-files.md", "exec"), {})
    assert capsys.readouterr().out == "(('listen', 'open-left', 'open-right'),) [0.85 0.15]\nTrue\n"
    text = Path("tiger.pomdp").read_text()
    Path("tiger.pomdp").write_text(text.replace("O: * uniform", "T: listen : tiger-left 0.9 0\nO: * uniform"))
    with pytest.raises(InputError) as caught:
        load("tiger.pomdp")
    assert str(caught.value) in PAGE
