"""Compiled programs are kept on disk as docs/command-line.md says: two lines of JAX's own from Python."""

import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from seriatim.cli._jax import keeps_compiled_programs

PAGE = (Path(__file__).parents[1] / "docs" / "command-line.md").read_text()
COMPILE = """
import jax.numpy as jnp
jax.jit(lambda x: jnp.sort(x)[::-1] @ jnp.linalg.inv(jnp.outer(x, x) + jnp.eye(5)))(jnp.arange(5.0))
"""


def test_the_lines_on_the_page_keep_programs(tmp_path):
    (lines,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    surroundings = {**os.environ, "JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, "-c", lines + COMPILE], cwd=tmp_path, env=surroundings, check=True)
    assert list((tmp_path / "compiled").glob("jit_*"))


@pytest.fixture
def settings():
    """Change settings of JAX for a test; nothing is compiled meanwhile."""
    names = ("jax_compilation_cache_dir", "jax_enable_compilation_cache")
    before = {name: jax.config.values[name] for name in names}
    yield lambda *values: [jax.config.update(name, value) for name, value in zip(names, values, strict=True)]
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.mark.parametrize(("place", "enabled"), [("somewhere", True), ("somewhere", False), (None, True)])
def test_programs_are_said_to_be_kept_where_they_are(settings, place, enabled):
    settings(place, enabled)
    assert keeps_compiled_programs() == (place is not None and enabled)
