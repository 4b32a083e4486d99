"""Frames of an episode: the parts that all its pictures have in common are kept once.

Several texts are split into a common prefix, one middle for each, and a common suffix. `prefix + middle + suffix` is
exactly the text again. For pictures that stand side by side in one document, the cuts are made where a child of the
root element begins or the root's content ends, so that each middle is a well-formed fragment.
"""

from collections.abc import Sequence
from typing import NamedTuple
from xml.parsers import expat

from seriatim._errors import InputError


class Frames(NamedTuple):
    """Pictures with their common parts taken out; picture t is `prefix + middles[t] + suffix`."""

    prefix: str
    middles: tuple[str, ...]
    suffix: str


def share(pictures: Sequence[str]) -> Frames:
    """Take out the longest common prefix and, of what is left, the longest common suffix.

    Raises:
        InputError: there are no pictures.
    """
    start = _common_start(pictures)
    return _cut(pictures, start, _common_end(pictures, start))


def share_elements(pictures: Sequence[str]) -> Frames:
    """Take out the common start and end of SVG pictures, cut between children of their root elements.

    The prefix holds the root's opening tag, the suffix its closing tag, and every middle whole elements only. A place
    between children in the first picture is one in all: the texts up to it are equal, or the texts after it are.

    Raises:
        InputError: there are no pictures, or one is not an SVG element, or their root elements differ.
    """
    common = _common_start(pictures)
    # All pictures are parsed, so that one that is not well-formed is found. The places of the first hold for all.
    places, *_ = [_between_children(picture, t) for t, picture in enumerate(pictures)]
    start = max((place for place in places if place <= common), default=None)
    if start is None:
        raise InputError("The outermost svg elements of the pictures differ; draw all states at one size.")
    last = len(pictures[0]) - _common_end(pictures, start)
    stop = min((place for place in places if place >= last), default=None)
    if stop is None:
        raise InputError("The closing tags of the pictures differ; end all of them alike.")
    return _cut(pictures, start, len(pictures[0]) - stop)


def _common_start(pictures: Sequence[str]) -> int:
    if not pictures:
        raise InputError("There are no pictures; an episode needs at least the one of its first state.")
    return _equal_characters(pictures)


def _common_end(pictures: Sequence[str], start: int) -> int:
    """Return the length of the common suffix of the texts after `start`."""
    return _equal_characters([picture[start:][::-1] for picture in pictures])


def _equal_characters(texts: Sequence[str]) -> int:
    """Return the length of the common prefix; that of the alphabetically first and last text is common to all."""
    first, last = min(texts), max(texts)
    return next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))


def _cut(pictures: Sequence[str], start: int, end: int) -> Frames:
    middles = tuple(picture[start : len(picture) - end] for picture in pictures)
    return Frames(pictures[0][:start], middles, pictures[0][len(pictures[0]) - end :])


def _between_children(picture: str, t: int) -> list[int]:
    """Return the indices at which the root's content begins, one of its children begins, and the content ends."""
    places: list[int] = []
    roots: list[str] = []
    depth = 0
    parser = expat.ParserCreate("utf-8")

    def start(name: str, _: dict[str, str]) -> None:
        nonlocal depth
        if depth == 0:
            roots.append(name)
        elif depth == 1:
            places.append(parser.CurrentByteIndex)
        depth += 1

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1
        if depth == 0:
            places.append(parser.CurrentByteIndex)

    def text(_: str) -> None:
        # Only text at the beginning of the content is a place to cut: inside a CDATA section there must be no cut.
        if depth == 1 and not places:
            places.append(parser.CurrentByteIndex)

    parser.DefaultHandlerExpand = text
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    try:
        # The parser counts in bytes, so each character must be one byte. Tags of SVG have only ASCII letters anyway.
        parser.Parse(picture.encode("ascii", "replace"), True)
    except expat.ExpatError as error:
        raise InputError(f"The picture of stage {t} is not well-formed SVG, {error}; mend what draws it.") from None
    if roots != ["svg"]:
        raise InputError(f"The picture of stage {t} is an element {roots[0]!r}; an svg element is expected.")
    return places
