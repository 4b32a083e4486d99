"""A large sparse problem solved exactly, beside QuantEcon's modified policy iteration.

100,000 states, 10 controls, 5 successors each, discount 0.99, to a tolerance of 1e-6. Timed is the solution alone: both
get their own form of the same arrays beforehand, QuantEcon's compilation is warmed up. Both answers are then compared
with one a thousand times as precise, since a tolerance that is claimed and not met would be cheap.
"""

import numpy as np
import rich.box
from quantecon.markov import DiscreteDP
from rich.console import Console
from rich.table import Table
from scipy import sparse

from benchmarks._timing import in_turns
from seriatim import exact

STATES, CONTROLS, SUCCESSORS, DISCOUNT, TOLERANCE = 100_000, 10, 5, 0.99, 1e-6
ROUNDS = 7


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


def main() -> None:
    costs, transitions = problem()
    tables, other = exact.Tables(costs, transitions, DISCOUNT), quantecon_form(costs, transitions)
    contestants = {
        "quantecon, modified policy iteration": lambda: other.solve("modified_policy_iteration", epsilon=TOLERANCE).v,
        "modified_policy_iteration": lambda: exact.modified_policy_iteration(tables, tolerance=TOLERANCE).cost_to_go,
        "value_iteration": lambda: exact.value_iteration(tables, tolerance=TOLERANCE).cost_to_go,
    }
    seconds = in_turns(contestants, ROUNDS)
    precise = exact.modified_policy_iteration(tables, tolerance=TOLERANCE / 1000).cost_to_go
    reference = next(iter(contestants))
    table = Table(title=f"{STATES:,} states, {CONTROLS} controls, discount {DISCOUNT}", box=rich.box.SIMPLE_HEAD)
    for heading in ("", "seconds", "of the reference's", "error"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, run in contestants.items():
        answer = -run() if name == reference else run()
        error = np.abs(answer - precise).max()
        table.add_row(name, f"{seconds[name]:.3f}", f"{seconds[name] / seconds[reference]:.2f}", f"{error:.1e}")
    Console().print(table)


if __name__ == "__main__":
    main()
