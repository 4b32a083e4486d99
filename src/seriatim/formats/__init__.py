"""Readers of published file formats; every mistake in a file is one sentence with its name and line number."""

from seriatim.formats._cells import Cell, load_agents, load_tasks
from seriatim.formats._grid_map import GridMap, load_map

__all__ = ["Cell", "GridMap", "load_agents", "load_map", "load_tasks"]
