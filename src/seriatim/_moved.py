"""Names that were public before, and the public names that stand for them now.

One table for all folders. A folder asks it for names that it does not have (`__getattr__`, PEP 562).
"""

import sys
from collections.abc import Callable
from typing import NoReturn

_NETWORKS = (
    "FeasibleFallback",
    "Featured",
    "WithMemory",
    "IgnoreMemory",
    "clusters",
    "decentralised_policy",
    "network_policy",
    "partitioned",
    "policy_classifier",
    "value_network",
)
_ESTIMATORS = (
    *("score_function", "leave_one_out", "disarm", "rebar", "relax", "exact", "pathwise"),
    *("straight_through", "gumbel_softmax", "straight_through_gumbel_softmax", "gumbel_rao"),
)

# Each name of before, and what to write instead; both without `seriatim.` before them.
MOVED = {
    "drawing": "rendering",
    "beliefs.OwnFilter": "beliefs.PerAgentFilter",
    "beliefs.OwnPlans": "beliefs.IndependentPlanning",
    "beliefs.TeamFilter": "beliefs.ExactAgentFilter",
    "beliefs.value_iteration": "beliefs.incremental_pruning",
    "formats.Tables": "formats.TeamTables",
    "lanes.kept": "lanes.materialise",
    "lanes.side_by_side": "lanes.map_lanes",
    "lanes.spaced": "lanes.padded_lane_count",
    "planning.Simulation": "Simulation",
    "planning.q_samples": "simulation.q_samples",
    "problems.Sightings": "problems.LastSeenFilter",
    "training.OrElse": "networks.FeasibleFallback",
    "training.Remembering": "networks.WithMemory",
    "training.Unremembering": "networks.IgnoreMemory",
    **{f"training.{name}": f"networks.{name}" for name in _NETWORKS},
    **{f"gradients.{name}": f'gradients.estimator("{name.replace("_", "-")}")' for name in _ESTIMATORS},
}


def moved_names(folder: str) -> Callable[[str], NoReturn]:
    """Return the `__getattr__` of a folder: it says where a name has gone.

    A moved name raises ImportError rather than AttributeError: `from seriatim.training import name` would replace the
    sentence of the latter by one that says only that the name is not there.

    Args:
        folder: the module's `__name__`.
    """

    def missing(name: str) -> NoReturn:
        place = f"{folder}.{name}"
        now = MOVED.get(place.removeprefix("seriatim."))
        if now is not None:
            raise ImportError(f"{place} is now seriatim.{now}.", name=folder)
        raise AttributeError(f"module {folder!r} has no attribute {name!r}", name=name, obj=sys.modules.get(folder))

    return missing
