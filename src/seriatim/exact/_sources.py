"""The two sources of rows: tables, whose rows are selected, and models, whose outcomes are enumerated.

JAX evaluates a model in chunks of (state, joint control) pairs. The chunks have a fixed size, so that one compilation
serves all chunks and all models of the same shapes. The model's single-precision probabilities are rescaled in double
precision, so the exact problem that is solved is the table, not the model. A model that knows its numbers in double
precision (`tabulated_motion`) is not asked for its outcomes: its rows are selected.
"""

import math
import time
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped
from scipy import sparse

from seriatim import _optional
from seriatim._compile import jit
from seriatim._errors import InputError
from seriatim._preconditions import require_discount, require_outcomes, require_sizes
from seriatim.controls import count_in_words, joint_controls, num_joint_controls
from seriatim.exact._rows import Rows, Source
from seriatim.exact._tables import Matrix, Tables
from seriatim.model import Model, State

Problem: TypeAlias = Model | Tables

# CHUNK pairs of state and control are evaluated at once. A table of all joint controls has at most MAX_PAIRS of them.
CHUNK = 2**13
MAX_PAIRS = 2**24
# Up to so many pairs are enumerated once, where rows are asked for many times.
FEW_PAIRS = 2**20
# Probabilities whose sum is further than this from one are a mistake in the model, not single-precision rounding.
ROUNDING = 1e-4


def source(problem: Problem, latest: float = math.inf) -> Source:
    """Return the source of the rows of `problem`.

    Outcomes of a model are enumerated until the time `latest` on the monotonic clock; `rows` then raises an InputError.

    Raises:
        InputError: a model has no states(), index() and outcomes(), or a discount outside (0, 1].
    """
    return TableSource(problem) if isinstance(problem, Tables) else _model_source(problem, latest)


def _model_source(model: Any, latest: float) -> "ModelSource":
    require_sizes(model)
    missing = _optional.missing_methods(model, _optional.FINITE)
    if missing:
        raise InputError(
            f"{type(model).__name__} has no {missing[0]}(); exact dynamic programming needs a finite model, with "
            "states(), index(state) and outcomes(state, control)."
        )
    require_discount(model)
    states = jax.tree.map(jnp.asarray, model.states())
    require_outcomes(model, jax.tree.map(lambda leaf: leaf[0], states))
    count = int(jax.tree.leaves(states)[0].shape[0])
    m, c = model.num_agents, model.num_controls
    known = _optional.tabulated_motion(model)
    # A model's own table has the rows of all joint controls, which may be too many.
    given = None if known is None or count * num_joint_controls(m, c) > MAX_PAIRS else known()
    return ModelSource(model, states, count, m, c, float(model.discount), given, latest)


class TableSource(NamedTuple):
    """Rows selected from tables."""

    tables: Tables

    @property
    def num_states(self) -> int:
        """The number of states, s."""
        return self.tables.num_states

    @property
    def num_agents(self) -> int:
        """The number of agents, m."""
        return self.tables.num_agents

    @property
    def num_controls(self) -> int:
        """The number of controls of one agent, c."""
        return self.tables.num_controls

    @property
    def discount(self) -> float:
        """The discount factor."""
        return float(self.tables.discount)

    def rows(self, controls: Int[np.ndarray, "s n m"]) -> Rows:
        """Select the rows of the joint controls."""
        return _selected(self.joint_rows(), joint_number(controls, self.num_controls))

    def joint_rows(self) -> Rows:
        """Return the tables themselves."""
        return Rows(self.tables.costs, self.tables.transitions, self.discount)


def _selected(rows: Rows, joint: Int[np.ndarray, "s n"]) -> Rows:
    """Select joint controls, by their numbers, at each state."""
    states = np.arange(len(joint))[:, None]
    # The matrix has one row for each pair; the pair of state x and joint control u is row x * a + u.
    chosen = rows.transitions[(states * rows.costs.shape[1] + joint).reshape(-1)]
    return Rows(rows.costs[states, joint], chosen, rows.discount)


class ModelSource(NamedTuple):
    """Rows computed from a model's outcomes, for the joint controls asked for and no others.

    `given` holds the rows of all joint controls, if they are known already: rows are then selected from it. Outcomes
    are enumerated until the time `latest` on the monotonic clock.
    """

    model: Any
    states: State
    num_states: int
    num_agents: int
    num_controls: int
    discount: float
    given: tuple[Float[np.ndarray, "s a"], Matrix] | None = None
    latest: float = math.inf

    def rows(self, controls: Int[np.ndarray, "s n m"]) -> Rows:
        """Enumerate the outcomes of the joint controls, a chunk of pairs at a time."""
        if self.given is not None:
            return _selected(Rows(*self.given, self.discount), joint_number(controls, self.num_controls))
        s, n, m = controls.shape
        pairs = controls.reshape(s * n, m).astype(np.int32)
        numbers = np.repeat(np.arange(s, dtype=np.int32), n)
        # A small problem is one chunk. Its size is rounded up to a power of two, so that few sizes are compiled.
        size = min(CHUNK, 1 << (s * n - 1).bit_length())
        parts = [self._part(numbers[i : i + size], pairs[i : i + size], size) for i in range(0, s * n, size)]
        counts = np.concatenate([part.counts for part in parts])
        matrix = sparse.csr_array(
            (
                np.concatenate([part.probabilities for part in parts]),
                np.concatenate([part.successors for part in parts]),
                np.concatenate([[0], np.cumsum(counts)]),
            ),
            shape=(s * n, s),
        )
        # Two outcomes of a pair may lead to the same state.
        matrix.sum_duplicates()
        costs = np.concatenate([part.costs for part in parts])
        return Rows(costs.reshape(s, n), matrix, self.discount)

    def joint_rows(self) -> Rows:
        """Enumerate the outcomes of all joint controls.

        Raises:
            InputError: there are too many of them.
        """
        if self.given is not None:
            return Rows(*self.given, self.discount)
        s, m, c = self.num_states, self.num_agents, self.num_controls
        pairs = s * num_joint_controls(m, c)
        if pairs > MAX_PAIRS:
            raise InputError(
                f"{s:,} states times {count_in_words(m, c)} joint controls make {pairs:,} rows, more than "
                f'{MAX_PAIRS:,}; policy_iteration(model, improvement="one-at-a-time") needs {s * m * c:,}.'
            )
        every = joint_controls(m, c)
        return self.rows(np.broadcast_to(every, (s, *every.shape)))

    def _part(self, numbers: Int[np.ndarray, " n"], controls: Int[np.ndarray, "n m"], size: int) -> "_Part":
        if time.monotonic() > self.latest:
            raise InputError(
                f"The time was over when the outcomes of {type(self.model).__name__} were enumerated up to state "
                f"{numbers[0]} of {self.num_states}; give more seconds (--max-seconds on the command line, max_seconds "
                "in Python)."
            )
        short = size - len(numbers)
        # The last chunk is padded to the full size, so that it needs no program of its own.
        padded = np.pad(numbers, (0, short)), np.pad(controls, ((0, short), (0, 0)))
        raw = _enumerate(self.model, self.states, *map(jnp.asarray, padded))
        found = _Outcomes(*(np.asarray(leaf)[: len(numbers)] for leaf in raw))
        _check_outcomes(self.model, self.num_states, numbers, controls, found)
        return _compressed(found)


class _Outcomes(NamedTuple):
    """The outcomes of `n` pairs, as a model gives them."""

    successors: Shaped[Array | np.ndarray, "n k"]
    probabilities: Shaped[Array | np.ndarray, "n k"]
    costs: Shaped[Array | np.ndarray, "n k"]
    done: Shaped[Array | np.ndarray, "n k"]
    allowed: Shaped[Array | np.ndarray, " n"]


class _Part(NamedTuple):
    """Expected costs of `n` pairs, and the non-zero entries of their rows with the number in each."""

    costs: Float[np.ndarray, " n"]
    counts: Int[np.ndarray, " n"]
    successors: Int[np.ndarray, " nonzero"]
    probabilities: Float[np.ndarray, " nonzero"]


def _outcomes(model: Any, states: State, numbers: Int[Array, " n"], controls: Int[Array, "n m"]) -> _Outcomes:
    def one(number: Int[Array, ""], control: Int[Array, " m"]) -> _Outcomes:
        state = jax.tree.map(lambda leaf: leaf[number], states)
        after, probability = model.outcomes(state, control)
        allowed = _optional.is_allowed(model, state, control)
        cost = jnp.broadcast_to(jnp.asarray(after.cost), probability.shape)
        done = jnp.broadcast_to(jnp.asarray(after.done), probability.shape)
        return _Outcomes(jax.vmap(model.index)(after.state), probability, cost, done, allowed)

    return jax.vmap(one)(numbers, controls)


_enumerate = jit(_outcomes)


def _compressed(found: _Outcomes) -> _Part:
    # Outcomes of a forbidden control may be anything. Its row stays empty, and its cost is infinite.
    probability = np.where(found.allowed[:, None], np.maximum(found.probabilities, 0).astype(np.float64), 0.0)
    # Single-precision probabilities sum to one only nearly, and a missing rest would be read as a chance of ending.
    probability /= np.where(found.allowed, probability.sum(axis=1), 1.0)[:, None]
    # The cost of an outcome of probability 0 may be anything, even NaN, and 0 * NaN is NaN.
    costs = np.where(probability > 0, found.costs, 0).astype(np.float64)
    # An outcome that ends the problem adds to the cost, and has no entry in the row.
    goes_on = (probability > 0) & ~found.done.astype(bool)
    return _Part(
        costs=np.where(found.allowed, (probability * costs).sum(axis=1), np.inf),
        counts=goes_on.sum(axis=1),
        successors=np.asarray(found.successors)[goes_on].astype(np.int32),
        probabilities=probability[goes_on],
    )


def _check_outcomes(
    model: Any, num_states: int, numbers: Int[np.ndarray, " n"], controls: Int[np.ndarray, "n m"], found: _Outcomes
) -> None:
    """Refuse outcomes of allowed controls with wrong probabilities, infinite costs or unknown next states."""
    allowed = np.asarray(found.allowed)[:, None]
    p = np.asarray(found.probabilities, np.float64)
    possible = allowed & (p > 0)
    # The negation of what is right also catches NaN, of which every comparison is False.
    sums = ~((p >= -ROUNDING).all(axis=1) & (abs(p.sum(axis=1) - 1) <= ROUNDING))[:, None]
    costs = ~np.isfinite(found.costs)
    lost = ~np.asarray(found.done, bool) & ((found.successors < 0) | (found.successors >= num_states))

    def place(wrong: Bool[np.ndarray, "n k"]) -> tuple[int, int, str] | None:
        if not wrong.any():
            return None
        n, k = np.argwhere(wrong)[0]
        name = f"{type(model).__name__}.outcomes at state {numbers[n]}, control {controls[n].tolist()}"
        return int(n), int(k), name

    if at := place(allowed & sums):
        n, _, name = at
        raise InputError(f"{name} has probabilities {p[n].tolist()} that sum to {p[n].sum():.6g}; give a distribution.")
    if at := place(possible & costs):
        n, k, name = at
        raise InputError(f"{name} has a stage cost of {found.costs[n, k]}; stage costs must be finite.")
    if at := place(possible & lost):
        n, k, name = at
        raise InputError(
            f"{name} leads to state number {found.successors[n, k]}; index() must be one of 0..{num_states - 1}."
        )


def remembered(found: Source) -> Source:
    """Enumerate all joint controls of a model once, if they are few, so that later requests only select rows."""
    if not isinstance(found, ModelSource) or found.given is not None:
        return found
    few = found.num_states * num_joint_controls(found.num_agents, found.num_controls) <= FEW_PAIRS
    if not few:
        return found
    rows = found.joint_rows()
    return found._replace(given=(rows.costs, rows.transitions))


def joint_number(controls: Int[np.ndarray, "*batch m"], num_controls: int) -> Int[np.ndarray, "*batch"]:
    """Return the numbers of joint controls: their places in `seriatim.controls.joint_controls`, on the host."""
    m = controls.shape[-1]
    # 64 bits, because c**m may exceed 32.
    number: Int[np.ndarray, "*batch"] = controls.astype(np.int64) @ (num_controls ** np.arange(m - 1, -1, -1))
    return number


def controls_of(found: Source, joint: Int[np.ndarray, " s"]) -> Int[np.ndarray, "s m"]:
    """Return the agents' controls of numbered joint controls: the inverse of `joint_number`."""
    weights = found.num_controls ** np.arange(found.num_agents - 1, -1, -1)
    return (joint[:, None] // weights % found.num_controls).astype(np.int32)
