"""The examples in docs/distributions.md run, in order, and what they assert holds."""

import re
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "distributions.md"


@pytest.mark.slow
def test_the_examples_run():
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), flags=re.DOTALL)
    names: dict[str, object] = {}
    for number, block in enumerate(blocks):
        exec(compile(block, f"{DOCUMENT.name}, example {number + 1}", "exec"), names)
    assert len(blocks) >= 6
