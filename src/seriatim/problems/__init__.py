"""Problems: one file each, a model with its heuristic."""

from seriatim.problems._distance_fields import UNREACHABLE, distance_fields
from seriatim.problems._from_tables import tabular
from seriatim.problems._hunt import Hunt, NearestFly, NearestSeenFly
from seriatim.problems._relaxed_hunt import RelaxedHunt
from seriatim.problems._repair import Inspection, Repair, RepairState, WithinWays
from seriatim.problems._repair_beliefs import DamageForever, NearestDamage, RepairBeliefs
from seriatim.problems._rock_sample import NearestLikelyRock, RockBeliefs, RockSample, RockState
from seriatim.problems._sightings import Sight, Sightings, WithinMoves
from seriatim.problems._spiders_and_flies import SpidersAndFlies
from seriatim.problems._spiders_on_a_line import LineState, NearestEnd, SpidersOnALine
from seriatim.problems._tabular import TablePlayer, Tabular, random_team, static_team

__all__ = [
    "UNREACHABLE",
    "DamageForever",
    "Hunt",
    "Inspection",
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
    "Sight",
    "Sightings",
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
