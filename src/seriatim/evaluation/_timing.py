"""What a decision takes, in time and in Q-factors, and what compiling took."""

import statistics
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from seriatim._compile import jit
from seriatim.model import Key, Model, State
from seriatim.policy import Decision, Policy

# Decisions timed for one figure, and the seconds after which fewer will do.
DECISIONS = 21
PATIENCE = 2.0

_compiled: list[float] = []


def _listen(event: str, duration_secs: float, **_: str | int) -> None:
    if event == "/jax/core/compile/backend_compile_duration":
        _compiled.append(duration_secs)


jax.monitoring.register_event_duration_secs_listener(_listen)


def compile_seconds() -> float:
    """Return the seconds JAX has spent compiling in this process, or fetching compiled programs from its cache."""
    return float(sum(_compiled))


class Effort(NamedTuple):
    """One policy's decision: Q-factors compared, and the median time."""

    q_factors: int
    milliseconds: float


def effort(model: Model, policy: Policy, key: Key) -> Effort:
    """Time single decisions, one state at a time, at initial states of episodes, after one that compiles."""
    keys = jax.random.split(key, DECISIONS + 1)
    q_factors, _ = jax.block_until_ready(_decide(policy, _start(model, keys[0]), keys[0]))
    seconds: list[float] = []
    for one in keys[1:]:
        state = jax.block_until_ready(_start(model, one))
        begin = time.perf_counter()
        jax.block_until_ready(_decide(policy, state, one))
        seconds.append(time.perf_counter() - begin)
        if sum(seconds) > PATIENCE:
            break
    return Effort(int(q_factors), 1e3 * statistics.median(seconds))


def _initial(model: Model, key: Key) -> State:
    return model.initial_state(key)


def _once(policy: Policy, state: State, key: Key) -> tuple[Any, Any]:
    decide = getattr(policy, "decide", None)
    if decide is None:
        return jnp.zeros((), jnp.int32), policy(state, key)
    decision: Decision = decide(state, key)
    return decision.num_q_factors, decision.control


_start = jit(_initial)
_decide = jit(_once)
