"""`seriatim solve`: a finite model exactly, and how far improvement one agent at a time gets.

A problem file hides its state. What it costs then is bounded, from the first belief; that of agents that share all they
see is as good as one agent's. The other rows see the state.

Policy iteration one agent at a time starts from the base policy. Its first step is one-at-a-time rollout with exact
Q-factors; it ends agent-by-agent optimal, which need not be optimal.
"""

from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int
from rich.text import Text

import seriatim as st
from seriatim.cli._load import Loaded, is_problem_file, load, title
from seriatim.cli._numbers import plural, share
from seriatim.cli._options import Problem
from seriatim.cli._output import console, print_json, print_table
from seriatim.cli._policies import base_policy, has_base_policy, require_lawful
from seriatim.cli._progress import Show, progress

# Episodes whose starts are averaged over.
STARTS = 1000
# Bounds over beliefs are not asked to meet more closely: every digit takes as long as all before it.
CLOSEST = 1e-4


class _Row(NamedTuple):
    """A policy: its cost-to-go at every state, and the iterations that led to it, if it was not given."""

    cost_to_go: Float[np.ndarray, " s"]
    iterations: int | None


class _Answer(NamedTuple):
    """What is printed; `hidden` bounds the cost of those who do not see the state, or says why it is not bounded."""

    rows: dict[str, _Row]
    starts: Int[np.ndarray, " n"]
    tolerance: float
    hidden: st.beliefs.Bounds | str | None


def solve(problem: Problem, *, tolerance: float, seconds: float) -> None:
    """Solve and print the costs; bounds over beliefs take no more than so many seconds."""
    key = jax.random.key(problem.seed)
    with progress() as show:
        show("checking the model")
        loaded = load(problem)
        st.check_model(loaded.model, key, quick=True).raise_if_broken()
        rows = _rows(loaded, problem, tolerance, key, show)
        hides = is_problem_file(loaded.name) and not loaded.model.observed
        hidden = _hidden(loaded, tolerance, seconds, show) if hides else None
        answer = _Answer(rows, _starts(loaded.model, key), tolerance, hidden)
    if problem.form == "json":
        print_json(_entries(loaded, problem.seed, answer))
    else:
        _print_table(loaded, answer)


def _rows(loaded: Loaded, problem: Problem, tolerance: float, key: Any, show: Show) -> dict[str, _Row]:
    model, base = loaded.model, None
    if has_base_policy(loaded, problem.base):
        base = require_lawful(base_policy(loaded, problem.base), loaded, key)
    show("checking the model", 1, 1)
    show("all agents at once")
    optimum = st.exact.modified_policy_iteration(model, tolerance=tolerance)
    show("all agents at once", 1, 1)
    show("one agent at a time")
    found = st.exact.policy_iteration(model, improvement="one-at-a-time", initial=base)
    return {
        "base" if base is not None else "some policy": _Row(found.history[0], None),
        "one-at-a-time": _Row(found.history[min(1, found.iterations)], 1),
        "agent-by-agent optimal": _Row(found.cost_to_go, found.iterations),
        "optimal": _Row(optimum.cost_to_go, optimum.iterations),
    }


def _hidden(loaded: Loaded, tolerance: float, seconds: float, show: Show) -> st.beliefs.Bounds | str:
    show("bounds over beliefs")
    try:
        found = st.beliefs.bounds(
            loaded.model, tolerance=max(tolerance, CLOSEST), max_trials=10**9, max_seconds=seconds
        )
    except st.InputError as error:
        return str(error)
    show("bounds over beliefs", 1, 1)
    return found


def _starts(model: Any, key: Any) -> Int[np.ndarray, " n"]:
    """Return the numbers of the states in which episodes start."""
    keys = jax.random.split(key, STARTS)
    return np.asarray(jax.jit(jax.vmap(lambda one: model.index(model.initial_state(one))))(keys))


def _gap(row: _Row, answer: _Answer) -> Float[np.ndarray, " s"]:
    """Return the cost above the optimum at every state; two infinities differ by nothing."""
    least = answer.rows["optimal"].cost_to_go
    equal = row.cost_to_go == least
    return np.where(equal, 0.0, row.cost_to_go - np.where(equal, 0.0, least))


def _above(row: _Row, answer: _Answer) -> float:
    """Return the share of states at which the policy costs more than the optimum by more than the tolerance."""
    return float(np.mean(_gap(row, answer) > answer.tolerance))


def _entries(loaded: Loaded, seed: int, answer: _Answer) -> dict[str, Any]:
    policies = {
        name: {
            "cost_at_start": float(np.mean(row.cost_to_go[answer.starts])),
            "largest_gap": float(np.max(_gap(row, answer))),
            "above_optimum": _above(row, answer),
            "iterations": row.iterations,
        }
        for name, row in answer.rows.items()
    }
    head = {"model": loaded.name, "fields": loaded.fields, "seed": seed, "states": _num_states(answer)}
    entries = {**head, "tolerance": answer.tolerance, "starts": len(np.unique(answer.starts)), "policies": policies}
    return entries if answer.hidden is None else entries | {"state_hidden": _bounded(answer.hidden)}


def _bounded(hidden: st.beliefs.Bounds | str) -> dict[str, Any]:
    if isinstance(hidden, str):
        return {"lower": None, "upper": None, "converged": False, "why": hidden}
    return {"lower": hidden.lower, "upper": hidden.upper, "converged": hidden.converged}


def _num_states(answer: _Answer) -> int:
    return len(answer.rows["optimal"].cost_to_go)


def _print_table(loaded: Loaded, answer: _Answer) -> None:
    out, places = console(), len(np.unique(answer.starts))
    out.print(Text(title(loaded), style="bold"))
    where = "one start" if places == 1 else f"a mean over {STARTS:,} starts in {places:,} states"
    out.print(f"{plural(_num_states(answer), 'state')}, {where}, tolerance {answer.tolerance:g}")
    headings = ("policy", "cost at\nthe start", "most above\nthe optimum", "states above\nthe optimum", "iterations")
    print_table(headings, [_printed(name, row, answer) for name, row in answer.rows.items()])
    if answer.hidden is not None:
        out.print(Text(_hidden_line(answer.hidden)))


def _hidden_line(hidden: st.beliefs.Bounds | str) -> str:
    if isinstance(hidden, str):
        return f"State hidden, by what agents have seen together: not bounded. {hidden}"
    met = "" if hidden.converged else "; the time was over: give --max-seconds for more"
    return (
        "State hidden, by what agents have seen together: the optimal cost at the start is between "
        f"{_cost(hidden.lower)} and {_cost(hidden.upper)}{met}."
    )


def _printed(name: str, row: _Row, answer: _Answer) -> list[str]:
    start, gap = np.mean(row.cost_to_go[answer.starts]), _rounded(_gap(row, answer).max(), answer)
    count = "" if row.iterations is None else f"{row.iterations:,}"
    return [name, _cost(start), _cost(gap), share(_above(row, answer)), count]


def _rounded(gap: float, answer: _Answer) -> float:
    return gap if gap > answer.tolerance else 0.0


def _cost(value: float) -> str:
    return f"{value:.6g}" if np.isfinite(value) else "for ever"
