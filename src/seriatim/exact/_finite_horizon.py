"""Finite horizons: backward induction, and policy iteration over the policies of all stages.

    J_N(x) = final cost of x,    J_k(x) = min_u Q_k(x, u),    Q_k(x, u) = g(x, u) + a sum_y P(x, u; y) J_{k+1}(y).

Stages are numbered k = 0, ..., N - 1 from the start. After N stages only the final cost is paid. A policy has a control
for each stage and state. One-agent-at-a-time improvement improves all stages together, each against the present
policy's J_{k+1}:

    J'_k <= J_k at every stage and state; a policy that no agent can improve any more is agent-by-agent optimal.

Source: D. Bertsekas, Dynamic Programming and Optimal Control, vol. I, Athena Scientific, 4th ed. 2017, section 1.3.
"""

import math
import time
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import jax
import numpy as np
from jaxtyping import Float, Int

from seriatim import _optional
from seriatim._arguments import require_whole
from seriatim._errors import InputError
from seriatim.exact._checks import check_cost_to_go, check_iterations, latest_of, team_order, warn_not_converged
from seriatim.exact._evaluation import policy_chain
from seriatim.exact._improvement import Improvement, falls, improved
from seriatim.exact._policies import policy_control
from seriatim.exact._rows import Source, backup, least
from seriatim.exact._solution import StageSolution
from seriatim.exact._sources import Problem, controls_of, remembered, source
from seriatim.finite_horizon import FiniteHorizon

# Costs-to-go and controls that a solution of all stages may have.
MOST_NUMBERS = 2**26

# One problem for all stages, or one for each stage.
Problems: TypeAlias = Problem | Sequence[Problem]


def finite_horizon(
    problem: Problems,
    stages: int | None = None,
    *,
    final_cost: Any = None,
    improvement: Improvement = "joint",
    initial: Any = None,
    order: tuple[int, ...] | None = None,
    max_iterations: int = 10_000,
    max_seconds: float | int | None = None,
) -> StageSolution:
    """Solve a problem of N stages at every stage and state, exactly but for rounding.

    With "joint" improvement this is backward induction. With "one-at-a-time" a policy is evaluated and improved until
    no agent can do better; `history[1]` is exact one-at-a-time rollout of `initial`.

    Args:
        problem: a finite model, `Tables`, a `FiniteHorizon`, or a sequence of models or tables, one for each stage.
        stages: N, from 1 up; not needed of a `FiniteHorizon`, a sequence, or a model that says after how many stages it
            ends (`ends_after`).
        final_cost: of each state after the last stage, `[s]`; by default 0, or that of the `FiniteHorizon`.
        improvement: "joint" or "one-at-a-time".
        initial: for "one-at-a-time": a policy of the model's states, or controls `[s, m]` or `[N, s, m]`. By default
            the model's base policy, or each state's first admissible joint control.
        order: the agents in their turn; by default 0, 1, ...
        max_iterations: improvements after which it warns (`NotConverged`) and stops.
        max_seconds: seconds after which it warns and stops too; None is no limit.

    Raises:
        InputError: the problem is not finite, stages differ in states, agents or controls, an argument is out of range,
            or the time was over before all stages were seen once.
    """
    check_iterations(max_iterations)
    known = _stages(problem, stages, final_cost, latest_of(max_seconds))
    if improvement == "joint":
        return _backward_induction(known)
    if improvement != "one-at-a-time":
        raise InputError(f"improvement={improvement!r}: give 'joint' or 'one-at-a-time'.")
    control = _first(known) if initial is None else _controls(known, initial)
    return _iterated(known, control, team_order(order, known.first.num_agents), max_iterations)


def finite_horizon_cost(
    problem: Problems, policy: Any, stages: int | None = None, *, final_cost: Any = None
) -> Float[np.ndarray, "stages s"]:
    """Return the cost-to-go of a policy at every stage and state, `[N + 1, s]`; row 0 is that of all stages.

    Args:
        problem: as for `finite_horizon`.
        policy: of the model's states, or controls `[s, m]` or, by stage, `[N, s, m]`.
        stages: N, from 1 up; not needed as for `finite_horizon`.
        final_cost: as for `finite_horizon`.

    Raises:
        InputError: as for `finite_horizon`, or the policy chooses a control that is not allowed.
    """
    known = _stages(problem, stages, final_cost)
    return _evaluated(known, _controls(known, policy))


class _TimeOver(InputError):
    """The time was over before every stage was done."""


class _Stages(NamedTuple):
    """The source of each stage's rows, the final cost, and the problem as it was given."""

    sources: list[Source]
    final: Float[np.ndarray, " s"]
    problem: Any
    latest: float

    def require_time(self, done: int) -> None:
        """Refuse to begin another stage, after `done` of them, if the time is over."""
        if time.monotonic() > self.latest:
            raise _TimeOver(
                f"The time was over after {done} of {len(self.sources)} stages; give more seconds (--max-seconds on "
                "the command line, max_seconds in Python), or fewer stages."
            )

    @property
    def first(self) -> Source:
        return self.sources[0]


def _stages(problem: Any, stages: int | None, final_cost: Any, latest: float = math.inf) -> _Stages:
    """Read the problem, its stages and its final cost."""
    if isinstance(problem, Sequence):
        sources = [remembered(source(each, latest)) for each in problem]
        stages = len(sources) if stages is None else stages
        _check_alike(sources, stages)
    else:
        timed = isinstance(problem, FiniteHorizon)
        own = problem.stages if timed else _optional.ends_after(problem)
        stages = own if stages is None else stages
        require_whole("stages", stages, what="the number of stages, a whole number")
        only = remembered(source(problem.model if timed else problem, latest))
        # A solution keeps the cost-to-go and the m controls of each state, at every stage.
        numbers = only.num_states * (1 + only.num_agents)
        most, advice = max(1, MOST_NUMBERS // numbers), f"; {numbers:,} numbers are kept of each stage"
        require_whole("stages", stages, 1, most, what="the number of stages, a whole number", advice=advice)
        # All stages share one source, so that its rows are enumerated once.
        sources = [only] * int(stages)  # type: ignore[arg-type]
        final_cost = _final(problem) if timed and final_cost is None else final_cost
    nothing = np.zeros(sources[0].num_states)
    return _Stages(
        sources, nothing if final_cost is None else check_cost_to_go(sources[0], final_cost), problem, latest
    )


def _check_alike(sources: list[Source], stages: int) -> None:
    if not sources or len(sources) != stages:
        raise InputError(f"There are {len(sources)} problems for stages={stages}; give one for each stage.")
    sizes = [(each.num_states, each.num_agents, each.num_controls, each.discount) for each in sources]
    odd = next((k for k, size in enumerate(sizes) if size != sizes[0]), None)
    if odd is not None:
        raise InputError(
            f"Stage {odd} has (states, agents, controls, discount) {sizes[odd]} and stage 0 has {sizes[0]}; the same "
            "are needed at every stage."
        )


def _final(problem: FiniteHorizon) -> Any:
    model: Any = problem.model
    final = problem.final_cost
    return None if final is None else np.asarray(jax.vmap(final)(model.states()), np.float64)


def _controls(known: _Stages, policy: Any) -> Int[np.ndarray, "N s m"]:
    """Return the controls of a policy at every stage; a policy not given by stage is the same at all of them."""
    stages = len(known.sources)
    by_stage = not callable(policy) and np.ndim(policy) == 3
    if by_stage and len(policy) != stages:
        raise InputError(f"The controls are of {len(policy)} stages; {stages} are expected, one row of states each.")
    if by_stage:
        return np.stack([policy_control(each, row) for each, row in zip(known.sources, policy, strict=True)])
    return np.broadcast_to(policy_control(known.first, policy), (stages, *_shape(known.first)))


def _shape(found: Source) -> tuple[int, int]:
    return found.num_states, found.num_agents


def _first(known: _Stages) -> Int[np.ndarray, "N s m"]:
    """Return the control to start from: the base policy's, or each state's first admissible one."""
    model = known.problem.model if isinstance(known.problem, FiniteHorizon) else known.problem
    heuristic = _optional.base_policy(model)
    if heuristic is not None:
        return _controls(known, heuristic())
    # Forbidden joint controls cost infinity, so the first finite cost marks the first admissible joint control.
    first = [np.isfinite(each.joint_rows().costs).argmax(axis=1) for each in known.sources]
    return np.stack([controls_of(each, joint) for each, joint in zip(known.sources, first, strict=True)])


def _backward_induction(known: _Stages) -> StageSolution:
    # Both lists grow from the last stage to the first, and are reversed at the end.
    cost: list[Float[np.ndarray, " s"]] = [known.final]
    control: list[Int[np.ndarray, "s m"]] = []
    for each in reversed(known.sources):
        known.require_time(len(control))
        least_cost, joint = least(backup(each.joint_rows(), cost[-1]))
        cost.append(least_cost)
        control.append(controls_of(each, joint))
    nothing = np.zeros((0, len(cost), known.first.num_states))
    return StageSolution(np.stack(cost[::-1]), np.stack(control[::-1]), nothing, 1, True, known.problem)


def _evaluated(known: _Stages, control: Int[np.ndarray, "N s m"]) -> Float[np.ndarray, "stages s"]:
    """Apply T_mu backwards, stage by stage."""
    cost = [known.final]
    for each, chosen in zip(known.sources[::-1], control[::-1], strict=True):
        known.require_time(len(cost) - 1)
        # A policy has one row at each state, so column 0 of the Q-factors is its cost.
        cost.append(backup(policy_chain(each, chosen), cost[-1])[:, 0])
    return np.stack(cost[::-1])


def _iterated(known: _Stages, control: Int[np.ndarray, "N s m"], order: tuple[int, ...], limit: int) -> StageSolution:
    """Evaluate and improve, all stages together, until no agent can do better."""
    history, converged = [_evaluated(known, control)], False
    while not converged and len(history) <= limit:
        try:
            better = _improved(known, control, history[-1], order)
            after = _evaluated(known, better)
        # The improved policy or its cost is not complete. The last complete one is returned.
        except _TimeOver:
            break
        # Costs of an improved policy never rise. If they do not fall either, no agent can do better.
        converged = not falls(history[-1], after)
        if not converged:
            control = better
            history.append(after)
    if not converged:
        # Fewer policies than the limit allows: so the time ended the loop.
        over = len(history) <= limit
        reached = "the time was over" if over else "the last policy can still be improved"
        warn_not_converged("finite_horizon", len(history) - 1, reached)
    return StageSolution(history[-1], control, np.stack(history), len(history) - 1, converged, known.problem)


def _improved(
    known: _Stages, control: Int[np.ndarray, "N s m"], cost: Float[np.ndarray, "stages s"], order: tuple[int, ...]
) -> Int[np.ndarray, "N s m"]:
    """Improve one agent at a time, at every stage."""
    better: list[Int[np.ndarray, "s m"]] = []
    # `later` is J_{k+1} of the present policy. The improvement of one stage does not wait for that of the next.
    for each, now, later in zip(known.sources, control, cost[1:], strict=True):
        known.require_time(len(better))
        better.append(improved(each, now, later, "one-at-a-time", order))
    return np.stack(better)
