"""Evaluation by simulation: many independent episodes of one policy."""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import jax
import numpy as np

from seriatim import _optional
from seriatim._arguments import require_callable, require_whole
from seriatim._errors import InputError
from seriatim._preconditions import (
    name_of,
    require_key,
    require_model,
    require_playable,
    within_problem,
)
from seriatim.evaluation._estimate import Estimate, estimate
from seriatim.model import Key, Model
from seriatim.parallel import Backend
from seriatim.parallel._backends import require_backend
from seriatim.policy import Policy
from seriatim.simulation._episodes import Played, UnderWay, play_episodes
from seriatim.simulation._stage import streams
from seriatim.simulation._trajectory import fault_at, play_up_to

# Episodes in one part of the work, if several workers play: of a policy, and of a planner, which is slower.
PLAYED_AT_ONCE, PLANNED_AT_ONCE = 1000, 50

Progress: TypeAlias = Callable[[float | int, int], None]
Look: TypeAlias = Callable[[UnderWay], None]


def evaluate(
    model: Model,
    policy: Policy,
    key: Key,
    *,
    episodes: int = 100,
    horizon: int = 400,
    progress: Progress | None = None,
    on: Backend | None = None,
) -> Estimate:
    """Estimate the expected discounted cost of a policy from the initial states the model draws.

        J = E[ sum_{t < T} a^t g(x_t, u_t, w_t) ],   T = termination or `horizon`, whichever comes first.

    Args:
        model: the true problem; a planner's own model may differ from it.
        policy: chooses the controls.
        key: episode `i` is a function of `fold_in(key, i)`. Under one key, two policies meet the same initial
            states and disturbances, and more episodes extend fewer.
        episodes: their number.
        horizon: stages after which an episode is cut; `Estimate` reports the share of such episodes and the weight of
            the missing stages. A model that ends after a number of stages (`ends_after`) misses nothing after them.
        progress: called with (episodes done, episodes) as the work goes on. An episode that is under way counts by the
            share of its `horizon` that has been played.
        on: the workers: `seriatim.parallel.Local()`, `Devices()`, `Ray()`; by default one thread of this process. An
            episode is the same in every worker.

    Raises:
        InputError: `episodes` or `horizon` is no whole number from 1 to 2**31 - 1; the model or the policy cannot work;
            the policy, or the base policy of a planner, chose a control that is not admissible; a stage cost was not
            finite.
    """
    return followed(model, policy, key, episodes=episodes, horizon=horizon, progress=progress, on=on)


def followed(
    model: Model,
    policy: Policy,
    key: Key,
    *,
    episodes: int,
    horizon: int,
    progress: Progress | None = None,
    on: Backend | None = None,
    look: Look | None = None,
) -> Estimate:
    """Evaluate as `evaluate` does, and show `look` now and then the episodes that are under way in this process."""
    require_counts(episodes, horizon)
    require_key(key)
    if progress is not None:
        require_callable("progress", progress, "a function (episodes done, episodes)", 2)
    require_backend(on)
    require_model(model, starts=True)
    require_playable(model, policy)
    played = within_problem(model, horizon)
    incomparable = np.zeros(episodes, int)
    costs, stages, terminated = np.zeros(episodes), np.zeros(episodes, int), np.zeros(episodes, bool)
    finished = 0
    in_pieces = progress is not None or look is not None
    for some, under_way in _played((model, policy, key, played), episodes, on, in_pieces):
        costs[some.episode], stages[some.episode], terminated[some.episode] = some.cost, some.stages, some.terminated
        incomparable[some.episode] = some.incomparable
        finished += len(some.episode)
        if look is not None and under_way is not None:
            look(under_way)
        if progress is not None:
            progress(finished + _share_played(under_way, played), episodes)
    share = float(incomparable.sum() / stages.sum())
    # An episode that reaches the model's own last stage has ended, and was not cut.
    if played == _optional.ends_after(model):
        terminated |= stages == played
    discount = float(model.discount)
    return estimate(costs, stages, terminated, horizon=int(horizon), discount=discount, incomparable=share)


def require_counts(episodes: Any, horizon: Any) -> None:
    """Refuse numbers of episodes or stages that cannot be counted.

    Raises:
        InputError: one of them is no whole number from 1 to 2**31 - 1.
    """
    for name, value in (("episodes", episodes), ("horizon", horizon)):
        require_whole(name, value)


def _share_played(under_way: UnderWay | None, horizon: int) -> float:
    """Return the stages played of the episodes that are under way, as a number of episodes."""
    return 0.0 if under_way is None else float(under_way.stages[under_way.playing].sum()) / horizon


def _played(
    shared: Any, episodes: int, on: Backend | None, in_pieces: bool
) -> Iterator[tuple[Played, UnderWay | None]]:
    """Play the episodes in this process, or in parts by the workers."""
    if on is None:
        yield from _lawful(shared, range(episodes), in_pieces)
        return
    size = PLANNED_AT_ONCE if _optional.is_planner(shared[1]) else PLAYED_AT_ONCE

    def given(number: int) -> tuple[int, int]:
        return number * size, min((number + 1) * size, episodes)

    for _, some in on.run(_part, shared, given, -(-episodes // size)):
        yield some, None


def _part(shared: Any, first: int, last: int) -> Played:
    """Play some episodes, as one worker."""
    found = [some for some, _ in _lawful(shared, range(first, last))]
    return Played(*(np.concatenate(each) for each in zip(*found, strict=True)))


def _lawful(shared: Any, numbers: range, in_pieces: bool = False) -> Iterator[tuple[Played, UnderWay]]:
    model, policy, key, horizon = shared
    for some, under_way in play_episodes(model, policy, key, numbers, horizon, in_pieces=in_pieces):
        _refuse_faults(model, policy, key, some)
        yield some, under_way


def _refuse_faults(model: Model, policy: Policy, key: Key, played: Played) -> None:
    """Raise an error for the first faulty episode: play it again up to its fault, and say what happened there."""
    faulty = np.flatnonzero(played.fault >= 0)
    if not faulty.size:
        return
    t = int(played.fault[faulty[0]])
    own_key = jax.random.fold_in(key, int(played.episode[faulty[0]]))
    path = play_up_to(model, policy, own_key, t)
    fault = fault_at(model, policy, path, t)
    if fault is None:
        # The planner's control is lawful, so the fault is that of its base policy.
        state = jax.tree.map(lambda leaf: leaf[t], path.states)
        policy.decide(state, jax.random.fold_in(streams(own_key).policy, t))  # type: ignore[attr-defined]
        fault = f"{name_of(policy)} chose beside a base control that is not admissible at stage {t} of an episode."
    raise InputError(fault)
