"""A strip under a picture, for a line of text: the picture's own opening tag is given a taller view."""

import re
from typing import NamedTuple

HEIGHT_IN_PIXELS = 24
# The width in pixels that is assumed of a picture that does not say.
WIDTH = 640

_NUMBER = r"[-+]?[\d.]+(?:e[-+]?\d+)?"
_ROOT = re.compile(r"<svg\b[^>]*>")
_VIEW = re.compile(rf'(\sviewBox=")\s*({_NUMBER})[\s,]+({_NUMBER})[\s,]+({_NUMBER})[\s,]+({_NUMBER})\s*"')
_SIZE = re.compile(rf'(\s(width|height)=")({_NUMBER})(?:px)?"')


class Strip(NamedTuple):
    """The place below a picture, in its own units: a rectangle from `(x, y)`."""

    x: float
    y: float
    width: float
    height: float


def add_strip(start: str) -> tuple[str, Strip] | None:
    """Make room below a picture that starts so; None if it does not say, in a viewBox, what it shows."""
    root = _ROOT.search(start)
    view = root and _VIEW.search(root[0])
    if not root or not view:
        return None
    x, y, width, height = map(float, view.groups()[1:])
    pixels = {name: float(value) for _, name, value in _SIZE.findall(root[0])}
    strip = HEIGHT_IN_PIXELS * width / pixels.get("width", WIDTH)
    taller = _VIEW.sub(rf'\g<1>{x:g} {y:g} {width:g} {height + strip:.6g}"', root[0], count=1)
    if "height" in pixels:
        grown = pixels["height"] * (height + strip) / height
        taller = _SIZE.sub(lambda size: f'{size[1]}{grown:.6g}"' if size[2] == "height" else size[0], taller)
    return start[: root.start()] + taller + start[root.end() :], Strip(x, y + height, width, strip)
