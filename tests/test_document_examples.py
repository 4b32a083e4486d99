"""The examples in pages of the documents run, in order, and what they assert holds."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

import seriatim as st

DOCUMENTS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("page", ["beliefs.md", "deadlines.md", "parallel.md", "policy-iteration.md"])
def test_the_examples_run(page, monkeypatch):
    monkeypatch.syspath_prepend(DOCUMENTS.parent / "examples")
    names = {"jax": jax, "jnp": jnp, "st": st}
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", (DOCUMENTS / page).read_text(), re.DOTALL)):
        exec(compile(block, f"{page}, example {number}", "exec"), names)
