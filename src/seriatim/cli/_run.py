"""`seriatim run`: one episode, watched in the terminal, saved as a picture."""

import dataclasses
import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import seriatim as st
from seriatim import _optional
from seriatim._errors import InputError
from seriatim.cli._episode import Decided, Stage, episode_key, stages, start, trajectory
from seriatim.cli._faults import INTERRUPTED, asked, exit_with, say
from seriatim.cli._load import Loaded, load, over_stages, title
from seriatim.cli._options import Planning, Problem
from seriatim.cli._output import plural, print_json
from seriatim.cli._policies import make_policies, read_names
from seriatim.cli._progress import progress
from seriatim.cli._watch import not_watching, watching
from seriatim.evaluation._deadlines import Punctual, Timing, timed, timing


class _Episode(NamedTuple):
    """The episode that was played.

    `departures` counts the decisions that differ from the base policy's; it is None for a policy without one. `timing`
    has the times of decisions under a deadline; it is None without a deadline.
    """

    path: st.Trajectory
    departures: int | None
    interrupted: bool
    timing: Timing | None


def run(
    problem: Problem,
    planning: Planning,
    *,
    policy: str,
    horizon: int | None,
    budget_ms: float | None,
    save: str | None,
    watch: bool | None,
    delay: float,
) -> None:
    """Play one episode, print how it went, and save its picture."""
    watched = problem.form == "table" and (sys.stdout.isatty() if watch is None else watch)
    key = jax.random.key(problem.seed)
    with progress() as show:
        show("checking the model")
        loaded = load(problem)
        name = _one_name(policy, loaded)
        if save is not None:
            _require_savable(Path(save), loaded)
        st.check_model(loaded.model, key, quick=True).raise_if_broken()
        if save is not None:
            asked(loaded.model, "draw", start(loaded.model, key))
        loaded, horizon = over_stages(loaded, horizon)
        made = make_policies([name], loaded, problem.base, planning, key)[name]
        if budget_ms is not None:
            show("compiling")
            made = _warm(made, name, start(loaded.model, key), key, budget_ms)
    episode = _play(loaded.model, made, key, horizon, budget_ms, delay if watched else None)
    if save is not None:
        with progress() as show:
            show("drawing")
            st.rendering.save_episode(save, loaded.model, episode.path)
    if problem.form == "json":
        print_json(_entries(loaded, problem.seed, name, horizon, episode, save))
    else:
        _print_summary(loaded, problem.seed, name, episode, save)
    if episode.interrupted:
        say("stopped.")
        exit_with(INTERRUPTED)


def _one_name(policy: str, loaded: Loaded) -> str:
    names = read_names(policy, loaded.module)
    if len(names) > 1:
        raise InputError(f"--policy {policy}: one episode has one policy; name one of them, or use seriatim compare.")
    return names[0]


def _require_savable(path: Path, loaded: Loaded) -> None:
    """Refuse a picture that could not be saved, before the episode is played for it."""
    if not path.resolve().parent.is_dir():
        raise InputError(f"--save {path}: there is no folder {path.parent}; make it, or save elsewhere.")
    if path.suffix.lower() not in (".html", ".svg"):
        raise InputError(f"--save {path}: pictures are .html, to step through, or .svg; name the file so.")
    if _optional.draw(loaded.model) is None:
        name = type(loaded.model).__name__
        raise InputError(f"--save {path}: {name} has no method draw(state) that returns an SVG picture; add one.")


def _warm(policy: Any, name: str, state: Any, key: Any, budget_ms: float) -> Punctual:
    if not isinstance(policy, (st.OneAtATimeRollout, st.StandardRollout)):
        raise InputError(
            f"--budget-ms {budget_ms:g}: {name} has no turns that a deadline could leave out; leave the option out, or "
            "give --policy one-at-a-time or standard."
        )
    return st.Anytime(policy).warmup(state, key)


def _play(model: Any, policy: Any, key: Any, horizon: int, budget_ms: float | None, delay: float | None) -> _Episode:
    """Play the first episode that `compare` plays under the key, until it ends or Ctrl-C stops it."""
    played: list[Stage] = []
    made: list[tuple[st.Decision, float]] = []

    def hurry(state: Any, own_key: Any) -> Decided:
        made.append(timed(policy, state, own_key, budget_ms))
        return Decided(made[-1][0])

    own_key = episode_key(key, 0)
    first = start(model, own_key)
    interrupted = False
    try:
        with not_watching(horizon) if delay is None else watching(model, delay) as show:
            show(first, played)
            for stage in stages(model, policy, own_key, horizon, None if budget_ms is None else hurry):
                _refuse_unlawful(model, policy, key, stage, len(played))
                played.append(stage)
                show(stage.state, played)
    except KeyboardInterrupt:
        interrupted = True
    departed = [bool(np.any(stage.control != stage.base_control)) for stage in played]
    departures = sum(departed) if _optional.is_planner(policy) else None
    times = timing(budget_ms, *zip(*made, strict=True)) if made else None
    return _Episode(trajectory(model, first, played), departures, interrupted, times)


def _refuse_unlawful(model: Any, policy: Any, key: Any, stage: Stage, t: int) -> None:
    """Let `evaluate` report the broken law: its first episode is the one that is played here."""
    if not stage.lawful:
        st.evaluate(model, policy, key, episodes=1, horizon=t + 1)
        raise AssertionError(f"stage {t} breaks a law here and none in st.evaluate")


def _entries(loaded: Loaded, seed: int, name: str, horizon: int, episode: _Episode, save: str | None) -> dict[str, Any]:
    path = episode.path
    return {
        "model": loaded.name,
        "fields": loaded.fields,
        "seed": seed,
        "policy": name,
        "horizon": horizon,
        "cost": float(path.cost),
        "stages": int(path.length),
        "terminated": bool(path.terminated),
        "interrupted": episode.interrupted,
        "departures": episode.departures,
        "timing": None if episode.timing is None else dataclasses.asdict(episode.timing),
        "costs": path.costs,
        "controls": path.controls,
        "saved": save,
    }


def _print_summary(loaded: Loaded, seed: int, name: str, episode: _Episode, save: str | None) -> None:
    path = episode.path
    ended = "ended" if path.terminated else "stopped" if episode.interrupted else "cut"
    print(f"{title(loaded)}, {name}, seed {seed}")
    print(f"{ended} after {plural(int(path.length), 'stage')}, cost {float(path.cost):.6g}")
    if episode.departures is not None:
        print(f"left the base control at {episode.departures:,} of {plural(int(path.length), 'decision')}")
    if episode.timing is not None:
        print(episode.timing)
    if save is not None:
        print(f"saved {save}")
