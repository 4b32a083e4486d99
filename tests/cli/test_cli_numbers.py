"""Numbers in tables: as many digits as the errors allow, and never a share rounded to what it is not."""

import doctest
import math

import pytest
from hypothesis import given
from hypothesis import strategies as some

from seriatim.cli import _output
from seriatim.cli._output import milliseconds, plural, share, with_errors


def test_the_examples_hold():
    failed, tried = doctest.testmod(_output)
    assert failed == 0
    assert tried > 0


@pytest.mark.parametrize(
    ("means", "errors", "written"),
    [
        ([14.2371, 9.05], [0.3112, 0.1234], ["14.24 ± 0.31", " 9.05 ± 0.12"]),
        ([1234.5], [56.7], ["1234 ± 57"]),
        ([3.0], [0.0], ["3.00 ± 0.00"]),
        ([3.0], [math.nan], ["3.00 ± ?"]),
        ([math.inf, 1.0], [math.nan, 0.25], [" inf ±    ?", "1.00 ± 0.25"]),
        ([1.0], [1e-12], ["1.000000 ± 0.000000"]),
    ],
)
def test_errors_decide_the_digits(means, errors, written):
    assert with_errors(means, errors) == written


def test_differences_have_their_sign():
    assert with_errors([-1.9, 0.25], [0.31, 0.1], signed=True) == ["-1.90 ± 0.31", "+0.25 ± 0.10"]


FINITE = some.floats(-1e9, 1e9)
ERRORS = some.floats(0, 1e6) | some.just(math.nan)


@given(some.lists(some.tuples(FINITE, ERRORS), min_size=1, max_size=5))
def test_columns_are_of_one_width_and_means_are_near(pairs):
    written = with_errors(*zip(*pairs, strict=True))
    assert len({len(text) for text in written}) == 1
    smallest = min((error for _, error in pairs if error > 0), default=math.inf)
    for (mean, _), text in zip(pairs, written, strict=True):
        shown = float(text.split("±")[0])
        assert abs(shown - mean) <= max(smallest / 10, 0.6e-6, 0 if smallest < math.inf else 0.006)


@given(some.floats(0, 1))
def test_only_none_is_0_and_only_all_is_100(part):
    assert (share(part) == "0 %") == (part == 0)
    assert (share(part) == "100 %") == (part == 1)


@given(some.floats(1e-4, 1e5))
def test_times_keep_two_digits(value):
    assert float(milliseconds(value)) == pytest.approx(value, rel=0.051)
    assert "e" not in milliseconds(value)


def test_one_is_no_plural():
    assert [plural(count, "stage") for count in (0, 1, 2000)] == ["0 stages", "1 stage", "2,000 stages"]
