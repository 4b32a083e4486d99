"""The published maps and their cells, where they lie beside the project."""

from pathlib import Path

import pytest

from seriatim.formats import load_agents, load_map, load_tasks

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "maps"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no maps at {FOLDER}")

# Rows, columns and free cells, counted in the files (`grep -o '[.GSE]'` over the rows).
MAPS = {
    "maze-32-32-2.map": (32, 32, 666),
    "random-64-64-10.map": (64, 64, 3687),
    "room-64-64-16.map": (64, 64, 3646),
    "warehouse_long_corridor_large.map": (140, 500, 38643),
}
# A file of cells, its map, the number of entries, and the first line that counts: row * width + column.
AGENTS = {
    "maze-example_40.agents": ("maze-32-32-2.map", 40, 1005),
    "random-example_400.agents": ("random-64-64-10.map", 400, 1426),
    "room-example_250.agents": ("room-64-64-16.map", 250, 2206),
    "fulfill-example_2500.agents": ("warehouse_long_corridor_large.map", 2500, 34838),
}
TASKS = {
    "maze-example_40.tasks": ("maze-32-32-2.map", 160, [203, 453]),
    "random-example_400.tasks": ("random-64-64-10.map", 3200, [1717, 1420, 289]),
    "room-example_250.tasks": ("room-64-64-16.map", 1375, [3457, 382]),
}


def real(name):
    if not (FOLDER / name).exists():
        pytest.skip(f"no {name} in {FOLDER}")
    return FOLDER / name


@pytest.mark.parametrize("name", MAPS)
def test_a_map_has_its_size_and_its_free_cells(name):
    grid = load_map(real(name))
    assert (grid.height, grid.width, int(grid.passable.sum())) == MAPS[name]


@pytest.mark.parametrize("name", AGENTS)
def test_start_cells_are_free_and_in_order(name):
    place, count, first = AGENTS[name]
    grid = load_map(real(place))
    cells = load_agents(real(name), grid)
    assert len(cells) == count
    assert cells[0] == divmod(first, grid.width)
    assert all(grid.passable[cell] for cell in cells)


@pytest.mark.parametrize("name", TASKS)
def test_errands_are_free_and_in_order(name):
    place, count, first = TASKS[name]
    grid = load_map(real(place))
    errands = load_tasks(real(name), grid)
    assert len(errands) == count
    assert errands[0] == tuple(divmod(cell, grid.width) for cell in first)
    assert all(grid.passable[cell] for errand in errands for cell in errand)
