"""An episode as a page that plays it: one file, no network.

The page is `episode.html` beside this file. It gets the pictures as data, their common parts once.
"""

import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from string import Template

from seriatim._errors import InputError
from seriatim.drawing._frames import share


def episode_html(frames: Sequence[str], captions: Sequence[str], title: str) -> str:
    """Make a page that plays pictures: play, pause, step, a slider, the keyboard.

    Args:
        frames: SVG pictures, one a stage.
        captions: a line of text for each.
        title: of the page.

    Raises:
        InputError: there are no frames, or another number of captions.
    """
    if len(captions) != len(frames):
        raise InputError(f"{len(captions)} captions for {len(frames)} frames; give one for each.")
    page = Template(files(__package__).joinpath("episode.html").read_text(encoding="utf-8"))
    data = {**share(frames)._asdict(), "captions": list(captions)}
    return page.substitute(title=escape(title), data=_inside_script(json.dumps(data, ensure_ascii=False)))


def _inside_script(data: str) -> str:
    """Write JSON so that no text in it can end the script element: `</` and `<!--` are the two that could."""
    return data.replace("</", "<\\/").replace("<!--", "\\u003c!--")
