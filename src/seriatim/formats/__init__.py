"""Readers of published file formats; every mistake in a file is one sentence with its name and line number."""

from seriatim.formats._cells import Cell, load_agents, load_tasks
from seriatim.formats._grid_map import GridMap, load_map
from seriatim.formats._load import load
from seriatim.formats._save import save
from seriatim.formats._scenarios import Scenario, load_scenarios
from seriatim.formats._tables import Tables
from seriatim.formats._team_pomdp import BlindPolicy, TeamPOMDP

__all__ = [
    "BlindPolicy",
    "Cell",
    "GridMap",
    "Scenario",
    "Tables",
    "TeamPOMDP",
    "load",
    "load_agents",
    "load_map",
    "load_scenarios",
    "load_tasks",
    "save",
]
