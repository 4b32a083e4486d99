"""The examples in docs/information.md run, in order."""

import ast
import importlib
import operator
import re
from pathlib import Path

import pytest

import seriatim

DOCUMENT = Path(__file__).parents[2] / "docs" / "information.md"


def test_the_examples_name_what_there_is():
    code = "".join(re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), flags=re.DOTALL))
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(str(node.module))
            assert all(hasattr(module, alias.name) for alias in node.names), ast.unparse(node)
        if isinstance(node, ast.Attribute) and re.fullmatch(r"st(\.\w+)+", name := ast.unparse(node)):
            operator.attrgetter(name.removeprefix("st."))(seriatim)


@pytest.mark.slow
def test_the_examples_run(monkeypatch, tmp_path, capsys, without_type_checks):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), flags=re.DOTALL)
    names: dict[str, object] = {}
    for number, block in enumerate(blocks):
        code = compile(block, f"{DOCUMENT.name}, example {number + 1}", "exec")
        without_type_checks(lambda code=code: exec(code, names))
    episodes, values = capsys.readouterr().out.splitlines()
    assert "20 episodes" in episodes
    centralised, decentralised = map(float, values.split())
    assert centralised <= decentralised + 1e-9
    assert len(blocks) == 2
