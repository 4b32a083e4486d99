"""Saving an episode as a page or a picture, for any model that can draw its states.

The page that plays an episode is one file and needs no network: `episode.html` beside this file. It gets the pictures
as data, with their common parts once. Its content security policy names the digest of its own script, so that the
browser runs no other script, even if a drawing contains one.
"""

import base64
import hashlib
import json
import os
import re
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import jax
import numpy as np

from seriatim import _optional
from seriatim._errors import InputError
from seriatim._files import as_path, save_text
from seriatim.model import Model
from seriatim.rendering._animated_svg import animated_svg
from seriatim.rendering._frames import share
from seriatim.rendering._safe_svg import safe_frames
from seriatim.simulation import Trajectory


def save_episode(path: str | os.PathLike[str], model: Model, trajectory: Trajectory) -> Path:
    """Save the stages that were played: `.html` a page with controls, `.svg` a picture that plays by itself.

    The model needs a method `draw(state)` that returns an SVG picture as a string; for `.svg`, all pictures must have
    one size. A browser that opens the file runs no code from the pictures and loads nothing: scripts, events, links to
    other places and the like are left out, and a `LeftOut` warning says so.

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
    """Write a caption for each state: its stage, and the discounted cost of the stages before it."""
    played = int(trajectory.length)
    costs = float(model.discount) ** np.arange(played) * np.asarray(trajectory.costs)[:played]
    so_far = np.concatenate([[0.0], np.cumsum(costs, dtype=float)])
    captions = [f"stage {t}, cost so far {cost:.6g}" for t, cost in enumerate(so_far)]
    captions[-1] += ", ended" if trajectory.terminated else ", cut here"
    return captions


_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def episode_html(frames: Sequence[str], captions: Sequence[str], title: str) -> str:
    """Make a page that plays pictures: play, pause, step, a slider, the keyboard.

    Args:
        frames: SVG pictures, one a stage.
        captions: a line of text for each.
        title: of the page.

    Raises:
        InputError: there are no frames, or another number of captions, or a frame is not well-formed SVG.

    Warns:
        LeftOut: a frame has something that could run code or load something; it is left out.
    """
    if len(captions) != len(frames):
        raise InputError(f"{len(captions)} captions for {len(frames)} frames; give one for each.")
    page = files(__package__).joinpath("episode.html").read_text(encoding="utf-8")
    data = {**share(safe_frames(frames))._asdict(), "captions": list(captions)}
    inside = _inside_script(json.dumps(data, ensure_ascii=False))
    return Template(page).substitute(title=escape(title), data=inside, digest=_digest_of_script(page))


def _digest_of_script(page: str) -> str:
    """Return the digest of a page's script, as a content security policy names it."""
    (script,) = _SCRIPT.findall(page)
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _inside_script(data: str) -> str:
    """Write JSON in which no text can end the script element; only `</` and `<!--` could do so."""
    return data.replace("</", "<\\/").replace("<!--", "\\u003c!--")
