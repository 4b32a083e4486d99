"""Problems: models with their heuristics, each in a file or folder of its own."""

from typing import TYPE_CHECKING

from seriatim._moved import moved_names
from seriatim.problems._from_tables import tabular
from seriatim.problems._rock_sample import RockSample
from seriatim.problems._spiders_on_a_line import SpidersOnALine
from seriatim.problems._tabular import TablePlayer, Tabular, random_team
from seriatim.problems.repair._beliefs import DamageForever
from seriatim.problems.repair._model import Repair, RepairState, WithinWays
from seriatim.problems.spiders_and_flies._hunt import Hunt
from seriatim.problems.spiders_and_flies._memory import LastSeenFilter, WithinMoves
from seriatim.problems.spiders_and_flies._model import SpidersAndFlies

__all__ = [
    "DamageForever",
    "Hunt",
    "LastSeenFilter",
    "Repair",
    "RepairState",
    "RockSample",
    "SpidersAndFlies",
    "SpidersOnALine",
    "TablePlayer",
    "Tabular",
    "WithinMoves",
    "WithinWays",
    "random_team",
    "tabular",
]

if not TYPE_CHECKING:  # a type checker would take every name for one that is there
    __getattr__ = moved_names(__name__)
