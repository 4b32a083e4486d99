"""Entries of a problem file, `T:`, `O:` or `R:`: each selects places in a table and gives their numbers.

    T: a : s : s' p        one number             T: a : s           a row: numbers, uniform, reset
    T: a                   a matrix: numbers, uniform, identity, reset

Cassandra's format has no colon before the numbers. MADP's has one, since `R: 0 1 : 2 : * : * 20` could end with an
agent's observation. Published files of both kinds are written in both ways, so a colon is optional. Only an entry with
two meanings follows the format: `0 1` after a colon and on the same line is state 0 and the number 1. On a new line,
where a row of two numbers fits, `0 1` is that row.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from seriatim._errors import InputError
from seriatim.formats._axes import Axis
from seriatim.formats._elements import Selector
from seriatim.formats._lines import quoted
from seriatim.formats._numbers import check_probabilities, number, numbers
from seriatim.formats._source import Section, Source, offset_of_word, words_of

KEYWORDS = ("uniform", "identity", "reset")


class Entry(NamedTuple):
    """The places selected on the first `depth` axes, and the values, which broadcast over the remaining axes."""

    selectors: tuple[Selector, ...]
    depth: int
    values: float | Float[np.ndarray, "..."]
    offset: int


class _Values(NamedTuple):
    """The words after the selectors, and where they stand: in `text`, which begins at `start`, after `skip` words."""

    words: list[str]
    text: str
    start: int
    skip: int


def read_entry(source: Source, section: Section, axes: tuple[Axis, ...], start: Float[np.ndarray, " s"]) -> Entry:
    """Read one entry of a table with these axes; the word `reset` stands for the distribution `start`.

    Raises:
        InputError: a name is unknown, a number is none or no probability, or there are too many or too few.
    """
    fields = section.body.split(":")
    plain = _plain(section, fields, axes)
    if plain is not None:
        return plain
    if len(fields) > len(axes) + 1:
        raise source.mistake(
            section.offset,
            f"'{section.keyword}:' is followed by {len(fields) - 1} more colons; at most {len(axes)} are expected, as "
            f"in {section.keyword}: {' : '.join(axis.kind for axis in axes)} : number.",
        )
    selectors: tuple[Selector, ...] = ()
    at = section.start
    for axis, field in zip(axes, fields[:-1], strict=False):
        selectors += _select(source, section, axis, field, at)
        at += len(field) + 1
    depth, last = len(fields) - 1, fields[-1]
    words = words_of(last)
    width = 0 if depth == len(axes) else _width(words, last, axes, depth)
    if width:
        selectors += _checked(source, section, axes[depth], words[:width], last, at)
        depth += 1
    given = _Values(words[width:], last, at, width)
    return Entry(selectors, depth, _read_values(source, section, given, axes[depth:], start), section.offset)


def _plain(section: Section, fields: list[str], axes: tuple[Axis, ...]) -> Entry | None:
    """Read an entry that is one number after known fields, as most entries of large files are; return None for others.

    This quick way avoids most of the work of `read_entry`, and must read the same.
    """
    depth, words = len(fields) - 1, fields[-1].split()
    selectors: tuple[Selector, ...] = ()
    if depth > len(axes) or len(words) != 1 + len(axes) - depth:
        return None
    for axis, field in zip(axes, fields[:-1], strict=False):
        known = axis.known.get(field)
        if known is None:
            return None
        selectors += known
    if depth < len(axes):
        # The word before the number selects on the last axis. On an axis of two elements both words could be a row.
        last = axes[-1]
        at = last.parts[0].selectors.get(words[0])
        if depth + 1 < len(axes) or not depth or len(last.parts) > 1 or last.size == 2 or at is None:
            return None
        selectors += (at,)
    value = number(words[-1])
    if value is None or not (section.keyword == "R" or 0 <= value <= 1):
        return None
    return Entry(selectors, len(axes), value, section.offset)


def _select(source: Source, section: Section, axis: Axis, field: str, at: int) -> tuple[Selector, ...]:
    found = axis.known.get(field)
    if found is None:
        found = axis.known[field] = _checked(source, section, axis, words_of(field), field, at)
    return found


def _checked(
    source: Source, section: Section, axis: Axis, words: list[str], text: str, at: int
) -> tuple[Selector, ...]:
    found = axis.select(words)
    if found is None and not words:
        raise source.mistake(
            section.offset, f"'{section.keyword}:' has nothing between colons; write the {axis.kind} there."
        )
    if found is None:
        raise source.mistake(at + offset_of_word(text, 0), f"{axis.complaint(words)}.")
    return found


def _width(words: list[str], text: str, axes: tuple[Axis, ...], depth: int) -> int:
    """Return how many words at the beginning of the last field select on axis `depth`; numbers follow them."""
    parts = len(axes[depth].parts)
    on_new_line = text.partition("\n")[0].strip() == ""
    if depth == 0 and parts > 1:
        # A joint action takes the whole first line; its numbers begin on the next one.
        first_line = next((line for line in text.split("\n") if words_of(line)), "")
        return len(words_of(first_line))
    if depth == 0:
        return min(1, len(words))
    if parts > 1 or len(words) <= 1 or axes[depth].select(words[:1]) is None:
        return 0
    # The most frequent case: one element of the last axis and its number. Two words are no row of another size.
    if len(words) == 2 and depth + 1 == len(axes) and axes[depth].size != 2:
        return 1
    # All words may be numbers, or the first may select and the others be numbers. If both readings have the right
    # number of words, the line decides.
    fits = len(words) == _size(axes[depth:]) and _looks_like_a_number(words[0])
    return 0 if fits and (on_new_line or len(words) - 1 != _size(axes[depth + 1 :])) else 1


def _size(axes: tuple[Axis, ...]) -> int:
    return math.prod(axis.size for axis in axes)


def _read_values(
    source: Source, section: Section, given: _Values, rest: tuple[Axis, ...], start: Float[np.ndarray, " s"]
) -> float | Float[np.ndarray, "..."]:
    """Return one number, or an array over the remaining axes."""
    words, size = given.words, _size(rest)
    if len(words) == 1 and words[0].strip('"') in KEYWORDS:
        return _keyword(source, section, words[0].strip('"'), rest, start)
    # A single reward stands for all remaining places. Probabilities must be complete.
    constant = len(words) == 1 and section.keyword == "R"
    if len(words) != size and not constant:
        raise _miscounted(source, section, given, rest)
    # Most entries have one number, for which arrays would be slow.
    if len(words) == 1:
        alone = number(words[0])
        if alone is not None and (section.keyword == "R" or 0 <= alone <= 1):
            return alone
    values = numbers(source, words, given.text, given.start, given.skip)
    if section.keyword != "R":
        check_probabilities(source, values, given.text, given.start, given.skip)
    return float(values[0]) if len(words) == 1 else values.reshape(_shape(rest))


def _shape(axes: tuple[Axis, ...]) -> tuple[int, ...]:
    return tuple(count for axis in axes for count in axis.shape)


def _miscounted(source: Source, section: Section, given: _Values, rest: tuple[Axis, ...]) -> InputError:
    words, size = given.words, _size(rest)
    if words and not _looks_like_a_number(words[0]):
        where = given.start + offset_of_word(given.text, given.skip)
        known = "a number" if section.keyword == "R" or not rest else "numbers, uniform, identity or reset"
        return source.mistake(
            where, f"{quoted(words[0])} stands where {known} should be; write that, after a colon if need be."
        )
    kinds = " x ".join(f"{axis.size} {axis.kind}s" for axis in rest if axis.size > 1)
    expected = f"{size:,} numbers ({kinds})" if kinds else "1 number"
    return source.mistake(section.offset, f"'{section.keyword}:' gives {len(words):,} numbers here; write {expected}.")


def _looks_like_a_number(word: str) -> bool:
    return word[0].isdigit() or word[0] in "+-."


def _keyword(
    source: Source, section: Section, word: str, rest: tuple[Axis, ...], start: Float[np.ndarray, " s"]
) -> float | Float[np.ndarray, "..."]:
    """Return the numbers that `uniform`, `identity` or `reset` stands for."""
    last = rest[-1] if rest else None
    if section.keyword == "R" or last is None:
        raise source.mistake(section.offset, f"{word} cannot stand for a single number or for values; write numbers.")
    if word == "uniform":
        return 1 / last.size
    if word == "reset" and section.keyword == "T":
        return start
    if word == "identity" and len(rest) == 2 and rest[0].size == last.size:
        return np.eye(last.size).reshape(_shape(rest))
    allowed = "reset belongs to T" if word == "reset" else "identity belongs to a square matrix"
    raise source.mistake(section.offset, f"{word} cannot stand here, since {allowed}; write numbers or uniform.")
