"""What `seriatim compare` says below its table."""

import numpy as np

from seriatim.cli._compare import _notes
from seriatim.evaluation import Comparison
from seriatim.evaluation._compare import Row
from seriatim.evaluation._estimate import estimate


def comparison(**shares):
    costs, stages, ended = np.array([3.0, 5.0]), np.array([2, 2]), np.array([True, True])
    rows = {}
    for name, part in shares.items():
        found = estimate(costs, stages, ended, horizon=9, discount=1.0, incomparable=part)
        rows[name] = Row(found, None, 0, 0.1, 21, 1.0, 0.1)
    return Comparison(rows, 2, 9)


def test_costs_that_only_a_planner_met_are_reported():
    (note,) = _notes(comparison(base=0.0, rollout=0.25))
    assert note.startswith("rollout simulated costs that are nan or infinite in 25 % of its decisions")


def test_nothing_is_said_where_all_could_be_compared():
    assert _notes(comparison(base=0.0, rollout=0.0)) == []
