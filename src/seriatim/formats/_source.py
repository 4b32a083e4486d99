"""The text of a problem file, cut at its keywords, with the line of everything.

Both formats are sections: a keyword, a colon, and what follows up to the next keyword.

    states: left right            one word after the other
    T: listen : left : left 1.0   fields parted by colons
    # a comment, to the end of the line

A word may stand in quotes, which keeps a name from being read as a keyword. Cutting at keywords first, and leaving the
words of a section to `str.split`, makes a large file quick to read: nothing runs once a character.
"""

import bisect
import re
from pathlib import Path
from typing import NamedTuple

from seriatim._errors import InputError
from seriatim.formats._lines import read_lines

PREAMBLE = ("agents", "discount", "values", "states", "actions", "observations", "start")
ENTRIES = ("T", "O", "R")
# Words that mean something wherever they stand.
RESERVED = {*PREAMBLE, *ENTRIES, "include", "exclude", "reward", "cost", "uniform", "identity", "reset", "*"}

_COMMENT = re.compile(r"#[^\n]*")
_KEYWORD = re.compile(
    r"(?<![^\s:,])(start[^\S\n]+(?:include|exclude)|agents|discount|values|states|actions|observations|start|T|O|R)\s*:"
)
_WORD = re.compile(r"[^\s:,]+")


class Source(NamedTuple):
    """A file without its comments: its name, its text, and where its lines end."""

    path: str
    text: str
    ends: list[int]

    def line(self, offset: int) -> int:
        """Return the number of the line, from 1, that holds the character at `offset`."""
        return bisect.bisect_left(self.ends, offset) + 1

    def mistake(self, offset: int, sentence: str) -> InputError:
        """Return the error to raise for what stands at `offset`."""
        return InputError(f"{self.path}, line {self.line(offset)}: {sentence}")


class Section(NamedTuple):
    """What stands after one keyword; `offset` is where the keyword begins, `start` where `body` does."""

    keyword: str
    body: str
    offset: int
    start: int


def read_source(path: str | Path, what: str) -> Source:
    """Read a file and take its comments out.

    Raises:
        InputError: the file is missing, not text, or empty.
    """
    lines = read_lines(path, what)
    text = _COMMENT.sub("", "\n".join(lines))
    return Source(str(path), text, [match.start() for match in re.finditer("\n", text)])


def sections(source: Source) -> list[Section]:
    """Cut the text at its keywords.

    Raises:
        InputError: something stands before the first.
    """
    found = list(_KEYWORD.finditer(source.text))
    first = _WORD.search(source.text, 0, found[0].start() if found else len(source.text))
    if first or not found:
        seen = repr(first.group()[:40]) if first else "nothing but comments"
        known = ", ".join(f"'{word}:'" for word in PREAMBLE)
        raise source.mistake(
            first.start() if first else 0,
            f"{seen} is where the file should begin; write a keyword first, one of {known}.",
        )
    ends = [match.start() for match in found[1:]] + [len(source.text)]
    return [
        Section(" ".join(match.group(1).split()), source.text[match.end() : end], match.start(), match.end())
        for match, end in zip(found, ends, strict=True)
    ]


def words_of(text: str) -> list[str]:
    """Part words at spaces and commas."""
    return text.replace(",", " ").split()


def offset_of_word(text: str, number: int) -> int:
    """Return where word `number` of `text` begins; the end of the text if it has fewer."""
    for place, match in enumerate(re.finditer(r"[^\s,]+", text)):
        if place == number:
            return match.start()
    return len(text.rstrip())
