"""Saving an episode as something to look at, for any model that can draw its states."""

import os
from pathlib import Path
from typing import Any

import jax
import numpy as np

from seriatim import _optional
from seriatim._errors import InputError
from seriatim._files import as_path, save_text
from seriatim.model import Model
from seriatim.rendering._animated_svg import animated_svg
from seriatim.rendering._episode_html import episode_html
from seriatim.simulation import Trajectory


def save_episode(path: str | os.PathLike[str], model: Model, trajectory: Trajectory) -> Path:
    """Save the stages that were played: `.html` a page with controls, `.svg` a picture that plays by itself.

    The model needs a method `draw(state)` that returns an SVG picture as a string; for `.svg`, all of one size. Whoever
    opens the file runs nothing of it and loads nothing: scripts, events, links to other places and the like are left
    out of the pictures, and a `LeftOut` warning says so.

    Returns:
        The path of the file.

    Raises:
        InputError: another suffix, a folder that is missing, a file that cannot be written, a model that cannot draw or
            draws no well-formed SVG, or several trajectories at once.
    """
    path = as_path(path)
    _check(path, model, trajectory)
    frames, captions = _pictures(model, trajectory), _captions(model, trajectory)
    if path.suffix.lower() == ".svg":
        text = animated_svg(frames, captions=captions)
    else:
        text = episode_html(frames, captions, title=type(model).__name__)
    save_text(path, text)
    return path


def _check(path: Path, model: Model, trajectory: Trajectory) -> None:
    if path.suffix.lower() not in (".html", ".svg"):
        raise InputError(f"{path}: unknown kind of picture {path.suffix!r}; name the file .html or .svg.")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}; make it, or save elsewhere.")
    if _optional.draw(model) is None:
        raise InputError(f"{type(model).__name__} has no method draw(state) that returns an SVG picture; add one.")
    if not isinstance(trajectory, Trajectory):
        raise InputError(
            f"trajectory is a {type(trajectory).__name__}; give what simulate(model, policy, key) returns."
        )
    if np.ndim(trajectory.length):
        shape = np.shape(trajectory.length)
        raise InputError(f"{path}: trajectories of shape {shape} were given; choose one of them to be drawn.")


def _pictures(model: Any, trajectory: Trajectory) -> list[str]:
    """Draw the first state and the one after each stage that was played."""
    pictures = []
    for t in range(int(trajectory.length) + 1):
        picture = model.draw(jax.tree.map(lambda leaf, t=t: leaf[t], trajectory.states))
        if not isinstance(picture, str) or "<svg" not in picture:
            raise InputError(
                f"{type(model).__name__}.draw returned {picture!r:.60}; a string with an SVG picture is expected, "
                "beginning with <svg."
            )
        pictures.append(picture)
    return pictures


def _captions(model: Any, trajectory: Trajectory) -> list[str]:
    """Say of each state the stage, and the discounted cost of the stages before it."""
    played = int(trajectory.length)
    costs = float(model.discount) ** np.arange(played) * np.asarray(trajectory.costs)[:played]
    so_far = np.concatenate([[0.0], np.cumsum(costs, dtype=float)])
    captions = [f"stage {t}, cost so far {cost:.6g}" for t, cost in enumerate(so_far)]
    captions[-1] += ", ended" if trajectory.terminated else ", cut here"
    return captions
