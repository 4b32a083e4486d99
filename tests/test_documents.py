"""What the documents say is so: examples run, names exist, documented fields are fields."""

import ast
import dataclasses
import doctest
import importlib
import importlib.metadata
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import seriatim as st

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("quick", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_the_worked_example_is_under_sixty_lines_and_lawful(quick, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    model = importlib.import_module("fire_brigade").FireBrigade()
    assert len((ROOT / "examples" / "fire_brigade.py").read_text().splitlines()) < 60
    assert st.check_model(model, quick=quick).ok
    assert st.check_policy(model, model.base_policy(), quick=quick).ok


def test_links_in_the_documents_lead_somewhere():
    for document in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def modules():
    found = pkgutil.walk_packages(st.__path__, "seriatim.")
    return [importlib.import_module(module.name) for module in found]


def test_public_names_are_documented():
    for name in st.__all__:
        assert (getattr(st, name).__doc__ or "").strip(), name
    for module in modules():
        assert (module.__doc__ or "").strip(), module.__name__
        for name in getattr(module, "__all__", ()):
            assert (getattr(module, name).__doc__ or "").strip(), f"{module.__name__}.{name}"


def records():
    found = {
        value
        for module in modules()
        for value in vars(module).values()
        if dataclasses.is_dataclass(value) and isinstance(value, type) and value.__module__.startswith("seriatim")
    }
    return sorted(found, key=lambda cls: (cls.__module__, cls.__name__))


@pytest.mark.parametrize("cls", records(), ids=lambda cls: cls.__name__)
def test_documented_fields_are_fields(cls):
    listed = re.search(r"Attributes:\n(.*?)(\n\s*\n|\Z)", cls.__doc__ or "", flags=re.DOTALL)
    if listed is None:
        return
    documented = re.findall(r"^ {8}(\w+)(?:, \w+)*: ", listed[1], flags=re.MULTILINE)
    assert documented
    assert set(documented) <= {field.name for field in dataclasses.fields(cls)}


@pytest.mark.parametrize(
    "name", ["seriatim._record", "seriatim.controls", "seriatim.gradients._list", "seriatim.testing._compilations"]
)
def test_doctests(name):
    module = importlib.import_module(name)
    failed, tried = doctest.testmod(module, extraglobs={"record": st.record, "static": st.static})
    assert (failed, tried > 0) == (0, True)


def test_the_list_of_public_names_is_the_stub():
    tree = ast.parse((ROOT / "src" / "seriatim" / "__init__.pyi").read_text())
    names = {
        alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert names == set(st.__all__)
    for name in names:
        assert hasattr(st, name)


def test_importing_the_package_does_not_load_jax():
    code = "import sys, seriatim; sys.exit('jax' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_version_is_that_of_the_package():
    assert st.__version__ == importlib.metadata.version("seriatim")
