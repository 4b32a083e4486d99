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

from seriatim._compile import jit
from seriatim._errors import InputError
from seriatim._numbers import is_whole
from seriatim._preconditions import require_model, require_playable, require_policy
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
            or the policy cannot work, or the policy returns no joint control.
    """
    if not is_whole(horizon, 1):
        raise InputError(f"horizon={horizon!r}: an episode needs at least 1 stage; give a positive whole number.")
    require_model(model, starts=state is None)
    require_policy("policy", policy)
    if state is None:
        require_playable(model, policy)
    _require_memory(model, state, horizon)
    return _simulate(model, policy, key, state, horizon=int(horizon))


def _require_memory(model: Model, state: State | None, horizon: int) -> None:
    one = state if state is not None else jax.eval_shape(model.initial_state, jax.random.key(0))
    # A control and the accounts of a stage take about as much as so many numbers.
    numbers = sum(np.size(leaf) if state is not None else leaf.size for leaf in jax.tree.leaves(one)) + 8
    if 4 * (numbers + model.num_agents) * horizon > MOST_BYTES:
        raise InputError(
            f"horizon={horizon:,}: an episode of so many stages does not fit into memory, and simulate keeps all of "
            "it; give fewer, or use evaluate, which keeps costs alone."
        )


def _play(model: Model, policy: Policy, key: Key, start: State | None, *, horizon: int) -> Trajectory:
    keys = streams(key)
    state0 = model.initial_state(keys.start) if start is None else start

    def played(state: State, t: Int[Array, ""]) -> tuple[State, Int[Array, " m"], Array, Array]:
        control, after = stage(model, policy, state, keys, t)
        return (
            after.state,
            jnp.asarray(control, int),
            jnp.asarray(after.cost, float),
            jnp.asarray(after.done),
        )

    def over(state: State, _: Int[Array, ""]) -> tuple[State, Int[Array, " m"], Array, Array]:
        return state, jnp.full(model.num_agents, -1, int), jnp.zeros((), float), jnp.array(True)

    def step(carry: tuple[State, Array], t: Int[Array, ""]) -> tuple[tuple[State, Array], tuple[Any, ...]]:
        state, ended = carry
        after, control, cost, done = jax.lax.cond(ended, over, played, state, t)
        return (after, done), (after, control, cost, done, ~ended)

    stages = jnp.arange(horizon)
    (_, terminated), history = jax.lax.scan(step, (state0, jnp.array(False)), stages)
    states, controls, costs, _, alive = history
    with_start = jax.tree.map(lambda first, rest: jnp.concatenate([first[None], rest]), state0, states)
    weights = jnp.asarray(model.discount, float) ** stages.astype(float)
    return Trajectory(
        states=with_start,
        controls=controls,
        costs=costs,
        cost=jnp.sum(weights * costs),
        length=jnp.sum(alive),
        terminated=terminated,
    )


_simulate = jit(_play, static_argnames=("horizon",))
