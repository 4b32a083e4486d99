"""Reading a file stops when the time is over, and says how far it got."""

import math
import re
import types

import pytest
from test_pomdpx import SAME as TIGER_POMDP
from test_pomdpx import TIGER

from seriatim._errors import InputError
from seriatim.formats import _lines, _load, _source, load


class Clock:
    """Says that so many looks at it are in time, and none that follows."""

    def __init__(self, looks):
        self.left = looks

    def __call__(self):
        self.left -= 1
        return 0.0 if self.left >= 0 else math.inf


@pytest.fixture
def files(tmp_path):
    """The tiger in two formats."""
    for name, text in (("tiger.pomdp", TIGER_POMDP), ("tiger.pomdpx", TIGER)):
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("name", ["tiger.pomdp", "tiger.pomdpx"])
def test_it_stops_wherever_it_is(files, name, monkeypatch):
    last = len((files / name).read_text().rstrip().split("\n"))
    lines = set()
    for looks in range(1, 1000):
        clock = types.SimpleNamespace(monotonic=Clock(looks))
        for part in (_lines, _load, _source):
            monkeypatch.setattr(part, "time", clock)
        try:
            load(files / name, max_seconds=1)
        except InputError as error:
            found = re.fullmatch(
                rf".*{name}, line (\d+) of {last}: the time was over when this was read; give more seconds "
                r"\(--max-seconds on the command line, max_seconds in Python\)\.",
                str(error),
            )
            lines.add(int(found[1]))
        else:
            break
    assert 20 < looks < 1000
    assert min(lines) <= 3
    assert max(lines) > last - 4


@pytest.mark.parametrize("name", ["tiger.pomdp", "tiger.pomdpx"])
def test_with_time_enough_the_problem_is_the_same(files, name):
    assert load(files / name, max_seconds=1000).tables == load(files / name).tables
