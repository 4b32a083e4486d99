"""`seriatim solve`: exact costs of a finite model, and the part of the gain that one agent at a time reaches.

The state of a problem file is hidden. Its least cost is bounded from the first belief; agents that share all their
observations count as one agent. The other rows of the answer assume that the state is seen.

Policy iteration one agent at a time starts from the base policy. Its first step is one-at-a-time rollout with exact
Q-factors. Its last policy is agent-by-agent optimal, which need not be optimal.
"""

import time
import warnings
from typing import Any

import jax
import numpy as np

import seriatim as st
from seriatim import _optional
from seriatim.cli._load import Loaded, is_problem_file, load, stages_of
from seriatim.cli._options import Problem
from seriatim.cli._output import print_json
from seriatim.cli._policies import base_policy, has_base_policy, require_lawful
from seriatim.cli._progress import Show, progress
from seriatim.cli._solved import Answer, Between, Row, Starts, entries, print_answer

# Initial states that are drawn and averaged over, if the model does not give their distribution.
STARTS = 1000
# The least tolerance of bounds over beliefs: each further digit takes as long as all digits before it.
CLOSEST = 1e-4
# The part of the time left after reading that is kept for these bounds.
HALF = 0.5


def solve(problem: Problem, *, horizon: int | None, tolerance: float, latest: float) -> None:
    """Solve the problem and print the costs that are found by the time `latest` on the monotonic clock.

    If the state is hidden, bounds over beliefs get at least half of the time that is left after reading.
    """
    key = jax.random.key(problem.seed)
    with progress() as show:
        show("checking the model")
        loaded = load(problem, latest)
        st.check_model(loaded.model, key, quick=True).raise_if_broken()
        base = None
        if has_base_policy(loaded, problem.base):
            base = require_lawful(base_policy(loaded, problem.base), loaded, key)
        show("checking the model", 1, 1)
        stages = _stages(loaded, horizon)
        is_hidden = is_problem_file(loaded.name) and not loaded.model.observed
        own = latest - HALF * _left(latest) if is_hidden else latest
        rows, reached = _solved(loaded, base, stages, tolerance, own, show)
        answer = Answer(rows, _starts(loaded.model, key), stages, reached, None)
        if is_hidden:
            hidden = _hidden(loaded, stages, tolerance, latest, show)
            answer = answer._replace(hidden=_narrowed(hidden, answer, is_blind=problem.base is None))
    if problem.form == "json":
        print_json(entries(loaded, problem.seed, answer))
    else:
        print_answer(loaded, answer)


def _stages(loaded: Loaded, horizon: int | None) -> int | None:
    """Return the number of stages to solve: the user's, the model's own, or None for no last stage."""
    return horizon if horizon is not None else stages_of(loaded, None)


def _left(latest: float) -> float:
    """Return the seconds left."""
    return max(0.0, latest - time.monotonic())


def _solved(
    loaded: Loaded, base: Any, stages: int | None, tolerance: float, latest: float, show: Show
) -> tuple[dict[str, Row], float]:
    """Solve the problem with the state seen; return the rows found in time, and the tolerance that was reached."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", st.exact.NotConverged)  # the table says so
        if stages is not None:
            return _rows_by_stage(loaded, base, stages, latest, show), 0.0
        return _rows(loaded, base, tolerance, latest, show)


def _rows(loaded: Loaded, base: Any, tolerance: float, latest: float, show: Show) -> tuple[dict[str, Row], float]:
    show("all agents at once")
    try:
        optimum = st.exact.modified_policy_iteration(loaded.model, tolerance=tolerance, max_seconds=_left(latest))
        show("all agents at once", 1, 1)
        show("one agent at a time")
        found = st.exact.policy_iteration(
            loaded.model, improvement="one-at-a-time", initial=base, max_seconds=_left(latest)
        )
    except st.InputError as error:
        if _optional.endless(loaded.model) and float(loaded.model.discount) == 1:
            raise st.InputError(f"{error} Here: --horizon N, or --set discount=0.95.") from error
        raise
    reached = tolerance if optimum.converged else 2 * optimum.error_bound
    return _named(base, found.history, found, Row(optimum.cost_to_go, optimum.iterations, optimum.converged)), reached


def _rows_by_stage(loaded: Loaded, base: Any, stages: int, latest: float, show: Show) -> dict[str, Row]:
    """Solve the problem stage by stage; a row has the cost of all stages."""
    show("all agents at once")
    optimum = st.exact.finite_horizon(loaded.model, stages, max_seconds=_left(latest))
    show("all agents at once", 1, 1)
    show("one agent at a time")
    found = st.exact.finite_horizon(
        loaded.model, stages, improvement="one-at-a-time", initial=base, max_seconds=_left(latest)
    )
    return _named(base, found.history[:, 0], found, Row(optimum.cost_to_go[0], None))


def _named(base: Any, costs: Any, found: Any, optimum: Row) -> dict[str, Row]:
    """Name the rows: some policies of an iteration, whose costs are given, and the optimum."""
    # If the base policy cannot be improved, `history` has only its own cost, which is then also that of one step.
    once = min(1, found.iterations)
    return {
        "base" if base is not None else "some policy": Row(costs[0], None),
        "one-at-a-time": Row(costs[once], 1, found.converged or once == 1),
        "agent-by-agent optimal": Row(costs[-1], found.iterations, found.converged),
        "optimal": optimum,
    }


def _hidden(loaded: Loaded, stages: int | None, tolerance: float, latest: float, show: Show) -> Between | str:
    show("bounds over beliefs")
    try:
        found = _bounds(loaded.model, stages, max(tolerance, CLOSEST), _left(latest))
    except st.InputError as error:
        return str(error)
    show("bounds over beliefs", 1, 1)
    return found


def _narrowed(hidden: Between | str, answer: Answer, *, is_blind: bool) -> Between | str:
    """Tighten bounds over beliefs that had no time to meet, by costs that are known from the other rows.

    A team that sees the state pays no more than one that does not. The base policy of a problem file needs no
    observation, so its cost is an upper bound.
    """
    if isinstance(hidden, str) or hidden.converged:
        return hidden
    # The computed optimum may be half the tolerance above the true one.
    lower = answer.starts.mean(answer.optimum)[0] - answer.tolerance / 2
    upper = answer.starts.mean(answer.rows["base"].cost_to_go)[0] if is_blind else np.inf
    return Between(max(hidden.lower, lower), min(hidden.upper, upper), False)


def _bounds(model: Any, stages: int | None, tolerance: float, seconds: float) -> Between:
    if stages is not None:
        return Between(*st.beliefs.centralised_bounds(model, stages, max_seconds=seconds))
    found = st.beliefs.bounds(model, tolerance=tolerance, max_trials=10**9, max_seconds=seconds)
    return Between(found.lower, found.upper, found.converged)


def _starts(model: Any, key: Any) -> Starts:
    """Return the distribution of the first state: the model's own or, without one, that of `STARTS` drawn states."""
    known = _optional.initial_distribution(model)
    if known is not None:
        given = np.asarray(known(), np.float64)
        return Starts(given / given.sum(), None)
    keys = jax.random.split(key, STARTS)
    drawn = np.asarray(jax.jit(jax.vmap(lambda one: model.index(model.initial_state(one))))(keys))
    count = jax.tree.leaves(jax.eval_shape(model.states))[0].shape[0]
    return Starts(np.bincount(drawn, minlength=count) / STARTS, STARTS)
