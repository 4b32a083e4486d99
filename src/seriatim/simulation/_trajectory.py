"""Simulation of one episode, and the discipline of keys that makes comparisons fair.

An episode is a function of one key. The key is split into three streams, the start, the disturbances and the policy's
own randomness, and each stage folds its number into its stream. Two policies under one key therefore start in the same
state and meet the same disturbances, stage by stage, whatever they do: common random numbers by construction. No policy
ever receives a key from which a disturbance was or will be drawn.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from seriatim import _optional
from seriatim._compile import jit
from seriatim._errors import InputError
from seriatim._numbers import is_whole
from seriatim._preconditions import (
    name_of,
    require_key,
    require_model,
    require_playable,
    require_policy,
    require_state,
    why_not_allowed,
)
from seriatim._record import record
from seriatim.model import Key, Model, State
from seriatim.policy import Policy
from seriatim.simulation._stage import stage, streams

# An episode that is kept takes no more memory than this.
MOST_BYTES = 2**34


@record
class Trajectory:
    """One episode of at most `T` stages.

    Attributes:
        states: stacked, leading axis `T + 1`; after termination the last state is repeated.
        controls: `[T, m]`; after termination -1.
        costs: stage costs, undiscounted, `[T]`; after termination 0.
        cost: the discounted sum of `costs`.
        length: the number of stages played.
        terminated: whether the problem ended; otherwise the episode was cut at `T`.
    """

    states: State
    controls: Int[Array, "T m"]
    costs: Float[Array, " T"]
    cost: Float[Array, ""]
    length: Int[Array, ""]
    terminated: Bool[Array, ""]


def simulate(model: Model, policy: Policy, key: Key, *, horizon: int = 400, state: State | None = None) -> Trajectory:
    """Play one episode and keep all of it.

    Args:
        model: the problem.
        policy: chooses the joint control at every stage.
        key: decides everything random in the episode.
        horizon: the number of stages after which it is cut, T.
        state: where to start; by default the model draws the initial state. All stages of a model that `ends_after` so
            many are then still to come.

    Raises:
        InputError: `horizon` is no whole number from 1 up, or its states would take more memory than 16 GiB; the model
            or the policy cannot work, `key` is no key, or `state` is none of the model's. Outside of `jax.jit` and
            other transformations also: the policy chose a control that is not admissible and feasible, or a stage cost
            was not finite.
    """
    if not is_whole(horizon, 1):
        raise InputError(f"horizon={horizon!r}: an episode needs at least 1 stage; give a positive whole number.")
    require_key(key)
    require_model(model, starts=state is None)
    require_policy("policy", policy)
    if state is None:
        require_playable(model, policy)
    _require_memory(model, state, horizon)
    path, lawful = _simulate(model, policy, key, state, horizon=int(horizon))
    if not isinstance(lawful, jax.core.Tracer) and not np.all(lawful):
        _refuse(model, policy, path, int(np.argmin(lawful)))
    return path


def play_up_to(model: Model, policy: Policy, key: Key, t: int) -> Trajectory:
    """Play the stages 0 .. t of an episode, whatever the policy chooses."""
    return _simulate(model, policy, key, None, horizon=t + 1)[0]


def _refuse(model: Model, policy: Policy, path: Trajectory, t: int) -> None:
    fault = fault_at(model, policy, path, t)
    raise InputError(fault or f"{name_of(policy)} chose a control that may not be applied, at stage {t} of an episode.")


def fault_at(model: Model, policy: Policy, path: Trajectory, t: int) -> str | None:
    """Say which law was broken at a stage of an episode; None if none was."""
    state = jax.tree.map(lambda leaf: leaf[t], path.states)
    control, cost = np.asarray(path.controls[t]), float(path.costs[t])
    if not np.isfinite(cost):
        return (
            f"{type(model).__name__}.transition returned the stage cost {cost} at stage {t} of an episode, for control "
            f"{control.tolist()}; stage costs must be finite."
        )
    reason = why_not_allowed(model, state, control, f" at stage {t} of an episode")
    if reason is None:
        return None
    return f"{name_of(policy)} chose {reason}; a policy must choose admissible and feasible controls."


def _require_memory(model: Model, state: State | None, horizon: int) -> None:
    one = state if state is not None else jax.eval_shape(model.initial_state, jax.random.key(0))
    # A control and the accounts of a stage take about as much as so many numbers.
    numbers = sum(np.size(leaf) if state is not None else leaf.size for leaf in jax.tree.leaves(one)) + 8
    if 4 * (numbers + model.num_agents) * horizon > MOST_BYTES:
        raise InputError(
            f"horizon={horizon:,}: an episode of so many stages does not fit into memory, and simulate keeps all of "
            "it; give fewer, or use evaluate, which keeps costs alone."
        )


def _play(
    model: Model, policy: Policy, key: Key, start: State | None, *, horizon: int
) -> tuple[Trajectory, Bool[Array, " T"]]:
    """Play an episode, and say at which stages the laws were kept."""
    if start is not None:
        require_state(model, start)
    keys = streams(key)
    state0 = model.initial_state(keys.start) if start is None else start

    def played(state: State, t: Int[Array, ""]) -> tuple[State, Int[Array, " m"], Array, Array, Array]:
        control, after = stage(model, policy, state, keys, t)
        cost = jnp.asarray(after.cost, float)
        lawful = _optional.is_allowed(model, state, control) & jnp.isfinite(cost)
        return after.state, jnp.asarray(control, int), cost, jnp.asarray(after.done), lawful

    def over(state: State, _: Int[Array, ""]) -> tuple[State, Int[Array, " m"], Array, Array, Array]:
        return state, jnp.full(model.num_agents, -1, int), jnp.zeros((), float), jnp.array(True), jnp.array(True)

    def step(carry: tuple[State, Array], t: Int[Array, ""]) -> tuple[tuple[State, Array], tuple[Any, ...]]:
        state, ended = carry
        after, control, cost, done, lawful = jax.lax.cond(ended, over, played, state, t)
        return (after, done), (after, control, cost, ~ended, lawful)

    stages = jnp.arange(horizon)
    (_, terminated), history = jax.lax.scan(step, (state0, jnp.array(False)), stages)
    states, controls, costs, alive, lawful = history
    with_start = jax.tree.map(lambda first, rest: jnp.concatenate([first[None], rest]), state0, states)
    weights = jnp.asarray(model.discount, float) ** stages.astype(float)
    path = Trajectory(
        states=with_start,
        controls=controls,
        costs=costs,
        cost=jnp.sum(weights * costs),
        length=jnp.sum(alive),
        terminated=terminated,
    )
    return path, lawful


_simulate = jit(_play, static_argnames=("horizon",))
