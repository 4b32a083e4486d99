"""Rows: expected costs and transitions of some joint controls, and the one operation on them.

    Q(x, u) = g(x, u) + a sum_y P(x, u; y) J(y)

All exact methods are made of this operation. They ask a `Source` for rows: tables select them, and a model enumerates
its outcomes for only the joint controls asked for. One-agent-at-a-time methods ask for `m*c` joint controls at a state,
and so never meet all `c**m`.
"""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from seriatim.exact._tables import Matrix

# Row sums this close to one count as one: normalising in double precision leaves no larger error.
FULL = 1e-12


class Rows(NamedTuple):
    """`n` joint controls at each of `s` states: costs `[s, n]`, transitions `[s*n, s]`; infinite cost forbids."""

    costs: Float[np.ndarray, "s n"]
    transitions: Matrix
    discount: float


@runtime_checkable
class Source(Protocol):
    """The source of rows: tables, or a model."""

    @property
    def num_states(self) -> int:
        """The number of states, s."""
        ...

    @property
    def num_agents(self) -> int:
        """The number of agents, m."""
        ...

    @property
    def num_controls(self) -> int:
        """The number of controls of one agent, c."""
        ...

    @property
    def discount(self) -> float:
        """The discount factor."""
        ...

    def rows(self, controls: Int[np.ndarray, "s n m"]) -> Rows:
        """Return the rows of `n` joint controls at each state; agents' controls must exist."""
        ...

    def joint_rows(self) -> Rows:
        """Return the rows of all c**m joint controls at each state."""
        ...


def backup(rows: Rows, cost_to_go: Float[np.ndarray, " s"]) -> Float[np.ndarray, "s n"]:
    """Return the Q-factors `[s, n]` of one stage followed by `cost_to_go`, which may be infinite."""
    q = expected(rows.transitions, cost_to_go).reshape(rows.costs.shape)
    # In place: the Q-factors of all joint controls are a large array.
    q *= rows.discount
    q += rows.costs
    return q


def expected(transitions: Matrix, values: Float[np.ndarray, " s"]) -> Float[np.ndarray, " rows"]:
    """Return `transitions @ values`, where 0 times infinity is 0."""
    if not values.any():  # every solver starts from zero
        return np.zeros(transitions.shape[0])
    infinite = np.isinf(values)
    if not infinite.any():
        result: Float[np.ndarray, " rows"] = transitions @ values
        return result
    finite = transitions @ np.where(infinite, 0.0, values)
    # A row is infinite if it leads to an infinite value with positive probability.
    return np.where(transitions @ infinite.astype(float) > 0, np.inf, finite)


def least(q: Float[np.ndarray, "s n"]) -> tuple[Float[np.ndarray, " s"], Int[np.ndarray, " s"]]:
    """Return the least Q-factor of each state and its place, the first of equals."""
    place = q.argmin(axis=1)
    return q[np.arange(len(q)), place], place


def chain(rows: Rows, choice: Int[np.ndarray, " s"]) -> Rows:
    """Keep one joint control at each state: the Markov chain of a policy."""
    s, n = rows.costs.shape
    states = np.arange(s)
    return Rows(rows.costs[states, choice][:, None], rows.transitions[states * n + choice], rows.discount)


def leaks(rows: Rows) -> Bool[np.ndarray, "s n"]:
    """Say which rows may end the problem."""
    total = rows.transitions @ np.ones(rows.transitions.shape[1])
    ends: Bool[np.ndarray, "s n"] = (total < 1 - FULL).reshape(rows.costs.shape)
    return ends


def as_sparse(matrix: Matrix) -> sparse.csr_array:
    """Return the matrix compressed by rows, without stored zeros."""
    rows = sparse.csr_array(matrix)
    if rows.nnz and not rows.data.all():
        rows = rows.copy()
        rows.eliminate_zeros()
    return rows
