"""The effort of a decision, in time and in Q-factors, at states that the policy comes to.

A decision at the start of an episode may take a tenth of one later on, or ten times as long: simulations from there are
longer or shorter, and other agents have a choice. So states are picked from the episodes that are evaluated anyway.

Before a program can run it is written, in Python (JAX calls it tracing), and compiled (XLA). JAX reports each of these
when it is over, with its duration. They lie one in another: a function is traced while another is, and constants are
compiled and computed meanwhile. So spans of time are joined before they are added up.
"""

import itertools
import statistics
import threading
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from seriatim import _optional
from seriatim._compile import jit
from seriatim.model import Key, Model, State
from seriatim.policy import Decision, Policy
from seriatim.simulation._episodes import UnderWay

# Decisions timed for one figure, and the seconds after which fewer will do.
DECISIONS = 21
PATIENCE = 2.0
# Episodes under way of which a state is picked at a time.
AT_ONCE = 4


class Visited:
    """Keeps some of the states that a policy comes to, whatever their number, each with about the same chance."""

    def __init__(self) -> None:
        self.states: list[State] = []
        self._offered = 0
        self._luck = np.random.default_rng(0)

    def look(self, under_way: UnderWay) -> None:
        """Pick from the episodes that are under way."""
        lanes = np.flatnonzero(under_way.playing & (under_way.stages > 0))
        for lane in self._luck.permutation(lanes)[:AT_ONCE]:
            self._offered += 1
            place = self._luck.integers(self._offered)
            if len(self.states) < DECISIONS:
                self.states.append(_pick(under_way.state, lane))
            elif place < DECISIONS:
                self.states[place] = _pick(under_way.state, lane)


class Effort(NamedTuple):
    """One policy's decision: Q-factors compared, the median time, and at how many states that was measured."""

    q_factors: int
    milliseconds: float
    states: int


def effort(model: Model, policy: Policy, key: Key, visited: Sequence[State]) -> Effort:
    """Time single decisions at these states, after one that compiles; at initial states where there are none."""
    keys = _keys(key)
    q_factors, _ = jax.block_until_ready(_decide(policy, _start(model, keys[0]), keys[0]))
    states = visited or [_start(model, one) for one in keys[1:]]
    seconds: list[float] = []
    for state, one in zip(itertools.cycle(states), keys[1:], strict=False):
        jax.block_until_ready(state)
        begin = time.perf_counter()
        jax.block_until_ready(_decide(policy, state, one))
        seconds.append(time.perf_counter() - begin)
        if sum(seconds) > PATIENCE:
            break
    return Effort(int(q_factors), 1e3 * statistics.median(seconds), min(len(states), len(seconds)))


def _split(key: Key) -> list[Key]:
    return list(jax.random.split(key, DECISIONS + 1))


def _initial(model: Model, key: Key) -> State:
    return model.initial_state(key)


def _one_lane(state: State, lane: Int[Array | np.integer, ""]) -> State:
    return jax.tree.map(lambda leaf: leaf[..., lane], state)


def _once(policy: Policy, state: State, key: Key) -> tuple[Any, Any]:
    decide = _optional.decide(policy)
    if decide is None:
        return jnp.zeros((), jnp.int32), policy(state, key)
    decision: Decision = decide(state, key)
    return decision.num_q_factors, decision.control


# Functions that are not timed are called a few times only.
_keys = jit(_split, unoptimised=True)
_start = jit(_initial, unoptimised=True)
_pick = jit(_one_lane, unoptimised=True)
_decide = jit(_once)


COMPILING = "/jax/core/compile/backend_compile_duration"
TRACING = ("/jax/core/compile/jaxpr_trace_duration", "/jax/core/compile/jaxpr_to_mlir_module_duration")

_spans: list[tuple[float, float]] = []
_compiled: list[float] = []
_lock = threading.Lock()  # programs may be compiled in several threads


class Preparation(NamedTuple):
    """Seconds spent tracing and compiling (or fetching compiled programs from the cache)."""

    tracing: float
    compiling: float

    def since(self, before: "Preparation") -> "Preparation":
        """Return what was spent after `before`."""
        return Preparation(max(0.0, self.tracing - before.tracing), self.compiling - before.compiling)


def preparation() -> Preparation:
    """Return what this process has spent so far. Work of several threads at the same time counts once as tracing."""
    compiling = sum(_compiled)
    return Preparation(sum(end - begin for begin, end in _spans) - compiling, compiling)


def _listen(event: str, duration_secs: float, **_: str | int) -> None:
    if event == COMPILING:
        _compiled.append(duration_secs)
    if event == COMPILING or event in TRACING:
        with _lock:
            _join(time.monotonic() - duration_secs, time.monotonic())


def _join(begin: float, end: float) -> None:
    """Add a span that is over; those within it, which ended before, go. A report comes a moment after the end."""
    while _spans and sum(_spans[-1]) / 2 >= begin:
        _spans.pop()
    _spans.append((begin, end))


jax.monitoring.register_event_duration_secs_listener(_listen)
