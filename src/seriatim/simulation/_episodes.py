"""Playing many episodes in a fixed number of lanes.

Episodes end at different stages, the last of a batch often after two or three times the mean; a batch that waits for
its last works mostly for nothing. So lanes whose episodes have ended are given new ones whenever enough of them are
idle. Each lane has its own stage and its own keys, and an episode is the same function of its key in whatever lane it
is played.

Whoever wants to follow the work gets it in pieces of some stages. A piece ends without a lane being filled or emptied
before its time, so the pieces change no number, whatever the clock says.
"""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from seriatim import _optional
from seriatim._compile import jit
from seriatim._preconditions import name_of, require_control
from seriatim.lanes import map_lanes, materialise, padded_lane_count
from seriatim.model import Key, Model, State
from seriatim.policy import Policy
from seriatim.simulation._stage import Lanes, Streams, begun, lane_stage, streams

# Bytes of state in all lanes, so that they fit the cache, and the fewest and the most lanes.
BYTES, FEWEST, MOST = 2**17, 64, 2048
# Room for the results of so many times the lanes.
ROOM = 16
# Lanes are filled again when one in so many is idle.
IDLE = 2
# A planner simulates many lanes of its own for each decision, so fewer will do, none idle for long. It may
# also take long: after so many stages the host is asked whether to go on.
PLANNER_LANES, PLANNER_IDLE, PLANNER_STAGES = 50, 8, 4
# A heuristic is followed in pieces that take up to twice so many seconds.
PIECE = 0.2
FOR_EVER = np.iinfo(np.int32).max


class Played(NamedTuple):
    """The summaries of some episodes.

    `fault` is the stage at which a law was broken, -1 if none was; `incomparable` counts the decisions of a planner in
    which candidates could not be compared.
    """

    episode: Int[Array | np.ndarray, " episodes"]
    cost: Float[Array | np.ndarray, " episodes"]
    stages: Int[Array | np.ndarray, " episodes"]
    terminated: Bool[Array | np.ndarray, " episodes"]
    fault: Int[Array | np.ndarray, " episodes"]
    incomparable: Int[Array | np.ndarray, " episodes"]


class UnderWay(NamedTuple):
    """The episodes that are under way, where `playing`, one in each lane: their states, and the stages played."""

    state: State  # [..., lanes]
    stages: Int[np.ndarray, " lanes"]
    playing: Bool[np.ndarray, " lanes"]


class _Lanes(NamedTuple):
    """The episodes that are being played, one in each lane; `episode` is -1 where there is none."""

    episode: Int[Array, " lanes"]
    keys: Streams
    t: Int[Array, " lanes"]
    course: Lanes
    fault: Int[Array, " lanes"]
    incomparable: Int[Array, " lanes"]


class _Chosen(NamedTuple):
    """What a policy chose; of a planner also whether candidates could not be compared, and its base was admissible."""

    control: Int[Array, "m lanes"]
    incomparable: Bool[Array, " lanes"] | None = None
    admissible: Bool[Array, " lanes"] | None = None


class _Now(NamedTuple):
    lanes: _Lanes
    begun: Int[Array, ""]
    results: Played
    written: Int[Array, ""]
    stages: Int[Array, ""]  # played since the host was asked


def play_episodes(
    model: Model, policy: Policy, key: Key, numbers: range, horizon: int, *, in_pieces: bool = False
) -> Iterator[tuple[Played, UnderWay]]:
    """Play some of the episodes 0, 1, ... of a key.

    Returns their summaries as they end, in no particular order, and what is under way then. With `in_pieces` of a
    second at most (a planner: of some stages, always), between which nothing may have ended.
    """
    width = _width(model, policy, len(numbers))
    patience = PLANNER_STAGES if in_pieces or _optional.is_planner(policy) else FOR_EVER
    now = _nothing_played(model, key, numbers, width)
    end = _int32(numbers.stop)
    # Where every episode has a lane of its own, the program needs no part that begins others.
    refills = len(numbers) > width
    finished = 0
    while finished < len(numbers):
        begin = time.perf_counter()
        now = _go_on(model, policy, key, now, end, _int32(horizon), _int32(patience), refills=refills)
        some = slice(int(now.written))
        finished += some.stop
        yield Played(*(np.asarray(each)[some] for each in now.results)), _under_way(now.lanes)
        now = now._replace(written=_int32(0), stages=_int32(0))
        if not _optional.is_planner(policy) and time.perf_counter() - begin < PIECE:
            patience = min(2 * patience, FOR_EVER)


def _int32(number: int) -> Any:
    """Return a number as an argument of a program; an array of JAX would be made by one more program."""
    return np.int32(number)


def _under_way(lanes: _Lanes) -> UnderWay:
    return UnderWay(lanes.course.state, np.asarray(lanes.t), np.asarray(lanes.episode) >= 0)


def _width(model: Model, policy: Policy, episodes: int) -> int:
    """Return the number of lanes; where many fit, those of a power of two, so that few numbers compile anew."""
    if _optional.is_planner(policy):
        return min(episodes, PLANNER_LANES)
    enough = 1 << (episodes - 1).bit_length()
    state = jax.eval_shape(model.initial_state, jax.random.key(0))
    size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    fitting = 1 << (BYTES // max(1, size)).bit_length() >> 1
    return padded_lane_count(min(enough, max(FEWEST, min(fitting, MOST))))


def _first_lanes(model: Model, key: Key, first: Any, end: Any, *, lanes: int) -> _Lanes:
    """Begin the first episodes, as many as there are lanes; -1 marks lanes beyond the last of them."""
    episodes = first + jnp.arange(lanes, dtype=jnp.int32)
    return _begin(model, key, episodes)._replace(episode=jnp.where(episodes < end, episodes, -1))


def _narrowed(lanes: _Lanes, *, width: int) -> _Lanes:
    narrower: _Lanes = jax.tree.map(lambda leaf: leaf[..., :width], lanes)
    return narrower


def _nothing_played(model: Model, key: Key, numbers: range, width: int) -> _Now:
    """Return the beginnings of the first episodes, as many as there are lanes.

    Few of them are begun in a power of two of lanes, as a heuristic's are: one program for it and its planners.
    """
    wide = width if width > PLANNER_LANES else padded_lane_count(1 << (width - 1).bit_length())
    lanes = _begun(model, key, _int32(numbers.start), _int32(numbers.stop), lanes=wide)
    zero, cost = np.zeros(width * ROOM, np.int32), np.zeros(width * ROOM, jax.dtypes.canonicalize_dtype(float))
    results = Played(zero, cost, zero, np.zeros(width * ROOM, bool), zero, zero)
    begun = _int32(min(numbers.start + width, numbers.stop))
    lanes = lanes if wide == width else _cut(lanes, width=width)
    return _Now(lanes, begun, results, _int32(0), _int32(0))


def _begin(model: Model, key: Key, episodes: Int[Array, " n"]) -> _Lanes:
    """Return the beginnings of some episodes."""
    n = episodes.shape[0]
    keys = map_lanes(lambda i: streams(jax.random.fold_in(key, i)), (-1,))(episodes)
    state = map_lanes(model.initial_state, (-1,))(keys.start)
    zero = jnp.zeros(n, jnp.int32)
    return _Lanes(episodes, keys, zero, begun(state, n), zero - 1, zero)


def _advance(
    model: Model,
    policy: Policy,
    key: Key,
    now: _Now,
    episodes: Int[Array, ""],
    horizon: Int[Array, ""],
    patience: Int[Array, ""],
    *,
    refills: bool,
) -> _Now:
    """Play until all episodes have ended, the room for results is used up, or `patience` stages have been played.

    With `refills`, lanes whose episodes have ended are given others.
    """
    width, room = now.lanes.t.shape[0], now.results.cost.shape[0]
    few = -(-width // (PLANNER_IDLE if _optional.is_planner(policy) else IDLE))
    stage = _stage(model, policy)

    def playing(lanes: _Lanes) -> Bool[Array, " lanes"]:
        return (lanes.episode >= 0) & ~lanes.course.done & (lanes.t < horizon)

    def go_on(now: _Now) -> Bool[Array, ""]:
        unfinished = (now.begun < episodes) | jnp.any(playing(now.lanes))
        return unfinished & (now.written + width <= room) & (now.stages < patience)

    def one_round(now: _Now) -> _Now:
        lanes, begun = now.lanes, now.begun
        if refills:
            # A heuristic's lanes are filled when so many are idle, not earlier because a piece ended.
            least = 1 if _optional.is_planner(policy) else few
            lanes, begun = _fill(model, key, lanes, begun, episodes, few, least)

        def busy(playing_now: tuple[_Lanes, Int[Array, ""]]) -> Bool[Array, ""]:
            count = jnp.sum(playing(playing_now[0]))
            return (count > 0) & ((count > width - few) | (begun >= episodes)) & (playing_now[1] < patience)

        lanes, stages = jax.lax.while_loop(
            busy, lambda now: (stage(now[0], playing(now[0])), now[1] + 1), (lanes, now.stages)
        )
        ended = (lanes.episode >= 0) & ~playing(lanes)
        results = _write(now.results, now.written, lanes, ended)
        lanes = lanes._replace(episode=jnp.where(ended, -1, lanes.episode))
        return _Now(lanes, begun, results, now.written + jnp.sum(ended, dtype=jnp.int32), stages)

    return jax.lax.while_loop(go_on, one_round, now) if refills else one_round(now)


_begun = jit(_first_lanes, static_argnames=("lanes",))
# Copies are the same however they are compiled.
_cut = jit(_narrowed, static_argnames=("width",), unoptimised=True)
_go_on = jit(_advance, static_argnames=("refills",))


def _fill(
    model: Model, key: Key, lanes: _Lanes, begun: Int[Array, ""], episodes: Int[Array, ""], few: int, least: int
) -> tuple[_Lanes, Int[Array, ""]]:
    """Begin `few` new episodes, or as many as there are idle lanes or episodes left; none if fewer than `least` are."""
    fresh = _begin(model, key, begun + jnp.arange(few, dtype=jnp.int32))
    idle = lanes.episode < 0
    rank = jnp.cumsum(idle) - 1
    taken = idle & (rank < jnp.minimum(few, episodes - begun))
    if least > 1:
        taken &= jnp.sum(idle) >= least
    where = jnp.clip(rank, 0, few - 1)

    def put(new: Array, old: Array) -> Array:
        return jnp.where(taken, new.at[..., where].get(mode="promise_in_bounds"), old)

    filled = jax.tree.map(put, fresh, lanes)
    return filled, begun + jnp.sum(taken, dtype=jnp.int32)


def _write(results: Played, written: Int[Array, ""], lanes: _Lanes, ended: Bool[Array, " lanes"]) -> Played:
    """Append the summaries of the episodes that have ended."""
    nowhere = results.cost.shape[0]
    place = jnp.where(ended, written + jnp.cumsum(ended) - 1, nowhere)
    summary = Played(lanes.episode, lanes.course.cost, lanes.t, lanes.course.done, lanes.fault, lanes.incomparable)
    appended: Played = jax.tree.map(lambda all, each: all.at[place].set(each, mode="drop"), results, summary)
    return appended


def _chooser(model: Model, policy: Policy) -> Any:
    """Return the function from states and keys, lanes last, to what the policy chooses there."""
    if not _optional.is_planner(policy):
        choose = map_lanes(policy, (-1, -1))

        def play(state: State, keys: Key) -> _Chosen:
            control = choose(state, keys)
            require_control(model, control, f"The policy {name_of(policy)}", keys.shape[-1:])
            return _Chosen(control)

        return play

    def plan(state: State, key: Key) -> tuple[Any, ...]:
        made: Any = policy.decide(state, key)
        return made.control, None if made.num_incomparable is None else made.num_incomparable > 0, made.admissible

    return lambda states, keys: _Chosen(*jax.vmap(plan, (-1, -1), -1)(states, keys))


def _stage(model: Model, policy: Policy) -> Any:
    """Return the function that plays one stage in the lanes that are playing; in the others it changes no summary."""
    choose, advance = _chooser(model, policy), lane_stage(model)
    draw, fold_in = map_lanes(model.sample_disturbance, (-1,)), map_lanes(jax.random.fold_in, (-1, -1))
    lawful_alone = map_lanes(lambda state, control: _optional.is_allowed(model, state, control), (-1, -1))

    def stage(lanes: _Lanes, playing: Bool[Array, " lanes"]) -> _Lanes:
        own_keys = fold_in(lanes.keys.policy, lanes.t)
        chosen = materialise(lambda: choose(lanes.course.state, own_keys))
        control = chosen.control
        course, after = advance(lanes.course, control, draw(fold_in(lanes.keys.disturbance, lanes.t)), playing)
        cost = jnp.asarray(after.cost, float)
        lawful = lawful_alone(lanes.course.state, control) & jnp.isfinite(cost)
        lawful = lawful if chosen.admissible is None else lawful & chosen.admissible
        blind = lanes.incomparable
        blind = blind if chosen.incomparable is None else blind + jnp.where(playing & chosen.incomparable, 1, 0)
        return lanes._replace(
            t=lanes.t + playing.astype(jnp.int32),
            course=course,
            fault=jnp.where(playing & ~lawful & (lanes.fault < 0), lanes.t, lanes.fault),
            incomparable=blind,
        )

    return stage
