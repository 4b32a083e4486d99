"""Pieces that all planners share: checks of arguments, the policies of later stages, the decision they return."""

from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from seriatim import _optional
from seriatim._compile import jit, unknown
from seriatim._errors import InputError
from seriatim._numbers import real_number
from seriatim._preconditions import control_of, require_model, require_policy, require_stage, why_not_allowed
from seriatim._record import with_fields
from seriatim.model import Key, Model, State
from seriatim.planning._choice import gain
from seriatim.planning._search import Reference
from seriatim.planning._state_diagnostics import require_served, with_state_diagnostics
from seriatim.policy import Decision, Policy
from seriatim.simulation._engine import CompiledEngine, Engine, compiled_engine
from seriatim.simulation._settings import DEFAULT_SAMPLES, Simulation, num_samples

DEFAULT_SIGNIFICANCE = 1.0
# A decision counts its futures in 32 bits.
MOST_FUTURES = 2**31 - 1


class PlannerKeys(NamedTuple):
    """The independent keys of one decision. All planners split alike, so that under one key they can be compared."""

    base: Key
    simulation: Key
    order: Key
    signal: Key


def planner_keys(key: Key) -> PlannerKeys:
    """Split a decision's key."""
    return PlannerKeys(*jax.random.split(key, 4))


@runtime_checkable
class _Rollout(Protocol):
    @property
    def base(self) -> Policy: ...
    @property
    def simulation(self) -> Simulation: ...
    def __call__(self, info: Any, key: Any) -> Any: ...


R = TypeVar("R", bound=_Rollout)


@runtime_checkable
class _Decider(Protocol):
    def _decide(self, info: Any, key: Any) -> Decision: ...


def _bare(planner: _Decider, info: State, key: Key) -> tuple[Int[Array, " m"], Any]:
    decision = planner._decide(info, key)
    return decision.control, decision.admissible


# The control of a decision without the evidence: numbers that are not returned are not computed either.
_control_alone = with_state_diagnostics(jit(_bare))


def control_alone(planner: Any, info: State, key: Key) -> Int[Array, " m"]:
    """Return the control of a decision.

    Raises:
        InputError: as `require_admissible_base`.
    """
    control, admissible = _control_alone(planner, info, key)
    if isinstance(admissible, jax.core.Tracer) or not _is_true(admissible):
        require_admissible_base(planner, info, key, admissible)
    return control


def admitted(planner: Any, info: State, key: Key, made: Decision) -> Decision:
    """Return a decision whose base control is admissible and feasible.

    Raises:
        InputError: as `require_admissible_base`.
    """
    require_admissible_base(planner, info, key, made.admissible)
    return made


def require_admissible_base(planner: Any, info: State, key: Key, admissible: Any) -> None:
    """Refuse a decision whose base control is not admissible and feasible.

    Inside a transformation of JAX the answer is not known, and nothing is asked; the flag of the decision keeps it.
    Elsewhere this waits until the decision has been made: a control that is about to be applied must be known. To
    queue decisions on a device without waiting for each, call planners inside `jax.jit`, or `decide_many`.

    Raises:
        InputError: naming the agent and its control, or the joint control.
    """
    if isinstance(admissible, jax.core.Tracer):
        require_served(planner.model, info)
        return
    if _is_true(admissible):
        return
    base_control = base_control_of(planner.model, planner.base, info, planner_keys(key).base)
    reason = why_not_allowed(planner.model, info, base_control) or f"{base_control}, which may not be applied"
    raise InputError(
        f"The base policy chose {reason}; planners improve on a base policy that is admissible and feasible at every "
        "state (st.check_policy)."
    )


def _is_true(flag: Array) -> bool:
    """Read a boolean, once it is there. Every decision pays for it: `bool(flag)` takes a tenth of a small one."""
    try:
        flag.block_until_ready()  # waits in less time than reading does
        return bytes(memoryview(flag)) != b"\0"  # a CPU's memory is lent as it is
    except (AttributeError, BufferError, TypeError, ValueError, RuntimeError):
        return bool(flag)


def stage_policies(planner: R) -> tuple[Policy, ...]:
    """Return the policies of stages 1, 2, ... of a simulation: the planner with shorter lookahead, then its base.

    With lookahead l the planner itself plays l - 1 more stages, each time looking one stage less ahead and to the same
    end, so that the cost of the first control is that of l optimised stages. These are policies like any other: their
    samples are independent of the outer ones, so their choices are not biased by these.
    """
    shorter = planner.simulation.lookahead - 1
    if shorter == 0:
        return (planner.base,)
    horizon = planner.simulation.horizon
    # To the same end: a stage later, a stage fewer is left.
    simulation = with_fields(planner.simulation, lookahead=shorter, horizon=None if horizon is None else horizon - 1)
    inner = with_fields(planner, simulation=simulation)
    return (inner, *stage_policies(inner))


def base_control_of(model: Model, base: Policy, info: State, key: Key) -> Int[Array, " m"]:
    """Ask the base policy for its control.

    Raises:
        InputError: what it returns is no joint control. Whether it is admissible is `Decision.admissible`.
    """
    if _optional.initial_state(model) is None:
        require_stage(model, info)  # such a model could not be examined when it was handed over
    return control_of(model, base, info, key, "The base policy")


def check_planner(model: Model, base: Policy, simulation: Simulation, significance: Any) -> None:
    """Refuse arguments with which no planner can work, while values can still be read."""
    require_model(model)
    require_policy("base", base)
    if not isinstance(simulation, Simulation):
        raise InputError(f"simulation={simulation!r}: give st.Simulation(...), how the future is estimated.")
    if isinstance(significance, jax.core.Tracer):
        return
    number = real_number(significance)
    if number is None or not number >= 0:
        raise InputError(
            f"significance={significance}: give the number of standard errors, from 0 up, by which an improvement "
            "must exceed its noise."
        )


def engine_of(planner: Any, info: State, keys: PlannerKeys, *, asks_often: bool = True) -> CompiledEngine:
    """Return the engine that a planner asks at a state."""
    return compiled_engine(
        planner.model, stage_policies(planner), planner.simulation, info, keys.simulation, asks_often=asks_often
    )


def decision(
    engine: Engine,
    reference: Reference,
    *,
    control: Int[Array, " m"],
    q_factors: Float[Array, "..."],
    q_errors: Float[Array, "..."],
    chosen: Float[Array, " samples"],
    num_q_factors: int | Int[Array, ""],
    num_simulations: int | Int[Array, ""],
    num_incomparable: Int[Array, ""],
    num_truncated: Int[Array, ""],
    num_passes: int | Int[Array, ""] = 1,
    num_trajectories: int | Int[Array, ""] | None = None,
) -> Decision:
    """Put a decision together, with its improvement over the base control measured sample by sample.

    By default every joint control was simulated on all samples.
    """
    improvement, error = gain(reference.samples, chosen)
    if num_trajectories is None:
        num_trajectories = num_simulations * reference.samples.shape[0]
    # The same joint control has no error, whatever the number of samples; nor has an exact expectation.
    same = jnp.all(control == reference.control) | engine.is_exact()
    weight, bound = engine.tail()
    return Decision(
        control=control,
        base_control=reference.control,
        q_factors=q_factors,
        q_errors=jnp.zeros_like(q_errors) if engine.is_exact() else q_errors,
        improvement=improvement,
        # Nor is anything known of it where a cost is no number.
        standard_error=jnp.where(same & ~jnp.isnan(improvement), 0.0, error),
        num_q_factors=jnp.asarray(num_q_factors, jnp.int32),
        num_simulations=jnp.asarray(num_simulations, jnp.int32),
        num_passes=jnp.asarray(num_passes, jnp.int32),
        num_trajectories=jnp.asarray(num_trajectories, jnp.int32),
        admissible=reference.admissible,
        num_incomparable=num_incomparable,
        num_truncated=num_truncated,
        tail_weight=jnp.where(num_truncated > 0, weight, 0.0),
        tail_bound=jnp.where(num_truncated > 0, bound, 0.0),
    )


def check_futures(model: Model, simulation: Simulation, simulated: int) -> None:
    """Refuse a decision that would simulate more futures than `Decision.num_trajectories` can count.

    Args:
        model: of the planner.
        simulation: how many samples a joint control is given.
        simulated: the most joint controls that a decision simulates.
    """
    # An upper bound first: the true number of samples asks the model.
    at_most = simulated * (simulation.num_samples or DEFAULT_SAMPLES)
    if simulation.expectation == "exact" or at_most <= MOST_FUTURES:
        return
    samples = num_samples(simulation, model)
    if simulated * samples > MOST_FUTURES:
        raise InputError(
            f"num_samples={samples:,} and up to {simulated:,} joint controls make {simulated * samples:,} futures of "
            f"one decision, and at most {MOST_FUTURES:,} can be counted; give at most "
            f"{max(1, MOST_FUTURES // simulated):,} samples."
        )


def undecided(base_control: Int[Array, " m"], admissible: Bool[Array, ""], shape: tuple[int, ...]) -> Decision:
    """Return the decision for the base control, taken before anything was simulated: its Q-factors are unknown."""
    zero = jnp.zeros((), jnp.int32)
    return Decision(
        control=base_control,
        base_control=base_control,
        q_factors=jnp.full(shape, unknown(), float),
        q_errors=jnp.full(shape, unknown(), float),
        improvement=jnp.zeros(()),
        standard_error=jnp.zeros(()),
        num_q_factors=zero,
        num_simulations=zero,
        num_passes=zero,
        num_trajectories=zero,
        admissible=admissible,
        num_incomparable=zero,
        num_truncated=zero,
        tail_weight=jnp.zeros(()),
        tail_bound=jnp.zeros(()),
    )
