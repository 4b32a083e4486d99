"""Problems: one file each, a model with its heuristic."""

from seriatim.problems._distance_fields import UNREACHABLE, distance_fields
from seriatim.problems._from_tables import tabular
from seriatim.problems._rock_sample import NearestLikelyRock, RockBeliefs, RockSample, RockState
from seriatim.problems._spiders_on_a_line import LineState, NearestEnd, SpidersOnALine
from seriatim.problems._tabular import TablePlayer, Tabular, random_team, static_team
from seriatim.problems.repair._beliefs import DamageForever, NearestDamage, RepairBeliefs
from seriatim.problems.repair._model import Inspection, Repair, RepairState, WithinWays
from seriatim.problems.spiders_and_flies._hunt import Hunt, NearestFly, NearestSeenFly
from seriatim.problems.spiders_and_flies._memory import LastSeenFilter, SpiderObservation, WithinMoves
from seriatim.problems.spiders_and_flies._model import SpidersAndFlies
from seriatim.problems.spiders_and_flies._relaxed import RelaxedHunt

__all__ = [
    "UNREACHABLE",
    "DamageForever",
    "Hunt",
    "Inspection",
    "LastSeenFilter",
    "LineState",
    "NearestDamage",
    "NearestEnd",
    "NearestFly",
    "NearestLikelyRock",
    "NearestSeenFly",
    "RelaxedHunt",
    "Repair",
    "RepairBeliefs",
    "RepairState",
    "RockBeliefs",
    "RockSample",
    "RockState",
    "SpiderObservation",
    "SpidersAndFlies",
    "SpidersOnALine",
    "TablePlayer",
    "Tabular",
    "WithinMoves",
    "WithinWays",
    "distance_fields",
    "random_team",
    "static_team",
    "tabular",
]
