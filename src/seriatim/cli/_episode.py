"""One episode, played stage by stage, so that it can be watched and stopped.

The episode is the one that `simulate` plays under the same key: keys and stages are those of `seriatim.simulation`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

import seriatim as st
from seriatim import _optional
from seriatim._compile import jit
from seriatim.model import Key, State
from seriatim.simulation._stage import Streams, stage, streams


class Stage(NamedTuple):
    """A stage that was played: the state it led to, and the decision behind it.

    `improvement` and `standard_error` are nan and `base_control` is `control` for a policy that is no planner.
    """

    control: Int[Array, " m"]
    base_control: Int[Array, " m"]
    improvement: Float[Array, ""]
    standard_error: Float[Array, ""]
    state: State
    cost: Float[Array, ""]
    done: Bool[Array, ""]
    lawful: Bool[Array, ""]


def start(model: Any, key: Key) -> State:
    """Return the state in which the episode of a key starts."""
    return _start(model, key)


@st.record
class Decided:
    """A decision that was made outside compiled code, in the form of a planner that returns it."""

    decision: st.Decision

    def decide(self, _info: State, _key: Key) -> st.Decision:
        """Return the decision."""
        return self.decision


def stages(
    model: Any, policy: Any, key: Key, horizon: int, hurry: Callable[[State, Key], Decided] | None = None
) -> Iterator[Stage]:
    """Play the episode of a key until it ends, is cut at `horizon`, or breaks a law.

    Args:
        model: the problem.
        policy: chooses the controls, unless they are decided by `hurry`.
        key: the episode's.
        horizon: stages after which it is cut.
        hurry: decides under a deadline, outside compiled code, with the key that the policy would be given.
    """
    state, keys = start(model, key), _streams(key)
    for t in range(horizon):
        number = jnp.int32(t)
        chosen = policy if hurry is None else hurry(state, _policy_key(keys, number))
        played = jax.block_until_ready(_advance(model, chosen, state, keys, number))
        yield played
        if played.done or not played.lawful:
            return
        state = played.state


def trajectory(model: Any, first: State, played: Sequence[Stage]) -> st.Trajectory:
    """Make a trajectory of the stages played, without padding after the last one."""
    costs = np.array([stage.cost for stage in played], np.float32)
    weights = float(model.discount) ** np.arange(len(played))
    ended = bool(played and played[-1].done)
    controls = [np.asarray(stage.control) for stage in played]
    return st.Trajectory(
        states=jax.tree.map(lambda *leaves: jnp.stack(leaves), first, *(stage.state for stage in played)),
        controls=jnp.asarray(np.array(controls, np.int32).reshape(len(played), model.num_agents)),
        costs=jnp.asarray(costs),
        cost=jnp.asarray(np.sum(weights * costs), jnp.float32),
        length=jnp.int32(len(played)),
        terminated=jnp.asarray(ended),
    )


def _first(model: Any, key: Key) -> State:
    return jax.tree.map(jnp.asarray, model.initial_state(streams(key).start))


def _play(model: Any, policy: Any, state: State, keys: Streams, t: Int[Array, ""]) -> Stage:
    # `stage` returns no decision, so the policy leaves its evidence here while the program is traced.
    evidence: list[tuple[Any, ...]] = []

    def choose(info: State, key: Key) -> Int[Array, " m"]:
        if not _optional.is_planner(policy):
            control = jnp.asarray(policy(info, key))
            evidence.append((control, jnp.nan, jnp.nan))
            return control
        decision = policy.decide(info, key)
        evidence.append((decision.base_control, decision.improvement, decision.standard_error))
        return jnp.asarray(decision.control)

    control, after = stage(model, choose, state, keys, t)
    lawful = _optional.is_allowed(model, state, control) & jnp.isfinite(after.cost)
    base_control, improvement, error = (jnp.asarray(value) for value in evidence[0])
    cost, done = jnp.asarray(after.cost, float), jnp.asarray(after.done)
    return Stage(control, base_control, improvement, error, after.state, cost, done, lawful)


def episode_key(key: Key, number: int) -> Key:
    """Return the key of an episode of a run."""
    return _folded(key, number)


def _fold(key: Key, number: Int[Array, ""] | int) -> Key:
    return jax.random.fold_in(key, number)


def _own_key(keys: Streams, t: Int[Array, ""]) -> Key:
    return jax.random.fold_in(keys.policy, t)


# Keys are whole numbers, so compiling them changes nothing. Without `jit` each operation would be a program.
_streams = jit(streams, unoptimised=True)
_folded = jit(_fold, unoptimised=True)
_start = jit(_first)
_policy_key = jit(_own_key)
_advance = jit(_play)
