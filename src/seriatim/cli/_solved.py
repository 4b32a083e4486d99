"""The output of `seriatim solve`: a table, or entries for JSON."""

import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from rich.text import Text

from seriatim.cli._load import Loaded, title
from seriatim.cli._output import console, plural, print_table, share


class Row(NamedTuple):
    """A row of the answer, for one policy: its cost-to-go at every state, the iterations that led to it (None if there
    were none), and whether these were finished in time."""

    cost_to_go: Float[np.ndarray, " s"]
    iterations: int | None
    converged: bool = True


class Between(NamedTuple):
    """Bounds on the least cost of a team that does not see the state; `converged` if they are within the tolerance."""

    lower: float
    upper: float
    converged: bool


class Starts(NamedTuple):
    """The distribution of the first state, from `drawn` samples; exact if `drawn` is None."""

    weights: Float[np.ndarray, " s"]
    drawn: int | None

    @property
    def places(self) -> int:
        """The number of possible first states."""
        return int(np.count_nonzero(self.weights))

    def mean(self, cost: Float[np.ndarray, " s"]) -> tuple[float, float]:
        """Return the expected cost and its standard error, 0 where the distribution is exact or of one state."""
        possible = self.weights > 0
        weights, costs = self.weights[possible], cost[possible]
        mean = float(weights @ costs)
        if self.drawn is None or self.places == 1 or not math.isfinite(mean):
            return mean, 0.0
        return mean, float(np.sqrt(weights @ (costs - mean) ** 2 / (self.drawn - 1)))


class Answer(NamedTuple):
    """The answer to print; `hidden` has bounds for a team that does not see the state, or says why there are none."""

    rows: dict[str, Row]
    starts: Starts
    stages: int | None
    tolerance: float
    hidden: Between | str | None

    @property
    def optimum(self) -> Float[np.ndarray, " s"]:
        """The least cost, `[s]`."""
        return self.rows["optimal"].cost_to_go

    @property
    def is_known(self) -> bool:
        """Whether the optimum was found in time. Without it, the distance of policies to it is not known."""
        return self.rows["optimal"].converged


def entries(loaded: Loaded, seed: int, answer: Answer) -> dict[str, Any]:
    """Return the answer as entries for JSON."""
    policies = {}
    for name, row in answer.rows.items():
        mean, error = answer.starts.mean(row.cost_to_go)
        policies[name] = {
            "cost_at_start": mean,
            "standard_error": error,
            "largest_gap": float(np.max(_gap(row, answer))) if answer.is_known else None,
            "above_optimum": _above(row, answer) if answer.is_known else None,
            "iterations": row.iterations,
            "converged": row.converged,
        }
    head = {"model": loaded.name, "fields": loaded.fields, "seed": seed, "states": len(answer.optimum)}
    size = {"stages": answer.stages, "tolerance": answer.tolerance, "starts": answer.starts.places}
    found = {**head, **size, "starts_drawn": answer.starts.drawn, "policies": policies}
    return found if answer.hidden is None else found | {"state_hidden": _bounded(answer.hidden)}


def print_answer(loaded: Loaded, answer: Answer) -> None:
    """Print the table and, if the state is hidden, the bounds on the cost of a team that does not see it."""
    out = console()
    out.print(Text(title(loaded), style="bold"))
    out.print(_head(answer))
    headings = ("policy", "cost at\nthe start", "most above\nthe optimum", "states above\nthe optimum", "iterations")
    print_table(headings, [_printed(name, row, answer) for name, row in answer.rows.items()])
    unfinished = [name for name, row in answer.rows.items() if not row.converged]
    if unfinished:
        out.print(Text(_unfinished_line(unfinished, answer.tolerance)))
    if answer.hidden is not None:
        out.print(Text(_hidden_line(answer.hidden)))


def _unfinished_line(names: list[str], tolerance: float) -> str:
    within = (
        f" The costs called optimal are within {_cost(tolerance / 2)} of the optimum." if "optimal" in names else ""
    )
    return (
        f"The time was over before {' and '.join(names)} were found: the rows show the best so far.{within} "
        "Give --max-seconds for more."
    )


def _head(answer: Answer) -> str:
    starts = answer.starts
    where = "one start"
    if starts.places > 1 and starts.drawn is None:
        where = f"the mean over all starts, {starts.places:,} states"
    elif starts.places > 1:
        where = f"a mean over {starts.drawn:,} starts drawn, {starts.places:,} states"
    how = f"tolerance {answer.tolerance:g}" if answer.stages is None else plural(answer.stages, "stage")
    return f"{plural(len(answer.optimum), 'state')}, {where}, {how}"


def _gap(row: Row, answer: Answer) -> Float[np.ndarray, " s"]:
    """Return the cost above the optimum at every state, 0 where both are infinite."""
    equal = row.cost_to_go == answer.optimum
    return np.where(equal, 0.0, row.cost_to_go - np.where(equal, 0.0, answer.optimum))


def _least_gap(answer: Answer) -> float:
    """Return the gap up to which costs count as equal: the tolerance or, if larger, rounding."""
    finite = answer.optimum[np.isfinite(answer.optimum)]
    return max(answer.tolerance, 1e-12 * float(np.abs(finite).max(initial=0.0)))


def _above(row: Row, answer: Answer) -> float:
    """Return the share of states at which the policy costs more than the optimum by more than the tolerance."""
    return float(np.mean(_gap(row, answer) > _least_gap(answer)))


def _bounded(hidden: Between | str) -> dict[str, Any]:
    if isinstance(hidden, str):
        return {"lower": None, "upper": None, "converged": False, "why": hidden}
    return {"lower": hidden.lower, "upper": hidden.upper, "converged": hidden.converged}


def _hidden_line(hidden: Between | str) -> str:
    if isinstance(hidden, str):
        return f"State hidden, by what agents have seen together: not bounded. {hidden}"
    met = "" if hidden.converged else "; the time was over: give --max-seconds for more"
    return (
        "State hidden, by what agents have seen together: the optimal cost at the start is between "
        f"{_cost(hidden.lower)} and {_cost(hidden.upper)}{met}."
    )


def _printed(name: str, row: Row, answer: Answer) -> list[str]:
    start, error = answer.starts.mean(row.cost_to_go)
    gap = float(_gap(row, answer).max())
    count = "" if row.iterations is None else f"{row.iterations:,}"
    shown = _cost(start) if error == 0 else f"{start:.6g} ± {error:.2g}"
    if not answer.is_known:
        return [name, shown, "", "", count]
    return [name, shown, _cost(gap if gap > _least_gap(answer) else 0.0), share(_above(row, answer)), count]


def _cost(value: float) -> str:
    return f"{value:.6g}" if np.isfinite(value) else "for ever"
