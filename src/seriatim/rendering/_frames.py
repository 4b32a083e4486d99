"""Frames of an episode: what all its pictures have in common is kept once.

A sequence of texts is a common prefix, a middle each, and a common suffix; `prefix + middle + suffix` is each of them
again, to the letter. For pictures that are to live side by side in one document, the cuts are made where a child of the
root element begins or its content ends, so that each middle is a well-formed fragment.
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
    # All are read, so that one that is not well-formed is found; the places of the first are those of all.
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
    """Return the length of the common suffix of what follows `start`."""
    return _equal_characters([picture[start:][::-1] for picture in pictures])


def _equal_characters(texts: Sequence[str]) -> int:
    """Return the length of the common prefix: that of the alphabetically first and last has the others between."""
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
        # Only the first, where the content begins with it: inside a section of CDATA nothing can be cut.
        if depth == 1 and not places:
            places.append(parser.CurrentByteIndex)

    parser.DefaultHandlerExpand = text
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    try:
        # One byte a character: the parser counts in bytes, and no tag of SVG has other letters.
        parser.Parse(picture.encode("ascii", "replace"), True)
    except expat.ExpatError as error:
        raise InputError(f"The picture of stage {t} is not well-formed SVG, {error}; mend what draws it.") from None
    if roots != ["svg"]:
        raise InputError(f"The picture of stage {t} is an element {roots[0]!r}; an svg element is expected.")
    return places
