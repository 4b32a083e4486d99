"""Evaluation by simulation: many independent episodes of one policy."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from seriatim._compile import jit
from seriatim._errors import InputError
from seriatim.controls import is_admissible
from seriatim.evaluation._estimate import Estimate, estimate
from seriatim.model import Key, Model, State
from seriatim.policy import Policy
from seriatim.simulation import simulate, stage, streams

Progress: TypeAlias = Callable[[int, int], None]

# Episodes simulated side by side. A multiple of it costs one compilation and bounds the memory.
EPISODES_AT_ONCE = 50


class Episode(NamedTuple):
    """The summary of one episode; `fault` is the stage at which a law was broken, -1 if none was."""

    cost: Float[Array, "*episodes"]
    stages: Int[Array, "*episodes"]
    terminated: Bool[Array, "*episodes"]
    fault: Int[Array, "*episodes"]


def evaluate(
    model: Model,
    policy: Policy,
    key: Key,
    *,
    episodes: int = 100,
    horizon: int = 400,
    progress: Progress | None = None,
) -> Estimate:
    """Estimate the expected discounted cost of a policy from the initial states the model draws.

        J = E[ sum_{t < T} a^t g(x_t, u_t, w_t) ],   T = termination or `horizon`, whichever comes first.

    Args:
        model: the problem as it is; a planner's own model may differ from it.
        policy: chooses the controls.
        key: episode `i` is a function of `fold_in(key, i)`. Under one key, two policies meet the same initial
            states and disturbances, and more episodes extend fewer.
        episodes: how many.
        horizon: stages after which an episode is cut; `Estimate` reports the share and the weight of what is missing.
        progress: called with (episodes done, episodes) as the work goes on.

    Raises:
        InputError: `episodes` or `horizon` is less than 1; the policy chose a control that is not admissible; a stage
            cost was not finite.
    """
    for name, value in (("episodes", episodes), ("horizon", horizon)):
        if value < 1:
            raise InputError(f"{name}={value}: at least 1 is needed; give a positive whole number.")
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(_whole_batches(episodes)))
    played: list[Episode] = []
    for start in range(0, episodes, _batch(episodes)):
        batch = keys[start : start + _batch(episodes)]
        played.append(_play_batch(model, policy, batch, jnp.int32(horizon)))
        _refuse_faults(model, policy, batch, played[-1])
        if progress is not None:
            progress(min(start + _batch(episodes), episodes), episodes)
    return estimate(
        np.concatenate([np.asarray(batch.cost, np.float64) for batch in played])[:episodes],
        np.concatenate([np.asarray(batch.stages) for batch in played])[:episodes],
        np.concatenate([np.asarray(batch.terminated) for batch in played])[:episodes],
        horizon=int(horizon),
        discount=float(model.discount),
    )


def _batch(episodes: int) -> int:
    return min(episodes, EPISODES_AT_ONCE)


def _whole_batches(episodes: int) -> int:
    """Round up, so that every batch has one shape; what is played beyond `episodes` is thrown away."""
    return -(-episodes // _batch(episodes)) * _batch(episodes)


class _Now(NamedTuple):
    t: Int[Array, ""]
    state: State
    cost: Float[Array, ""]
    weight: Float[Array, ""]
    done: Bool[Array, ""]
    fault: Int[Array, ""]


def _play(model: Model, policy: Policy, key: Key, horizon: Int[Array, ""]) -> Episode:
    keys = streams(key)
    discount = jnp.asarray(model.discount, float)

    def going_on(now: _Now) -> Bool[Array, ""]:
        return (now.t < horizon) & ~now.done

    def play(now: _Now) -> _Now:
        control, after = stage(model, policy, now.state, keys, now.t)
        lawful = is_admissible(control, model.control_mask(now.state)) & jnp.isfinite(after.cost)
        feasible = getattr(model, "feasible", None)
        if feasible is not None:
            lawful &= feasible(now.state, control)
        return _Now(
            now.t + 1,
            after.state,
            now.cost + now.weight * jnp.asarray(after.cost, float),
            now.weight * discount,
            jnp.asarray(after.done),
            jnp.where(lawful | (now.fault >= 0), now.fault, now.t),
        )

    zero, false = jnp.zeros((), jnp.int32), jnp.array(False)
    start = model.initial_state(keys.start)
    now = _Now(zero, start, jnp.zeros((), float), jnp.ones((), float), false, jnp.int32(-1))
    end = jax.lax.while_loop(going_on, play, now)
    return Episode(end.cost, end.t, end.done, end.fault)


def _play_many(model: Model, policy: Policy, keys: Key, horizon: Int[Array, ""]) -> Episode:
    return jax.vmap(lambda key: _play(model, policy, key, horizon))(keys)


_play_batch = jit(_play_many)


def _refuse_faults(model: Model, policy: Policy, keys: Key, played: Episode) -> None:
    """Play the first faulty episode again up to its fault, and say what happened there."""
    faulty = np.flatnonzero(np.asarray(played.fault) >= 0)
    if not faulty.size:
        return
    t = int(played.fault[faulty[0]])
    path = simulate(model, policy, keys[faulty[0]], horizon=t + 1)
    state = jax.tree.map(lambda leaf: leaf[t], path.states)
    control, cost = np.asarray(path.controls[t]), float(path.costs[t])
    if not np.isfinite(cost):
        raise InputError(
            f"{type(model).__name__}.transition returned the stage cost {cost} at stage {t} of an episode, for control "
            f"{control.tolist()}; stage costs must be finite."
        )
    mask = np.asarray(model.control_mask(state))
    for agent, u in enumerate(control.tolist()):
        if not (0 <= u < mask.shape[1] and mask[agent, u]):
            raise InputError(
                f"{_name(policy)} chose control {u} for agent {agent} at stage {t} of an episode, where control_mask "
                f"admits only {np.flatnonzero(mask[agent]).tolist()}; a policy must choose admissible controls."
            )
    raise InputError(
        f"{_name(policy)} chose the joint control {control.tolist()} at stage {t} of an episode, which "
        f"{type(model).__name__}.feasible refuses; a policy must choose feasible controls."
    )


def _name(policy: Policy) -> str:
    return getattr(policy, "__name__", type(policy).__name__)
