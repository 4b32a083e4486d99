"""Tables: a finite problem as arrays in double precision, the form that solvers sweep over.

    costs[x, u] = E g(x, u, w),     transitions[x, u, y] = P(f(x, u, w) = y and the problem goes on).

An outcome that ends the problem adds to the cost and to no transition, so a row of `transitions` sums to one less the
chance of ending.
"""

from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Shaped
from scipy import sparse

from seriatim._arguments import as_numbers, require_real, require_whole
from seriatim._errors import InputError
from seriatim._record import record, static

Matrix: TypeAlias = np.ndarray | sparse.csr_array  # [rows, s], dense or compressed by rows

# A row whose sum is this close to one is rescaled to one: rounding must not be taken for a chance of ending.
ROUNDING = 1e-6


@record
class Tables:
    """A finite problem as arrays, made from a model by `tabulate` or given by a user.

    Accepted forms of `transitions`: a dense array `[s, a, s]`, or any SciPy sparse matrix of shape `(s*a, s)` whose row
    `x*a + u` holds the successors of state `x` under joint control `u`. Both are kept as a matrix of `s*a` rows.

    Attributes:
        costs: expected stage costs, `[s, a]`; infinity marks a joint control that may not be chosen.
        transitions: probabilities of the next state. A row that sums to less than one ends the problem with the rest;
            rests below 1e-6 count as rounding and the row is rescaled.
        discount: in (0, 1].
        num_agents: m; joint controls are numbered as in `seriatim.controls.joint_controls`, so `a = c**m`.

    Raises:
        InputError: shapes disagree, a row is no (sub-)distribution, a cost is NaN or minus infinity, a state has
            no finite cost, or `a` is not the m-th power of a whole number.
    """

    costs: Shaped[np.ndarray, "s a"]
    transitions: Any
    discount: Any
    num_agents: int = static(default=1)

    def __post_init__(self) -> None:
        costs = np.ascontiguousarray(as_numbers("costs", self.costs))
        _check_sizes(self, costs)
        _check_costs(costs)
        rows = _as_rows(self.transitions, *costs.shape)
        object.__setattr__(self, "costs", costs)
        object.__setattr__(self, "transitions", _normalised(rows, np.isfinite(costs)))
        object.__setattr__(self, "discount", float(self.discount))

    @property
    def num_states(self) -> int:
        """The number of states, s."""
        return int(self.costs.shape[0])

    @property
    def num_controls(self) -> int:
        """The number of controls of one agent, c."""
        return _root(self.costs.shape[1], self.num_agents)


def _root(count: int, power: int) -> int:
    root: int = round(count ** (1 / power))
    return root


def check_discount(discount: Any) -> None:
    """Refuse a discount outside (0, 1]."""
    require_real("discount", discount, "a number above 0 and at most 1", above=0, most=1)


def _check_sizes(tables: Tables, costs: Float[np.ndarray, "s a"]) -> None:
    check_discount(tables.discount)
    require_whole("num_agents", tables.num_agents)
    if costs.ndim != 2 or costs.size == 0:
        raise InputError(f"costs has shape {costs.shape}; give [states, joint controls], at least one of each.")
    m, a = tables.num_agents, costs.shape[1]
    if _root(a, m) ** m != a:
        raise InputError(
            f"costs has {a} joint controls, which is no c**{m} for num_agents={m}; give controls**agents columns, "
            "infinite where agents have fewer controls."
        )


def _check_costs(costs: Float[np.ndarray, "s a"]) -> None:
    odd = np.argwhere(np.isnan(costs) | (costs == -np.inf))
    if odd.size:
        value = costs[tuple(odd[0])]
        raise InputError(f"costs{odd[0].tolist()} is {value}; numbers are expected, or inf for forbidden controls.")
    stuck = np.flatnonzero(~np.isfinite(costs).any(axis=1))
    if stuck.size:
        raise InputError(f"costs of state {stuck[0]} are all infinite; every state needs an admissible joint control.")


def _as_rows(transitions: Any, s: int, a: int) -> Matrix:
    compressed = sparse.issparse(transitions)
    shape, form = ((s * a, s), "sparse (s*a, s)") if compressed else ((s, a, s), "dense [s, a, s]")
    rows: Any = _compact(transitions) if compressed else np.asarray(transitions, np.float64)
    if rows.shape != shape:
        raise InputError(f"transitions has shape {rows.shape}; costs of shape {(s, a)} need {form}, here {shape}.")
    matrix: Matrix = rows if compressed else rows.reshape(s * a, s)
    return matrix


def _compact(transitions: Any) -> sparse.csr_array:
    """Compress by rows with the narrowest sufficient indices: the time of a sweep is the time to read the matrix."""
    rows = sparse.csr_array(transitions).astype(np.float64)
    index = np.int32 if max(rows.nnz, *rows.shape) < 2**31 else np.int64
    return sparse.csr_array((rows.data, rows.indices.astype(index), rows.indptr.astype(index)), shape=rows.shape)


def _normalised(rows: Matrix, allowed: Bool[np.ndarray, "s a"]) -> Matrix:
    """Check the rows that may be used and rescale those that sum to one but for rounding."""
    s, a = allowed.shape
    usable = allowed.ravel()
    entries = rows.data if isinstance(rows, sparse.csr_array) else rows
    if not (entries.min(initial=0.0) >= 0 and np.isfinite(entries.max(initial=0.0))):
        raise InputError(f"transitions holds {entries.min():g} to {entries.max():g}; probabilities are expected.")
    total = rows @ np.ones(s)
    odd = np.flatnonzero(usable & (total > 1 + ROUNDING))
    if odd.size:
        x, u = divmod(int(odd[0]), a)
        raise InputError(
            f"transitions of state {x}, joint control {u} sum to {total[odd[0]]:.9g}; at most 1 is expected (less than "
            "1 ends the problem with the rest)."
        )
    # Sums that are exact up to double precision stay as they are, so that most tables are not copied.
    near = (abs(total - 1) <= ROUNDING) & (abs(total - 1) > 1e-12)
    if not near.any():
        return rows
    scale = np.where(near, 1 / np.where(near, total, 1.0), 1.0)
    if isinstance(rows, sparse.csr_array):
        data = rows.data * np.repeat(scale, np.diff(rows.indptr))
        return sparse.csr_array((data, rows.indices, rows.indptr), shape=rows.shape)
    return rows * scale[:, None]
