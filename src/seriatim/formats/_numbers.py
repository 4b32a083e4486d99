"""Numbers of a problem file, in the notations that C programs read; many are read at once."""

import numpy as np
from jaxtyping import Float

from seriatim.formats._lines import quoted
from seriatim.formats._source import Source, offset_of_word

# Probabilities in files are rounded, most to four digits or more: in a known file three thirds sum to 0.999999.
ROUNDING = 1e-4
# Models compute in single precision, which ends near 3e38. The limit leaves room for sums of costs.
LARGEST = 1e30


def number(word: str) -> float | None:
    """Read `1`, `-1.5`, `+.5`, `1.`, `1e-3`; return None for any other text, or a number beyond 1e30."""
    if "_" in word or not word.isascii():  # Python also reads 1_000 and digits of other scripts
        return None
    try:
        value = float(word)
    except ValueError:
        return None
    return value if abs(value) <= LARGEST else None


def numbers(source: Source, words: list[str], text: str, start: int, skip: int = 0) -> Float[np.ndarray, " n"]:
    """Read all words as numbers; they stand in `text`, which begins at `start`, after `skip` other words.

    Raises:
        InputError: a word is no number; the sentence gives its line.
    """
    joined = " ".join(words)
    try:
        if "_" in joined or not joined.isascii():
            raise ValueError
        values = np.fromiter(map(float, words), np.float64, len(words))
        fine = bool((abs(values) <= LARGEST).all())
    except ValueError:
        fine = False
    if not fine:
        place = next(i for i, word in enumerate(words) if number(word) is None)
        where = start + offset_of_word(text, skip + place)
        raise source.mistake(
            where, f"{quoted(words[place])} is no number up to {LARGEST:g}; write one, as in 0.5, -10 or 1e-3."
        )
    return values


def check_probabilities(source: Source, values: Float[np.ndarray, " n"], text: str, start: int, skip: int = 0) -> None:
    """Refuse numbers that are no probabilities.

    Raises:
        InputError: a number is below 0 or above 1.
    """
    wrong = np.flatnonzero((values < 0) | (values > 1 + ROUNDING))
    if wrong.size:
        where = start + offset_of_word(text, skip + int(wrong[0]))
        raise source.mistake(where, f"{values[wrong[0]]:g} is no probability; write a number from 0 to 1.")
