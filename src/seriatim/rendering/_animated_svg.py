"""An episode as one SVG picture that plays by itself, over and over.

All frames lie on top of one another, and a style rule shows each in its turn. Unlike scripts, styles also run in an
image on a page. Without animation, in print or for users who asked for reduced motion, the first frame is shown.

A line of text stands in a strip under the picture. To make room for it, the view in the picture's opening tag is made
taller.
"""

import math
import re
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from seriatim._errors import InputError
from seriatim.rendering._frames import share_elements
from seriatim.rendering._palette import FONT, INK, PAPER
from seriatim.rendering._safe_svg import safe_frames

HEIGHT_IN_PIXELS = 24
# The width in pixels that is assumed for a picture that gives none.
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
    """Make room below a picture that begins with `start`; return None if it has no viewBox."""
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


# The time of the last frame, long enough to see how the episode ended before it starts again.
LAST_SECONDS = 1.6

_STYLE = """<style>
.seriatim-frame{{visibility:hidden;animation:seriatim-frame {total}s step-end infinite}}
.seriatim-last{{animation-name:seriatim-last}}
@keyframes seriatim-frame{{0%{{visibility:visible}}{frame}%,100%{{visibility:hidden}}}}
@keyframes seriatim-last{{0%{{visibility:visible}}{last}%,100%{{visibility:hidden}}}}
.seriatim-first{{visibility:visible}}
@media print,(prefers-reduced-motion:reduce){{.seriatim-frame{{animation:none}}}}
</style>"""


def animated_svg(frames: Sequence[str], seconds_per_frame: float | int = 0.4, captions: Sequence[str] = ()) -> str:
    """Put SVG pictures together into one that shows them in turn, forever, and rests a little on the last.

    Elements that all frames have in common are written once. The picture needs no script and no network, so that it
    plays as an `<img>` of a README.

    Args:
        frames: SVG pictures of one size: their outermost elements must be the same.
        seconds_per_frame: how long each is seen.
        captions: a line for each frame, written below it; left out if the pictures have no viewBox.

    Raises:
        InputError: there are no frames, one is not well-formed SVG, their outermost elements differ, the time is not
            positive, or there is another number of captions.

    Warns:
        LeftOut: a frame has something that could run code or load something; it is left out.
    """
    if not (math.isfinite(seconds_per_frame) and seconds_per_frame > 0):
        raise InputError(f"seconds_per_frame={seconds_per_frame}: give a time greater than 0, such as 0.4.")
    if captions and len(captions) != len(frames):
        raise InputError(f"{len(captions)} captions for {len(frames)} frames; give one for each, or none.")
    frames = safe_frames(frames)
    prefix, middles, suffix = share_elements(frames)
    with_strip = add_strip(prefix) if captions else None
    if with_strip is not None:
        prefix, strip = with_strip
        middles = tuple(m + _caption(strip, caption) for m, caption in zip(middles, captions, strict=True))
        prefix += f'<rect {_rectangle(strip)} fill="{PAPER}"/>'
    # Frames that are all equal need no animation.
    if not any(middles):
        return frames[0]
    groups = "".join(_group(middle, t, len(frames), seconds_per_frame) for t, middle in enumerate(middles))
    return f"{prefix}{_style(len(frames), seconds_per_frame)}{groups}{suffix}"


def _style(frames: int, seconds: float | int) -> str:
    last = max(seconds, LAST_SECONDS)
    total = (frames - 1) * seconds + last
    return _STYLE.format(total=f"{total:.6g}", frame=f"{100 * seconds / total:.6g}", last=f"{100 * last / total:.6g}")


def _group(middle: str, t: int, frames: int, seconds: float | int) -> str:
    """Wrap a frame in a group; the animation of frame t begins after the time of the t frames before it."""
    place = {0: " seriatim-first", frames - 1: " seriatim-last"}.get(t, "")
    return f'<g class="seriatim-frame{place}" style="animation-delay:{t * seconds:.6g}s">{middle}</g>'


def _caption(strip: Strip, caption: str) -> str:
    x, y, size = strip.x + strip.width / 2, strip.y + 0.7 * strip.height, 0.6 * strip.height
    return (
        f'<text x="{x:.6g}" y="{y:.6g}" font-size="{size:.4g}" fill="{INK}" text-anchor="middle" '
        f'font-family="{FONT}" font-weight="600">{escape(caption)}</text>'
    )


def _rectangle(strip: Strip) -> str:
    return f'x="{strip.x:.6g}" y="{strip.y:.6g}" width="{strip.width:.6g}" height="{strip.height:.6g}"'
