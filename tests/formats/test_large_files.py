"""Files that are none, and files that are large: refused in a sentence, or read in time and memory of their size."""

import os
import re
import resource
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from seriatim._errors import InputError
from seriatim._files import read_bytes
from seriatim.formats import GridMap, TeamTables, load, load_agents, load_map
from seriatim.formats import _lines as of_lines
from seriatim.formats import _team_pomdp as of_team
from seriatim.formats._source import read_source, sections
from seriatim.formats._team_pomdp import blind_costs

HEAD = "discount: 0.9\nvalues: reward\nstates: 3\nactions: 1\nobservations: 3\n"
READERS = {
    "map": load_map,
    "agents": lambda path: load_agents(path, GridMap(np.ones((2, 2), bool))),
    "pomdp": load,
    "dpomdp": load,
}


def on_time(function, seconds=30):
    """Say how many seconds of the processor a function takes."""
    start = time.process_time()
    function()
    assert time.process_time() - start < seconds


@pytest.mark.parametrize("suffix", READERS)
def test_what_is_no_file_is_refused(tmp_path, suffix):
    pipe, device = tmp_path / f"pipe.{suffix}", tmp_path / f"zero.{suffix}"
    os.mkfifo(pipe)
    device.symlink_to("/dev/zero")
    for path, kind in ((pipe, "a named pipe"), (device, "a device"), (tmp_path / f"x.{suffix}", None)):
        reason = "no such file" if kind is None else rf"cannot be read \(it is {kind}, not a regular file\)"
        with pytest.raises(InputError, match=rf"^{re.escape(str(path))}: {reason}; give the path of a file with"):
            READERS[suffix](path)


@pytest.mark.parametrize(("suffix", "megabytes"), [("map", 128), ("agents", 16), ("pomdp", 128)])
def test_a_file_beyond_the_stated_size_is_not_looked_at(tmp_path, suffix, megabytes):
    path = tmp_path / f"large.{suffix}"
    path.touch()
    os.truncate(path, megabytes * 2**20 + 1)
    with pytest.raises(InputError, match=rf"it has more than {megabytes} MB, the most that is read of such a file"):
        READERS[suffix](path)


def test_room_is_asked_for_what_a_file_has_not_for_the_most_it_may_have(tmp_path):
    path = tmp_path / "small"
    path.write_bytes(b"x" * 3_000_000)
    tracemalloc.start()
    try:
        assert len(read_bytes(path, "", limit=2**40)) == 3_000_000
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


def test_what_the_system_does_not_know_the_size_of_is_read_up_to_the_limit():
    """Files of /proc are of size 0, and have something in them."""
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("there is no /proc here")
    assert b"VmPeak" in read_bytes(status, "")
    with pytest.raises(InputError, match="the most that is read of such a file"):
        read_bytes(status, "", limit=100)


def test_blank_lines_cost_what_they_weigh(tmp_path):
    path, count = tmp_path / "blank.pomdp", 1_000_000
    path.write_text(HEAD + "\n" * count + "T: 0 identity\nO: 0 identity\nR: 0 : * : * : x 1\n")
    tracemalloc.start()
    try:
        read_bytes(path, "", limit=of_lines.LARGEST_TABLE)
        _, to_read_it = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        with pytest.raises(InputError, match=rf"line {count + 8}: 'x' stands where a number should be"):
            load(path)
        assert tracemalloc.get_traced_memory()[1] - to_read_it < 6 * count
    finally:
        tracemalloc.stop()


def test_every_section_is_kept_as_three_numbers(tmp_path):
    path, count = tmp_path / "many.pomdp", 50_000
    path.write_text(HEAD + "R: 0 : 1 : 2 : * 1\n" * count)
    source = read_source(path, "a problem")
    tracemalloc.start()
    try:
        found = sections(source)
        assert tracemalloc.get_traced_memory()[1] < 30 * count
    finally:
        tracemalloc.stop()
    last = list(found.of("R"))[-1]
    assert (last.body, source.line(last.offset)) == (" 0 : 1 : 2 : * 1", count + 5)
    assert [section.keyword for section in found.of("states", "discount")] == ["discount", "states"]


def test_lines_are_counted_across_pieces_of_the_text(tmp_path):
    path = tmp_path / "pieces.pomdp"
    rng = np.random.default_rng(0)
    text = HEAD + "".join(rng.choice(["T: 0\n", "\n", "# left out\n", "R:\n\n"], 3000))
    path.write_text(text)
    source = read_source(path, "a problem")
    for offset in [0, 4095, 4096, 4097, 8192, *rng.integers(0, len(source.text), 50).tolist(), len(source.text)]:
        assert source.line(offset) == source.text.count("\n", 0, offset) + 1


def test_matrices_that_words_stand_for_are_not_all_kept(tmp_path):
    path = tmp_path / "identities.pomdp"
    path.write_text(HEAD.replace("states: 3", "states: 600") + "T: 0 identity\n" * 300 + "O: 0 uniform\nR: 0:*:*:* 1\n")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    load(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # of 860,000 kB, were they kept


def test_entries_read_quickly_are_read_rightly(tmp_path):
    """The same numbers by entries of one number, which have a way of their own, and by rows and matrices."""
    rng = np.random.default_rng(3)
    moves, seen, costs = rng.dirichlet(np.ones(3), 3), rng.dirichlet(np.ones(3), 3), rng.normal(size=(3, 3))
    one_by_one, by_rows = tmp_path / "ones.pomdp", tmp_path / "rows.pomdp"
    alone = [
        f"{word}: 0 : {x} : {y}{colon} {float(table[x, y])!r}"
        for word, table, colon in (("T", moves, ""), ("O", seen, " :"))
        for x in range(3)
        for y in range(3)
    ]
    alone += [f"R: 0 : {x} : {y} : * {float(costs[x, y])!r}" for x in range(3) for y in range(3)]
    one_by_one.write_text(HEAD + "\n".join([*alone, *alone]))
    rows = [f"T: 0\n{_matrix(moves)}", f"O: 0\n{_matrix(seen)}"]
    rows += [f"R: 0 : {x}\n" + "\n".join(" ".join([repr(float(one))] * 3) for one in costs[x]) for x in range(3)]
    by_rows.write_text(HEAD + "\n".join(rows))
    assert np.allclose(load(one_by_one).tables.cost, load(by_rows).tables.cost, rtol=0, atol=1e-15)
    assert (load(one_by_one).tables.transition == load(by_rows).tables.transition).all()
    assert (load(one_by_one).tables.observation == load(by_rows).tables.observation).all()


def _matrix(table):
    return "\n".join(" ".join(repr(float(one)) for one in row) for row in table)


def test_a_mistake_after_many_good_entries_is_still_found(tmp_path):
    path = tmp_path / "late.pomdp"
    good = "T: 0 : 1 : 2 1\n" * 3
    for wrong, said in (("T: 0 : 1 : 2 1.5", "1.5 is no prob"), ("T: 0 : 1 : 7 : 1", "'7'"), ("T: 0 : 1 : 2 x", "'x'")):
        path.write_text(HEAD + good + wrong)
        with pytest.raises(InputError, match=f"line 9: {re.escape(said)}"):
            load(path)


def test_a_map_is_read_with_blanks_at_the_ends_of_its_lines(tmp_path):
    path = tmp_path / "blanks.map"
    path.write_bytes(b"type octile \r\nheight 2\t\nwidth 3  \nmap \n..@ \t\n.T.  \n \n\n")
    assert load_map(path).passable.tolist() == [[True, True, False], [True, False, True]]


def test_a_long_header_is_read_in_one_go(tmp_path):
    path = tmp_path / "header.map"
    path.write_text("type octile\n" * 300_000 + "height 1\nwidth 1\nmap\n.")
    on_time(lambda: load_map(path), 5)
    path.write_text("type octile\nheight 1\nwidth 1\nmap")
    with pytest.raises(InputError, match="the map has 0 rows but its header says height 1"):
        load_map(path)


def test_numbers_that_are_none_are_no_distribution():
    one = np.ones((1, 1, 1))
    for wrong in (np.full((1, 1, 1), np.nan), -one):
        with pytest.raises(InputError, match="transition"):
            TeamTables(wrong, one, one, np.ones(1), ("x",), (("a",),), (("o",),))
        with pytest.raises(InputError, match="cost"):
            TeamTables(one, one, wrong * np.inf, np.ones(1), ("x",), (("a",),), (("o",),))


def test_large_tables_are_multiplied_without_their_zeros(monkeypatch):
    rng = np.random.default_rng(0)
    a, s = 5, 40
    transition = np.zeros((a, s, s))
    np.put_along_axis(transition, rng.integers(0, s, (a, s, 2)), 0.5, axis=2)
    transition /= transition.sum(axis=2, keepdims=True)
    names = (tuple(map(str, range(s))), (tuple(map(str, range(a))),), (("0",),))
    tables = TeamTables(transition, np.ones((a, s, 1)), rng.random((a, s, s)), np.full(s, 1 / s), *names)
    with_zeros = blind_costs(tables, 0.9)
    monkeypatch.setattr(of_team, "MANY", 0)
    monkeypatch.setattr(np, "matmul", None)  # not the way with zeros
    np.testing.assert_allclose(blind_costs(tables, 0.9), with_zeros, rtol=1e-12)
