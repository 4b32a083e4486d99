"""A large sparse problem solved exactly, beside QuantEcon's modified policy iteration.

100,000 states, 10 controls, 5 successors each, discount 0.99, to a tolerance of 1e-6. Timed is the solution alone: both
get their own form of the same arrays beforehand, QuantEcon's compilation is warmed up. Both answers are then compared
with one a thousand times as precise, since a tolerance that is claimed and not met would be cheap.
"""

from collections.abc import Callable

import numpy as np
from quantecon.markov import DiscreteDP
from scipy import sparse

from benchmarks._results import Row, publish
from benchmarks._timing import in_turns
from seriatim import exact

STATES, CONTROLS, SUCCESSORS, DISCOUNT, TOLERANCE = 100_000, 10, 5, 0.99, 1e-6
ROUNDS = 7
REFERENCE = "quantecon, modified policy iteration"
COLUMNS = {"program": "", "seconds": ".3f", "of the reference's": ".2f", "error": ".1e"}


def problem() -> tuple[np.ndarray, sparse.csr_array]:
    """Draw costs and transitions of the Garnet kind."""
    rng = np.random.default_rng(0)
    rows = STATES * CONTROLS
    successors = rng.integers(0, STATES, (rows, SUCCESSORS))
    chances = rng.dirichlet(np.ones(SUCCESSORS), rows)
    starts = np.arange(0, rows * SUCCESSORS + 1, SUCCESSORS)
    transitions = sparse.csr_array((chances.ravel(), successors.ravel(), starts), shape=(rows, STATES))
    transitions.sum_duplicates()
    transitions.indices, transitions.indptr = (a.astype(np.int32) for a in (transitions.indices, transitions.indptr))
    return rng.random((STATES, CONTROLS)), transitions


def quantecon_form(costs: np.ndarray, transitions: sparse.csr_array) -> DiscreteDP:
    states, controls = (index.ravel() for index in np.indices(costs.shape))
    assert transitions.indices.dtype == np.int32  # the short indices that seriatim chooses by itself
    return DiscreteDP(-costs.ravel(), sparse.csr_matrix(transitions), DISCOUNT, states, controls)


def _contestants(
    costs: np.ndarray, transitions: sparse.csr_array
) -> tuple[exact.Tables, dict[str, Callable[[], np.ndarray]]]:
    tables, other = exact.Tables(costs, transitions, DISCOUNT), quantecon_form(costs, transitions)
    return tables, {
        REFERENCE: lambda: -other.solve("modified_policy_iteration", epsilon=TOLERANCE).v,
        "modified_policy_iteration": lambda: exact.modified_policy_iteration(tables, tolerance=TOLERANCE).cost_to_go,
        "value_iteration": lambda: exact.value_iteration(tables, tolerance=TOLERANCE).cost_to_go,
    }


def measure() -> list[Row]:
    tables, contestants = _contestants(*problem())
    seconds = in_turns(contestants, ROUNDS)
    precise = exact.modified_policy_iteration(tables, tolerance=TOLERANCE / 1000).cost_to_go
    return [
        {
            "program": name,
            "seconds": seconds[name],
            "of the reference's": seconds[name] / seconds[REFERENCE],
            "error": float(np.abs(run() - precise).max()),
        }
        for name, run in contestants.items()
    ]


def main(*, redraw: bool = False) -> None:
    publish("sparse_exact", COLUMNS, measure, redraw=redraw)
