"""Models from tables, so that planners can simulate the tables that exact methods sweep over.

    x' ~ transitions[x, u],   g = costs[x, u];      with tables for each stage k, the state is the number  k s + x.

Stages are numbered from the start; the last one ends the problem. If a row of transitions sums to less than one, the
rest is the chance of an outcome that ends the problem earlier.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from seriatim._errors import InputError
from seriatim.exact import Tables
from seriatim.problems._tabular import Tabular

# A chance of ending below this counts as rounding.
ROUNDING = 1e-9


def tabular(
    tables: Tables | Sequence[Tables], *, initial: Any = None, base_control: Any = None, final_cost: Any = None
) -> Tabular:
    """Make a model of tables, or of a sequence of tables, one for each stage.

    With tables for N stages the model has N s states: number `k s + x` is state `x` at stage `k`. The model ends after
    stage N - 1, so planners simulate up to the true end and know how many stages are left. `exact.finite_horizon` of
    the same tables solves it in double precision: row k of its solution belongs to the states `k s, ..., k s + s - 1`.

    Args:
        tables: of all stages, or one for each; with the same states, agents, controls and discount. A joint control of
            infinite cost is infeasible.
        initial: the distribution of the first state, `[s]`; by default uniform.
        base_control: the base policy, `[s, m]` or, by stage, `[N, s, m]`; by default each state's first feasible joint
            control.
        final_cost: of each state after the last of N stages, `[s]`; by default 0.

    Raises:
        InputError: tables differ in size, or an argument does not fit them.
    """
    stages = list(tables) if isinstance(tables, Sequence) else [tables]
    _check(stages, final_cost is not None and not isinstance(tables, Sequence))
    parts = [_outcomes(each) for each in stages]
    if isinstance(tables, Sequence):
        parts = _in_order(parts, stages[0], final_cost)
    s, (m, c) = stages[0].num_states, (stages[0].num_agents, stages[0].num_controls)
    whole = _together(parts)
    first = np.full(s, 1 / s) if initial is None else np.asarray(initial, np.float64)
    if first.shape != (s,):
        raise InputError(f"initial has shape {first.shape}; give a probability for each of {s} states.")
    return Tabular(
        successors=whole.successors,
        probabilities=whole.probabilities,
        costs=whole.costs,
        mask=np.ones((len(whole.costs), m, c), bool),
        discount=stages[0].discount,
        done=whole.done,
        # The first state is one of stage 0.
        initial=np.pad(first, (0, len(whole.costs) - len(first))),
        base_control=_base(base_control, len(stages), s, m),
        is_feasible=whole.feasible,
    )


class _Outcomes(NamedTuple):
    """The successors of some states, in the form of `Tabular`."""

    successors: Int[np.ndarray, "s a k"]
    probabilities: Float[np.ndarray, "s a k"]
    costs: Float[np.ndarray, "s a k"]
    done: Bool[np.ndarray, "s a k"]
    feasible: Bool[np.ndarray, "s a"]


def _check(stages: list[Tables], ends_nowhere: bool) -> None:
    if not stages:
        raise InputError("tables=(): give tables, or a sequence of tables, one for each stage.")
    for k, each in enumerate(stages):
        if not isinstance(each, Tables):
            raise InputError(f"tables of stage {k} are {type(each).__name__}; give st.exact.Tables(...).")
    sizes = [(each.costs.shape, each.num_agents, each.discount) for each in stages]
    odd = next((k for k, size in enumerate(sizes) if size != sizes[0]), None)
    if odd is not None:
        raise InputError(
            f"Stage {odd} has (shape of costs, agents, discount) {sizes[odd]} and stage 0 has {sizes[0]}; the same are "
            "needed at every stage."
        )
    if ends_nowhere:
        raise InputError("final_cost is given and tables have no last stage; give a sequence of tables, one a stage.")


def _outcomes(tables: Tables) -> _Outcomes:
    """List for each row the states of positive probability and the end; fill rows up with outcomes of probability 0."""
    s, a = tables.costs.shape
    matrix: Any = tables.transitions
    dense = np.asarray(matrix if isinstance(matrix, np.ndarray) else matrix.toarray()).reshape(s, a, s)
    # Every row gets as many outcomes as the row with most successors. A stable sort puts possible successors first.
    k = max(1, int(np.count_nonzero(dense, axis=2).max()))
    successors = np.argsort(dense == 0, axis=2, kind="stable")[..., :k]
    chances = np.take_along_axis(dense, successors, axis=2)
    # The probability that is missing from a row is that of ending.
    rest = 1 - chances.sum(axis=2, keepdims=True)
    ends = np.where(rest > ROUNDING, rest, 0.0)
    feasible = np.isfinite(tables.costs)
    # Rows of forbidden controls may hold anything. They are replaced by an end, which is well formed.
    chances = np.where(feasible[..., None], np.concatenate([chances, ends], axis=2), np.arange(k + 1) == k)
    costs = np.broadcast_to(np.where(feasible, tables.costs, 0.0)[..., None], chances.shape)
    done = np.broadcast_to(np.arange(k + 1) == k, chances.shape)
    return _Outcomes(np.pad(successors, ((0, 0), (0, 0), (0, 1))), chances, costs, done, feasible)


def _in_order(parts: list[_Outcomes], first: Tables, final_cost: Any) -> list[_Outcomes]:
    """Let every stage lead to the next one, and the last one to the end with its final cost."""
    s = first.num_states
    final = np.zeros(s) if final_cost is None else np.asarray(final_cost, np.float64)
    if final.shape != (s,) or not np.isfinite(final).all():
        raise InputError(f"final_cost has shape {final.shape}; give a finite number for each of {s} states.")
    # States of stage k + 1 are numbered from (k + 1) s.
    moved = [part._replace(successors=(k + 1) * s + part.successors) for k, part in enumerate(parts[:-1])]
    last = parts[-1]
    # The final cost is paid one stage later, and only if the problem has not ended before.
    at_end = np.where(last.done, 0.0, first.discount * final[last.successors])
    every = np.ones_like(last.done)
    return [*moved, last._replace(successors=0 * last.successors, costs=last.costs + at_end, done=every)]


def _together(parts: list[_Outcomes]) -> _Outcomes:
    """Put the states of all stages below one another; fill outcomes up with probability 0 to the same number."""
    k = max(part.successors.shape[2] for part in parts)

    def padded(table: Any) -> Any:
        missing = 0 if table.ndim == 2 else k - table.shape[2]
        return np.pad(table, ((0, 0), (0, 0), (0, missing))) if missing else table

    return _Outcomes(*(np.concatenate([padded(table) for table in tables]) for tables in zip(*parts, strict=True)))


def _base(control: Any, stages: int, s: int, m: int) -> Any:
    """Return the base policy's control at all states of all stages, or None."""
    if control is None:
        return None
    given = np.asarray(control)
    if given.shape not in ((s, m), (stages, s, m)):
        raise InputError(f"base_control has shape {given.shape}; give {(s, m)} or, by stage, {(stages, s, m)}.")
    return np.broadcast_to(given, (stages, s, m)).reshape(stages * s, m)
