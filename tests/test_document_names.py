"""Code on pages of the documents is Python, and what it takes from the package is there. Pages run in other tests."""

import ast
import importlib
import operator
import re
import textwrap
from pathlib import Path

import pytest

import seriatim as st

ROOT = Path(__file__).parents[1]
EVERY = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
PAGES = [page for page in EVERY if "```python" in page.read_text()]


def nodes(page):
    """The syntax of all blocks of a page."""
    for block in re.findall(r"^( *)```python\n(.*?)```", page.read_text(), flags=re.DOTALL | re.MULTILINE):
        yield from ast.walk(ast.parse(textwrap.dedent(block[1])))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_names_on_a_page_are_names_of_the_package(page):
    for node in nodes(page):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("seriatim"):
            module = importlib.import_module(str(node.module))
            assert all(hasattr(module, alias.name) for alias in node.names), ast.unparse(node)
        if isinstance(node, ast.Attribute) and re.fullmatch(r"st(\.\w+)+", name := ast.unparse(node)):
            operator.attrgetter(name.removeprefix("st."))(st)
