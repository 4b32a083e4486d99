"""The effort of a decision, in time and in Q-factors, at states that the policy comes to.

A decision at the start of an episode may take a tenth of the time of a later one, or ten times as long: simulations
from there are longer or shorter, and other agents have a choice. So states are picked from the episodes that are
evaluated anyway.

Before a program can run, Python traces it and XLA compiles it. JAX reports each of these when it is over, with its
duration. The reported spans overlap: a function is traced while another one is, and constants are compiled and computed
meanwhile. So overlapping spans are joined before they are added up.
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

# The decisions timed for one median, and the seconds after which fewer are enough.
DECISIONS = 21
PATIENCE = 2.0
# The number of episodes under way from which states are picked at a time.
AT_ONCE = 4


class Visited:
    """Keeps a sample of the states that a policy comes to; each state has about the same chance to be kept."""

    def __init__(self) -> None:
        self.states: list[State] = []
        self._offered = 0
        self._luck = np.random.default_rng(0)

    def look(self, under_way: UnderWay) -> None:
        """Pick states from the episodes that are under way."""
        lanes = np.flatnonzero(under_way.playing & (under_way.stages > 0))
        # Reservoir sampling: the n-th state that is offered replaces one of the k kept with chance k / n.
        for lane in self._luck.permutation(lanes)[:AT_ONCE]:
            self._offered += 1
            place = self._luck.integers(self._offered)
            if len(self.states) < DECISIONS:
                self.states.append(_pick(under_way.state, lane))
            elif place < DECISIONS:
                self.states[place] = _pick(under_way.state, lane)


class Effort(NamedTuple):
    """The effort of one policy's decision: Q-factors compared, the median time, and the number of states timed."""

    q_factors: int
    milliseconds: float
    states: int


def effort(model: Model, policy: Policy, key: Key, visited: Sequence[State]) -> Effort:
    """Time single decisions at these states or, without any, at initial states; a call before them compiles."""
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


# Functions that are not timed are called only a few times, so optimising their programs would not pay.
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
        """Return the seconds that were spent after `before`."""
        return Preparation(max(0.0, self.tracing - before.tracing), self.compiling - before.compiling)


def preparation() -> Preparation:
    """Return the seconds spent by this process so far; simultaneous tracing in several threads counts once."""
    compiling = sum(_compiled)
    return Preparation(sum(end - begin for begin, end in _spans) - compiling, compiling)


def _listen(event: str, duration_secs: float, **_: str | int) -> None:
    if event == COMPILING:
        _compiled.append(duration_secs)
    if event == COMPILING or event in TRACING:
        with _lock:
            _join(time.monotonic() - duration_secs, time.monotonic())


def _join(begin: float, end: float) -> None:
    """Add a span that has ended, and remove the spans inside it. JAX reports a span a moment after its end."""
    # A span lies inside the new one if its middle does: reported ends are a little late.
    while _spans and sum(_spans[-1]) / 2 >= begin:
        _spans.pop()
    _spans.append((begin, end))


jax.monitoring.register_event_duration_secs_listener(_listen)
