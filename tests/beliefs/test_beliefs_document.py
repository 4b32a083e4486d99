"""The examples in docs/beliefs.md run, in order, and what they assert holds."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "beliefs.md"


def test_the_examples_run(monkeypatch, without_type_checks):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), flags=re.DOTALL)
    names: dict[str, object] = {}
    for number, block in enumerate(blocks):
        code = compile(block, f"{DOCUMENT.name}, example {number + 1}", "exec")
        without_type_checks(lambda code=code: exec(code, names))
    assert len(blocks) == 4
