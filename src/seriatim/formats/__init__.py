"""Readers of published file formats; a mistake in a file becomes one sentence with the file's name and the line."""

from typing import TYPE_CHECKING

from seriatim._moved import moved_names
from seriatim.formats._cells import load_agents, load_tasks
from seriatim.formats._grid_map import GridMap, load_map
from seriatim.formats._load import load
from seriatim.formats._save import save
from seriatim.formats._scenarios import load_scenarios
from seriatim.formats._tables import TeamTables
from seriatim.formats._team_pomdp import TeamPOMDP

__all__ = [
    "GridMap",
    "TeamPOMDP",
    "TeamTables",
    "load",
    "load_agents",
    "load_map",
    "load_scenarios",
    "load_tasks",
    "save",
]

if not TYPE_CHECKING:  # a type checker would take every name for one that is there
    __getattr__ = moved_names(__name__)
