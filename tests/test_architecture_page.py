"""docs/architecture.md says where things are: its pictures, its way through the files, its places are the code's."""

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "seriatim"
PAGE = (ROOT / "docs" / "architecture.md").read_text()
PAGES = [ROOT / "docs" / name for name in ("architecture.md", "performance.md")]
PAGES += sorted((ROOT / "docs" / "decisions").glob("*.md"))
PLACES = re.findall(r"^\| [^|]+\? \| `([\w/.]+)` \| `([\w.]+)` \|$", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def pictures():
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        import architecture_pictures
    finally:
        sys.path.remove(str(ROOT / "docs"))
    return architecture_pictures


@pytest.fixture(scope="module")
def followed(pictures):
    return pictures.followed()


def test_the_page_names_the_functions_on_the_way_in_their_order(followed):
    steps = re.findall(r"^\d+\. `([\w/.]+)` `([\w.]+)`", PAGE, re.MULTILINE)
    assert steps == [(step.file, step.name) for step in followed[:-1]]


def test_the_pictures_are_those_of_the_code(pictures, followed):
    for name, drawn in (("architecture", pictures.folders()), ("one-joint-control", pictures.way(followed))):
        kept = (pictures.IMAGES / f"{name}.svg").read_text()
        assert kept == drawn, f"{name}.svg is out of date: python docs/architecture_pictures.py"


def names_of(path):
    """The functions and classes of a file, methods as `Class.method`."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{each.name}" for each in node.body if isinstance(each, ast.FunctionDef)}
    return found


@pytest.mark.parametrize(("file", "name"), PLACES)
def test_the_places_are_there(file, name):
    assert name in names_of(PACKAGE / file)


def test_there_are_enough_places():
    assert len(PLACES) >= 10


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_that_are_named_are_there(page):
    for name in re.findall(r"`([\w/.-]+/|[\w/.-]+\.(?:py|md|json))`", page.read_text()):
        places = [ROOT / name, PACKAGE / name, ROOT / "docs" / name, *PACKAGE.glob(f"*/{name}")]
        assert any(place.exists() for place in places), f"{page.name}: {name}"


def test_every_decision_is_in_the_index_with_its_number():
    records = [page for page in PAGES if page.parent.name == "decisions" and page.name != "index.md"]
    listed = re.findall(r"\]\(([\w-]+\.md)\)", (ROOT / "docs" / "decisions" / "index.md").read_text())
    assert listed == [page.name for page in records]
    for number, page in enumerate(records, start=1):
        assert page.name.startswith(f"{number:04}-"), page.name
        assert page.read_text().startswith(f"# {number}. "), page.name
