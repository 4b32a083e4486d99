"""Axes of the tables of a problem file, and the selection that a field between colons makes on them.

A joint axis has one part for each agent, and a table one dimension for each part. So `listen *` is the index `[0, :]`:
wildcards are slices, and all numbers that are selected can be written in one step.

    T[a_1, ..., a_m, s, s'],   O[a_1, ..., a_m, s', o_1, ..., o_m],   R[a_1, ..., a_m, s, s', o_1, ..., o_m]
"""

import math
from typing import NamedTuple

import numpy as np

from seriatim.formats._elements import ALL, Elements, Selector
from seriatim.formats._lines import quoted


class Axis(NamedTuple):
    """The axis of states, of joint actions or of joint observations.

    Attributes:
        kind: for messages.
        parts: the elements of each agent; of states, one part.
        shape: how many elements each part has.
        size: how many joint elements there are.
        known: the selections of fields that were read before, since files repeat the same fields many times.
    """

    kind: str
    parts: tuple[Elements, ...]
    shape: tuple[int, ...]
    size: int
    known: dict[str, tuple[Selector, ...]]

    def select(self, words: list[str]) -> tuple[Selector, ...] | None:
        """Return the selection of words: one for each agent, a joint number, or `*`; None if they are no elements."""
        if len(words) == len(self.parts) == 1:
            alone = self.parts[0].selectors.get(words[0])
            return None if alone is None else (alone,)
        if len(words) == len(self.parts):
            found = [part.select(word) for part, word in zip(self.parts, words, strict=True)]
            return tuple(one for one in found if one is not None) if None not in found else None
        if len(words) != 1:
            return None
        if words[0].strip('"') == "*":
            return (ALL,) * len(self.parts)
        # A joint number counts the combinations of the agents' elements, the last agent's running fastest.
        if words[0].isascii() and words[0].isdigit() and len(words[0]) < 10 and int(words[0]) < self.size:
            return tuple(int(digit) for digit in np.unravel_index(int(words[0]), self.shape))
        return None

    def complaint(self, words: list[str]) -> str:
        """Return the message for words that select nothing."""
        m = len(self.parts)
        if len(words) not in (1, m):
            return f"{len(words)} words name a {self.kind}; write one for each of {m} agents, a joint number, or *"
        if len(words) == m:
            for part, word in zip(self.parts, words, strict=True):
                if part.select(word) is None:
                    return f"{quoted(word)} is no {part.kind}; write one of {part.expected()}"
        return f"{quoted(words[0])} is no {self.kind}; write a number up to {self.size - 1}, one for each agent, or *"


def make_axis(parts: tuple[Elements, ...]) -> Axis:
    """Make an axis of one part, or a joint axis of several."""
    kind, shape = parts[0].kind, tuple(part.size for part in parts)
    return Axis(kind if len(parts) == 1 else f"joint {kind}", parts, shape, math.prod(shape), {})
