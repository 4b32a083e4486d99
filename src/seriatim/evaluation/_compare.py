"""Comparison of policies on common random numbers.

All policies play the same episodes: the same initial states, the same disturbances. The difference of two policies'
costs is taken episode by episode, and its standard error is that of the paired differences, usually several times
smaller than that of either mean.
"""

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from seriatim._arguments import require_callable
from seriatim._errors import InputError
from seriatim._preconditions import require_model, require_playable, require_policy
from seriatim._record import record
from seriatim.evaluation._estimate import Estimate, mean_and_error
from seriatim.evaluation._evaluate import followed, require_counts
from seriatim.evaluation._timing import Visited, effort, preparation
from seriatim.model import Key, Model
from seriatim.policy import Policy

Progress: TypeAlias = Callable[[str, float | int, int], None]


@record
class Difference:
    """The mean of the paired differences `cost - reference cost`, with its standard error. Negative is better."""

    mean: float
    standard_error: float


@record
class Row:
    """One policy of a comparison.

    Attributes:
        estimate: its cost.
        difference: to the first policy, paired; None for the first.
        q_factors_per_decision: Q-factors compared for one decision; 0 for a policy that compares none.
        milliseconds_per_decision: median time of a single decision, compiled, one state at a time, at states that the
            policy came to.
        states_timed: the number of these states; they are initial states if all episodes ended within a few stages.
        trace_seconds: time spent tracing programs for this policy in Python; each process spends it again.
        compile_seconds: time spent compiling these programs, or fetching them compiled from the cache on disk.
    """

    estimate: Estimate
    difference: Difference | None
    q_factors_per_decision: int
    milliseconds_per_decision: float
    states_timed: int
    trace_seconds: float
    compile_seconds: float


@record
class Comparison:
    """A comparison of policies; the first is the reference."""

    rows: dict[str, Row]
    episodes: int
    horizon: int

    def as_dict(self) -> dict[str, Any]:
        """Return plain numbers, ready for JSON; an unknown number is None."""
        policies = {name: _row_as_dict(row) for name, row in self.rows.items()}
        return {"episodes": self.episodes, "horizon": self.horizon, "policies": policies}

    def __str__(self) -> str:
        return "\n".join(f"{name}: {row.estimate}{_versus(row)}" for name, row in self.rows.items())


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a comparison; `finished` compares the policies that were evaluated before."""

    def __init__(self, finished: Comparison) -> None:
        super().__init__()
        self.finished = finished


def compare(
    model: Model,
    policies: Mapping[str, Policy],
    key: Key,
    *,
    episodes: int = 100,
    horizon: int = 400,
    progress: Progress | None = None,
) -> Comparison:
    """Evaluate policies on the same episodes, and their differences to the first one.

    Args:
        model: the problem as it is.
        policies: by name; the first is the reference, usually the base policy.
        key: decides the episodes; see `evaluate`.
        episodes: how many each policy plays.
        horizon: stages after which an episode is cut.
        progress: called with (name of the policy, episodes done, episodes), as by `evaluate`; with 0 episodes done
            before a policy's programs are written and compiled.

    Raises:
        InputError: there is no policy, or as `evaluate` does.
        Interrupted: Ctrl-C; a `KeyboardInterrupt` whose `finished` is the comparison of the policies evaluated so far.
    """
    require_counts(episodes, horizon)
    _check_policies(model, policies)
    if progress is not None:
        require_callable("progress", progress, "a function (name, episodes done, episodes)", 3)
    rows: dict[str, Row] = {}
    try:
        for name, policy in policies.items():
            told = None if progress is None else functools.partial(progress, name)
            reference = next(iter(rows.values())).estimate if rows else None
            rows[name] = _row(model, policy, key, episodes, horizon, told, reference)
    except KeyboardInterrupt:
        raise Interrupted(Comparison(rows, int(episodes), int(horizon))) from None
    return Comparison(rows, int(episodes), int(horizon))


def _check_policies(model: Any, policies: Any) -> None:
    if not isinstance(policies, Mapping):
        kind = type(policies).__name__
        raise InputError(f'policies is a {kind}; give policies by name, such as {{"base": model.base_policy()}}.')
    if not policies:
        raise InputError("policies={}: there is nothing to compare; give at least one policy by name.")
    for name, policy in policies.items():
        require_policy(f"policies[{name!r}]", policy)
    require_model(model, starts=True)
    for policy in policies.values():  # all are checked before the first of them is played
        require_playable(model, policy)


def _row(
    model: Model,
    policy: Policy,
    key: Key,
    episodes: int,
    horizon: int,
    progress: Callable[[float | int, int], None] | None,
    reference: Estimate | None,
) -> Row:
    """Evaluate one policy, and time its decisions at states from its episodes."""
    if progress is not None:
        progress(0, episodes)
    before, visited = preparation(), Visited()
    found = followed(model, policy, key, episodes=episodes, horizon=horizon, progress=progress, look=visited.look)
    taken = effort(model, policy, key, visited.states)
    spent = preparation().since(before)
    return Row(
        estimate=found,
        difference=None if reference is None else _difference(found, reference),
        q_factors_per_decision=taken.q_factors,
        milliseconds_per_decision=taken.milliseconds,
        states_timed=taken.states,
        trace_seconds=spent.tracing,
        compile_seconds=spent.compiling,
    )


def _difference(found: Estimate, reference: Estimate) -> Difference:
    # Episode i of both policies has the same randomness, so differences by episode vary less than the costs.
    return Difference(*mean_and_error(found.costs - reference.costs))


def _row_as_dict(row: Row) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "mean": _known(row.estimate.mean),
        "standard_error": _known(row.estimate.standard_error),
        "truncated": row.estimate.truncated,
        "tail_weight": row.estimate.tail_weight,
        "incomparable": row.estimate.incomparable,
        "q_factors_per_decision": row.q_factors_per_decision,
        "milliseconds_per_decision": row.milliseconds_per_decision,
        "states_timed": row.states_timed,
    }
    if row.difference is not None:
        entry["difference_to_base"] = {
            "mean": _known(row.difference.mean),
            "standard_error": _known(row.difference.standard_error),
        }
    return entry


def _known(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _versus(row: Row) -> str:
    if row.difference is None:
        return ""
    return f"; difference {row.difference.mean:+.4g} ± {row.difference.standard_error:.2g}"
