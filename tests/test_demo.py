"""The demo carries what it shows: its own map, nothing outside the project; `make demo` installs the core alone."""

import importlib.util
import re
from pathlib import Path

from seriatim.formats import load_agents, load_map

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text()


def demo():
    spec = importlib.util.spec_from_file_location("demo", ROOT / "examples" / "demo.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_demo_writes_a_map_with_walls_and_starts_on_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert demo().rooms(tmp_path / "rooms.map") == "map=rooms.map"
    assert demo().corner(tmp_path / "corner.agents") == "starts=corner.agents"
    grid = load_map("rooms.map")
    starts = load_agents("corner.agents", grid)
    assert not grid.passable.all()
    assert len(set(starts)) == 15
    assert max(row for row, _ in starts) < 3


def test_no_page_and_no_example_names_a_place_outside_the_project():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").glob("*.py")]:
        assert "shared/" not in page.read_text(), page.name


def installed_for(target):
    """What pip is asked for, before the commands of a target run."""
    needs, commands = re.search(rf"^{re.escape(target)}:(.*)\n((?:\t.*\n)*)", MAKEFILE, re.MULTILINE).groups()
    before = [part for need in re.findall(r"\$\(\w+\)", needs) for part in installed_for(need)]
    return [*before, *re.findall(r"\$\(INSTALL\) '?([^'\n]+)", commands)]


def test_the_demo_installs_the_core_and_the_tests_the_rest():
    assert installed_for("demo") == ["."]
    assert installed_for("test") == [".", ".[dev]"]
