"""States, controls and observations of a problem file, declared by number or names; words select them, `*` all."""

from typing import NamedTuple

from seriatim.formats._lines import quoted, whole_number
from seriatim.formats._source import RESERVED, Section, Source, offset_of_word, words_of

# The most elements of one kind, far more than a table of transition probabilities can hold.
MAX_ELEMENTS = 100_000
# The product of all sizes is checked only after all are read. More agents than this have no table that fits anyway.
MAX_AGENTS = 16

ALL = slice(None)
Selector = int | slice


class Elements(NamedTuple):
    """The elements of one kind, and the index that each word for one of them selects."""

    kind: str
    names: tuple[str, ...]
    selectors: dict[str, Selector]

    @property
    def size(self) -> int:
        """The number of elements."""
        return len(self.names)

    def select(self, word: str) -> Selector | None:
        """Return the index that a word selects, all indices for `*`, or None for an unknown word."""
        return self.selectors.get(word)

    def expected(self) -> str:
        """Return the words that are allowed, for messages."""
        shown = ", ".join(self.names[:6]) + (", ..." if self.size > 6 else "")
        by_number = "" if self.names[0] == "0" else f", a number up to {self.size - 1}"
        return f"{shown}{by_number} or *"


def make_elements(kind: str, names: tuple[str, ...]) -> Elements:
    """Number the elements; a name that looks like a number means the element of that name."""
    numbered: dict[str, Selector] = {str(i): i for i in range(len(names))}
    named: dict[str, Selector] = {name: i for i, name in enumerate(names)}
    bare = numbered | named
    in_quotes = {f'"{word}"': index for word, index in bare.items()}
    # Names and numbers may stand in quotes. The star is never a name, so that it selects all elements in quotes too.
    return Elements(kind, names, {**bare, **in_quotes, "*": ALL, '"*"': ALL})


def declared(source: Source, section: Section, kind: str, text: str, start: int) -> Elements:
    """Read a declaration, `3` or `left middle right`, that begins at `start` of the file.

    Raises:
        InputError: there is none, the number is out of range, a name is given twice or is a word of the format.
    """
    words = words_of(text)
    if not words:
        raise source.mistake(section.offset, f"{kind}s are missing; write how many there are, or their names.")
    if len(words) == 1 and (words[0].isdigit() or words[0][0] in "+-."):
        return make_elements(kind, tuple(map(str, range(_count(source, kind, words[0], start)))))
    if len(words) > MAX_ELEMENTS:
        raise source.mistake(start, f"{len(words):,} {kind}s are named; at most {MAX_ELEMENTS:,} can be read.")
    names: dict[str, int] = {}
    for place, word in enumerate(words):
        name = _name(word)
        if name is None or name in names:
            where = start + offset_of_word(text, place)
            raise source.mistake(where, f"{quoted(word)} is no new name of a {kind}; {_reason(word, name in names)}.")
        names[name] = place
    return make_elements(kind, tuple(names))


def _count(source: Source, kind: str, word: str, start: int) -> int:
    count = whole_number(word)
    if not count or count > MAX_ELEMENTS:
        raise source.mistake(
            start, f"{quoted(word)} {kind}s; write a whole number from 1 to {MAX_ELEMENTS:,}, or names."
        )
    return count


def _name(word: str) -> str | None:
    """Return the name that a word declares, or None if the word cannot be a name."""
    if is_plain(word):
        return word
    bare = word[1:-1]
    return bare if len(word) > 2 and word[0] == word[-1] == '"' and is_name(bare) else None


def is_name(text: str) -> bool:
    """Say whether a name can be written in a file, at least in quotes."""
    return bool(text) and text != "*" and not any(letter.isspace() or letter in '":#,' for letter in text)


def is_plain(text: str) -> bool:
    """Say whether a name can be written without quotes: it begins with a letter and is no word of the format."""
    return is_name(text) and (text[0].isalpha() or text[0] == "_") and text not in RESERVED


def _reason(word: str, twice: bool) -> str:
    if twice:
        return "it is given twice, so rename one"
    if word.strip('"') in RESERVED:
        return f'it is a word of the format, so write it in quotes, "{word}", or rename it'
    return 'names begin with a letter and hold no colon, comma, space or #; others stand in quotes, as in "2nd"'
