"""The examples in docs/information.md run, in order."""

import re
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "information.md"


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
