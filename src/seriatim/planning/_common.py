"""What all planners share: checks at the door, the players of later stages, the certificate of a decision."""

import operator
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from seriatim._compile import jit, unknown
from seriatim._errors import InputError
from seriatim._record import with_fields
from seriatim.model import Key, Model, State
from seriatim.planning._choice import gain
from seriatim.planning._simulation import Simulation
from seriatim.policy import Decision, Policy

DEFAULT_SIGNIFICANCE = 1.0


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


def _control_alone(planner: _Decider, info: State, key: Key) -> Int[Array, " m"]:
    return planner._decide(info, key).control


# The control of a decision, and nothing of the evidence: what is not returned is not computed, nor made an array of.
control_alone = jit(_control_alone)


def players(planner: R) -> tuple[Policy, ...]:
    """Return who plays stages 1, 2, ... of a simulation: the planner with shorter lookahead, then its base.

    With lookahead l the planner itself plays l - 1 more stages, each time looking one stage less ahead and to the same
    end, so that the cost of the first control is that of l optimised stages. These are policies like any other: their
    samples are independent of the outer ones, and what they choose cannot be flattered by them.
    """
    shorter = planner.simulation.lookahead - 1
    if shorter == 0:
        return (planner.base,)
    horizon = planner.simulation.horizon
    simulation = with_fields(planner.simulation, lookahead=shorter, horizon=None if horizon is None else horizon - 1)
    inner = with_fields(planner, simulation=simulation)
    return (inner, *players(inner))


def asked(model: Model, base: Policy, info: State, key: Key) -> Int[Array, " m"]:
    """Ask the base policy for its control.

    Raises:
        InputError: what it returns is no joint control. Whether its numbers are admissible is not asked here, where
            they may not be known yet, but by `check_policy`.
    """
    given = base(info, key)
    shape: Any = getattr(given, "shape", None)
    dtype: Any = getattr(given, "dtype", None)
    if shape != (model.num_agents,) or not jnp.issubdtype(dtype, jnp.integer):
        seen = repr(given) if shape is None else f"an array of shape {shape} and type {dtype}"
        raise InputError(
            f"The base policy returned {seen}; return a joint control, an array of shape ({model.num_agents},) with a "
            f"whole number from 0 to {model.num_controls - 1} for each agent."
        )
    return jnp.asarray(given, jnp.int32)


def check_planner(model: Model, base: Policy, simulation: Simulation, significance: Any) -> None:
    """Refuse what no planner can work with, while values can still be read."""
    if isinstance(model, type):
        raise InputError(f"model={model.__name__} is a class; give a model made of it, such as {model.__name__}().")
    for name, kind in (("num_agents", "agents"), ("num_controls", "controls")):
        value = getattr(model, name, None)
        if value is None:
            raise InputError(f"model={model!r} has no {name}; give a model, a record with the methods of st.Model.")
        if operator.index(value) < 1:
            raise InputError(f"{name}={value}: a team problem needs at least 1 of its {kind}; fix the model.")
    if not callable(base):
        raise InputError(
            f"base={base!r} cannot be called; give a policy, that is a function (state, key) -> control [m]."
        )
    if not isinstance(simulation, Simulation):
        raise InputError(f"simulation={simulation!r}: give st.Simulation(...), how the future is estimated.")
    if isinstance(significance, jax.core.Tracer):
        return
    number = isinstance(significance, (int, float, np.number, np.ndarray, jax.Array)) and np.ndim(significance) == 0
    if not (number and significance >= 0):
        raise InputError(
            f"significance={significance}: give the number of standard errors, from 0 up, by which an improvement "
            "must exceed its noise."
        )


def decision(
    simulation: Simulation,
    *,
    control: Int[Array, " m"],
    base_control: Int[Array, " m"],
    q_factors: Float[Array, "..."],
    q_errors: Float[Array, "..."],
    chosen: Float[Array, " samples"],
    reference: Float[Array, " samples"],
    num_q_factors: int | Int[Array, ""],
    num_simulations: int | Int[Array, ""],
    num_passes: int | Int[Array, ""] = 1,
    num_trajectories: int | Int[Array, ""] | None = None,
) -> Decision:
    """Put a decision together, with its improvement over the base control measured sample by sample.

    By default every joint control was simulated on all samples.
    """
    improvement, error = gain(reference, chosen)
    if num_trajectories is None:
        num_trajectories = num_simulations * reference.shape[0]
    # The same joint control has no error, whatever the number of samples; nor has an exact expectation.
    same = jnp.all(control == base_control) | (simulation.expectation == "exact")
    return Decision(
        control=control,
        base_control=base_control,
        q_factors=q_factors,
        q_errors=jnp.zeros_like(q_errors) if simulation.expectation == "exact" else q_errors,
        improvement=improvement,
        standard_error=jnp.where(same, 0.0, error),
        num_q_factors=jnp.asarray(num_q_factors, jnp.int32),
        num_simulations=jnp.asarray(num_simulations, jnp.int32),
        num_passes=jnp.asarray(num_passes, jnp.int32),
        num_trajectories=jnp.asarray(num_trajectories, jnp.int32),
    )


def undecided(base_control: Int[Array, " m"], shape: tuple[int, ...]) -> Decision:
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
    )
