"""The text of a problem file, cut at its keywords, and the line number of every place in it.

Files of both formats are sections: a keyword, a colon, and the text up to the next keyword.

    states: left right            one word after the other
    T: listen : left : left 1.0   fields parted by colons
    # a comment, to the end of the line

A word may stand in quotes, which keeps a name from being read as a keyword. The text is cut at keywords first, and the
words of a section are left to `str.split`. This makes large files quick to read: no Python code runs for each
character. A file has millions of sections, so only three numbers are kept of each, and its words only while they are
read.
"""

import math
import re
import time
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from seriatim._errors import InputError
from seriatim.formats._lines import read_text, require_time

PREAMBLE = ("agents", "discount", "values", "states", "actions", "observations", "start")
ENTRIES = ("T", "O", "R")
# Words that have a meaning of the format wherever they stand.
RESERVED = {*PREAMBLE, *ENTRIES, "include", "exclude", "reward", "cost", "uniform", "identity", "reset", "*"}

_COMMENT = re.compile(r"#[^\n]*")
_KEYWORD = re.compile(
    r"(?<![^\s:,])(start[^\S\n]+(?:include|exclude)|agents|discount|values|states|actions|observations|start|T|O|R)\s*:"
)
_WORD = re.compile(r"[^\s:,]+")
_KINDS = (*PREAMBLE, "start include", "start exclude", *ENTRIES)
_NUMBER_OF_KIND = {keyword: number for number, keyword in enumerate(_KINDS)}
# Characters in a piece of the text. At most so many are searched to find a line number.
_PIECE = 4096


class Source(NamedTuple):
    """A file without its comments: its name, its text, and how many lines end before each piece of the text.

    Reading stops at the time `latest` on the monotonic clock.
    """

    path: str
    text: str
    ended: Int[np.ndarray, " pieces"]
    latest: float = math.inf

    def line(self, offset: int) -> int:
        """Return the number of the line, from 1, that holds the character at `offset`."""
        piece = offset // _PIECE
        return int(self.ended[piece]) + self.text.count("\n", piece * _PIECE, offset) + 1

    def mistake(self, offset: int, sentence: str) -> InputError:
        """Return the error to raise for a mistake at `offset`."""
        return InputError(f"{self.path}, line {self.line(offset)}: {sentence}")

    def require_time(self, offset: int) -> None:
        """Refuse to read on from `offset` if the time is over."""
        if time.monotonic() > self.latest:
            require_time(self.path, self.latest, self.line(offset), self.line(len(self.text)))


class Section(NamedTuple):
    """The text after one keyword; `offset` is where the keyword begins, `start` where `body` does."""

    keyword: str
    body: str
    offset: int
    start: int


class Sections(NamedTuple):
    """All sections of a text: the kind of each, and where its keyword and its body begin."""

    text: str
    kinds: bytearray
    offsets: "array[int]"
    starts: "array[int]"

    def of(self, *keywords: str) -> Iterator[Section]:
        """List the sections with these keywords, in the order of the file; "start" stands for its three forms."""
        wanted = [number for number, kind in enumerate(_KINDS) if kind in keywords or kind.split()[0] in keywords]
        for i in np.flatnonzero(np.isin(np.frombuffer(self.kinds, np.uint8), wanted)).tolist():
            end = self.offsets[i + 1] if i + 1 < len(self.offsets) else len(self.text)
            start = self.starts[i]
            yield Section(_KINDS[self.kinds[i]], self.text[start:end], self.offsets[i], start)


def read_source(path: str | Path, what: str, latest: float = math.inf) -> Source:
    """Read a file and remove its comments; all further reading must be done at the time `latest`.

    Raises:
        InputError: the file is missing, not text, or empty.
    """
    text = _COMMENT.sub("", read_text(path, what))
    ends = [0, *(text.count("\n", start, start + _PIECE) for start in range(0, len(text), _PIECE))]
    return Source(str(path), text, np.cumsum(ends), latest)


def sections(source: Source) -> Sections:
    """Cut the text at its keywords.

    Raises:
        InputError: something stands before the first, or the time is over.
    """
    found = Sections(source.text, bytearray(), array("q"), array("q"))
    for match in _KEYWORD.finditer(source.text):
        source.require_time(match.start())
        keyword = match.group(1)
        number = _NUMBER_OF_KIND.get(keyword)
        found.kinds.append(_NUMBER_OF_KIND[" ".join(keyword.split())] if number is None else number)
        found.offsets.append(match.start())
        found.starts.append(match.end())
    _check_beginning(source, found)
    return found


def _check_beginning(source: Source, found: Sections) -> None:
    """Refuse a word before the first keyword, and a file without any."""
    first = _WORD.search(source.text, 0, found.offsets[0] if found.offsets else len(source.text))
    if first or not found.offsets:
        seen = repr(first.group()[:40]) if first else "nothing but comments"
        known = ", ".join(f"'{word}:'" for word in PREAMBLE)
        raise source.mistake(
            first.start() if first else 0,
            f"{seen} is where the file should begin; write a keyword first, one of {known}.",
        )


def words_of(text: str) -> list[str]:
    """Split a text into words at spaces and commas."""
    return text.replace(",", " ").split()


def offset_of_word(text: str, number: int) -> int:
    """Return where word `number` of `text` begins; the end of the text if it has fewer."""
    for place, match in enumerate(re.finditer(r"[^\s,]+", text)):
        if place == number:
            return match.start()
    return len(text.rstrip())
