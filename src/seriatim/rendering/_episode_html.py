"""An episode as a page that plays it: one file, no network.

The page is `episode.html` beside this file. It gets the pictures as data, their common parts once. Its content security
policy names the digest of its own script, so that the browser runs no other, whatever a drawing brings along.
"""

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from string import Template

from seriatim._errors import InputError
from seriatim.rendering._frames import share
from seriatim.rendering._safe_svg import safe_frames

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
    """Write JSON so that no text in it can end the script element: `</` and `<!--` are the two that could."""
    return data.replace("</", "<\\/").replace("<!--", "\\u003c!--")
