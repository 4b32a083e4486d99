"""Numbers as people read them."""

import math
from collections.abc import Sequence

# More decimals than this are noise of the arithmetic.
MOST_DECIMALS = 6


def with_errors(means: Sequence[float], errors: Sequence[float], *, signed: bool = False) -> list[str]:
    """Write means and standard errors with one number of decimals, two significant digits of the smallest error.

    >>> with_errors([14.2371, 9.05], [0.3112, 0.1234])
    ['14.24 ± 0.31', ' 9.05 ± 0.12']
    """
    known = [error for error in errors if math.isfinite(error) and error > 0]
    decimals = _decimals(min(known)) if known else 2
    heads = [f"{mean:{'+' if signed else ''}.{decimals}f}" for mean in means]
    tails = [f"{error:.{decimals}f}" if math.isfinite(error) else "?" for error in errors]
    return [f"{head:>{_longest(heads)}} ± {tail:>{_longest(tails)}}" for head, tail in zip(heads, tails, strict=True)]


def share(part: float) -> str:
    """Write a share in per cent; what is neither none nor all is never written as if it were.

    >>> [share(part) for part in (0.0, 0.001, 0.5, 0.999, 1.0)]
    ['0 %', '<1 %', '50 %', '>99 %', '100 %']
    """
    if 0 < part < 0.01:
        return "<1 %"
    return ">99 %" if 0.99 < part < 1 else f"{100 * part:.0f} %"


def milliseconds(value: float) -> str:
    """Write a time with two significant digits, at least.

    >>> [milliseconds(value) for value in (0.0123, 0.07, 1.26, 340.2)]
    ['0.012', '0.070', '1.3', '340']
    """
    return f"{value:.{_decimals(value)}f}"


def plural(count: int, noun: str, several: str | None = None) -> str:
    """Write `1 stage`, `2 stages`; give the plural where it takes more than an s."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {several or noun + 's'}"


def _decimals(value: float) -> int:
    """Return how many decimals show two significant digits."""
    return min(max(1 - math.floor(math.log10(value)), 0), MOST_DECIMALS) if value > 0 else MOST_DECIMALS


def _longest(texts: Sequence[str]) -> int:
    return max(map(len, texts))
