"""Spiders and flies on the command line: what can be set, and what is refused."""

import pytest

from seriatim.cli._load import load
from seriatim.cli._options import Problem

SMALL_MAP = "type octile\nheight 3\nwidth 4\nmap\n....\n.@@.\n....\n"
SMALL = ("--set", "spiders=2", "--set", "flies=2")

# Fields set, `{map}` being a small one, and the sentence.
REFUSED = {
    "no spider": (["spiders=0"], r"spiders=0.* whole number from 1 up"),
    "no fly": (["flies=0"], r"flies=0.* whole number from 1 up"),
    "spiders in words": (["spiders=ten"], r"--set spiders=ten: spiders of SpidersAndFlies is a whole number"),
    "half a spider": (["spiders=1.5"], r"spiders of SpidersAndFlies is a whole number"),
    "no room": (["max_spiders=3"], r"max_spiders=3: room for the 15 spiders at the start; .* from 15 up"),
    "no room for flies": (["max_flies=3"], r"max_flies=3: room for the 15 flies at the start and 0 scheduled"),
    "half a place": (["max_spiders=3.5"], r"max_spiders of SpidersAndFlies is a whole number"),
    "unknown field": (["spider=3"], r"no field spider \(did you mean spiders\?\); it has spiders, flies, width"),
    "derived field": (["terrain=3"], r"no field terrain"),
    "no width": (["width=0"], r"width=0.* whole number from 1 up"),
    "more than cells": (["spiders=5", "flies=5", "width=3", "height=3"], r"need 10 cells to start in.*has 9 open"),
    "more than free cells": (["map={map}", "spiders=9", "flies=2"], r"need 11 cells to start in.*has 10 open"),
    "no map": (["map=nowhere.map"], r"nowhere\.map: no such file; give the path of a file with a grid map"),
    "empty map": (["map="], r"path is empty; give that of a file with a grid map"),
    "ragged map": (["map={ragged}"], r"line 7: the row has 3 cells but the header says width 4"),
    "unknown cell": (["map={unknown}"], r"line 6, column 2: unknown cell '\?'"),
    "no free cell": (["map={full}"], r"no free cell"),
    "no starts": (["starts=nowhere.agents"], r"nowhere\.agents: no such file"),
    "start in a wall": (["map={map}", "spiders=1", "flies=1", "starts=(1,1),"], r"starts.*\(1, 1\).*(wall|blocked)"),
    "start in a wall by file": (["map={map}", "spiders=1", "flies=1", "starts={wall}"], r"cell 5 .*is blocked"),
    "start outside": (["spiders=1", "starts=(0,99),"], r"starts: \(0, 99\) is outside the 20 x 20 grid"),
    "too few starts": (["spiders=2", "starts=(0,0),"], r"starts has 1 cells? for 2 spiders"),
    "unknown behaviour": (["fly_behaviour=hide"], r"fly_behaviour of SpidersAndFlies is stay or wander or flee"),
    "unknown cost": (["cost=money"], r"cost of SpidersAndFlies is stages or flies"),
    "no chance": (["arrival_rate=2"], r"arrival_rate=2\.0.*from 0 to 1"),
    "arrival before the start": (["arrival_stages=0"], r"arrival_stages=0.*whole number from 1 up"),
    "blind backwards": (["vision=-1"], r"vision=-1.*from 0 up"),
    "collisions in doubt": (["collisions=maybe"], r"collisions of SpidersAndFlies is true or false"),
    "discount 0": (["discount=0"], r"discount=0\.0: give a number above 0 and at most 1"),
    "discount 1.5": (["discount=1.5"], r"discount=1\.5: give a number above 0 and at most 1"),
    "two discounts": (["discount=0.9,0.8"], r"discount of SpidersAndFlies is a number"),
}


@pytest.fixture
def files(tmp_path):
    contents = {
        "map": SMALL_MAP,
        "ragged": SMALL_MAP.removesuffix(".\n"),
        "unknown": SMALL_MAP.replace(".@@.", ".?@."),
        "full": "type octile\nheight 1\nwidth 1\nmap\n@\n",
        "wall": "1\n5\n",
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    return {name: tmp_path / name for name in contents}


@pytest.mark.parametrize(("fields", "pattern"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_one_sentence(seriatim, files, refused, without_type_checks, fields, pattern):
    settings = [part for field in fields for part in ("--set", field.format(**files))]
    refused(without_type_checks(lambda: seriatim("check", "spiders-and-flies", *settings)), pattern)


def test_a_larger_standard_rollout_names_the_alternative(seriatim, refused, unchecked):
    quick = ("--episodes", "2", "--horizon", "5")
    result = seriatim("compare", "spiders-and-flies", "--policies", "base,standard", *quick)
    refused(result, r"5\*\*15 = 30,517,578,125 joint controls.*one-at-a-time would compare 75")


def test_fields_of_every_kind_can_be_set(seriatim, files):
    fields = {
        "map": files["map"],
        "starts": "(0,0),(2,3)",
        "fly_behaviour": "wander",
        "arrival_stages": "1,2",
        "vision": "none",
        "collisions": "no",
        "discount": "0.9",
    }
    settings = ("spiders=2", "flies=2", *(f"{key}={value}" for key, value in fields.items()))
    loaded = load(Problem("spiders-and-flies", settings, base=None, seed=0, form="json"))
    assert loaded.fields == {
        "spiders": 2,
        "flies": 2,
        "map": str(files["map"]),
        "starts": ((0, 0), (2, 3)),
        "fly_behaviour": "wander",
        "arrival_stages": (1, 2),
        "vision": None,
        "collisions": False,
        "discount": 0.9,
    }
    assert loaded.model.start_cells.tolist() == [[0, 0], [2, 3]]
    assert (loaded.model.height, loaded.model.width) == (3, 4)


def test_the_game_is_watched_as_text_and_saved_as_a_page(seriatim, files, tmp_path, unchecked):
    page = tmp_path / "episode.html"
    arguments = (*SMALL, "--set", f"map={files['map']}", "--policy", "base", "--watch", "--save", page)
    result = seriatim("run", "spiders-and-flies", *arguments)
    assert result.status == 0
    lines = result.out.splitlines()
    assert lines[0] == "stage 0   cost so far 0"
    assert [len(line) for line in lines[1:4]] == [4, 4, 4]
    assert lines[2][1:3] == "██"
    assert "<svg" in page.read_text()
