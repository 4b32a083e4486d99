"""Folders are public; names of before say where they are; the list of names can be read in one sitting."""

import subprocess
import sys
import types

import pytest

import seriatim as st
from seriatim._moved import MOVED, moved_names

FOLDERS = [name for name in st.__all__ if isinstance(getattr(st, name), types.ModuleType)]

# An order in which no folder imports one after it, so that each is asked for before anything has imported it.
IN_ORDER = (
    *("controls", "lanes", "distributions", "parallel", "formats", "simulation", "rendering", "testing", "gradients"),
    *("exact", "evaluation", "planning", "beliefs", "networks", "problems", "training"),
)
EACH_AT_FIRST_USE = """
import sys, types
import seriatim as st
for folder in sys.argv[1:]:
    assert f"seriatim.{folder}" not in sys.modules, f"{folder} was imported by one before it"
    module = getattr(st, folder)
    assert isinstance(module, types.ModuleType), folder
    assert all(hasattr(module, name) for name in module.__all__), folder
"""


def test_every_folder_is_there_at_its_first_use():
    assert set(IN_ORDER) == set(FOLDERS)
    done = subprocess.run([sys.executable, "-c", EACH_AT_FIRST_USE, *IN_ORDER], stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_folders_have_no_public_name_that_is_not_listed():
    for folder in FOLDERS:
        module = getattr(st, folder)
        own = {
            name
            for name, value in vars(module).items()
            if not name.startswith("_") and getattr(value, "__module__", "").startswith(f"seriatim.{folder}")
        }
        assert own - set(module.__all__) <= UNLISTED.get(folder, set()), folder


# Functions of `controls` that other parts of the library use.
UNLISTED = {"controls": {"count_in_words", "num_joint_controls", "radix_number"}}


def test_public_names_can_be_read_in_one_sitting():
    own = [name for name in st.__all__ if name not in FOLDERS]
    listed = {id(getattr(st, name)) for name in own}
    listed |= {id(getattr(getattr(st, folder), name)) for folder in FOLDERS for name in getattr(st, folder).__all__}
    assert len(listed) <= 172


def test_no_name_means_two_things():
    """A name in two folders, or in a folder and at the top, is one object."""
    meanings = {name: {id(getattr(st, name))} for name in st.__all__ if name not in FOLDERS}
    for folder in FOLDERS:
        for name in getattr(st, folder).__all__:
            meanings.setdefault(name, set()).add(id(getattr(getattr(st, folder), name)))
    assert [name for name, objects in meanings.items() if len(objects) > 1] == []


@pytest.mark.parametrize("name", MOVED)
def test_a_moved_name_says_where_it_is(name):
    sentence = f"seriatim.{name} is now seriatim.{MOVED[name]}."
    folder, _, last = name.rpartition(".")
    place = getattr(st, folder) if folder else st
    with pytest.raises(ImportError) as told:
        getattr(place, last)
    assert str(told.value) == sentence
    with pytest.raises(ImportError) as told:
        exec(f"from {place.__name__} import {last}")
    assert str(told.value) == sentence
    assert eval(f"st.{MOVED[name]}") is not None


@pytest.mark.parametrize("folder", sorted({name.rpartition(".")[0] for name in MOVED} - {""}))
def test_a_name_that_never_was_is_missing_as_elsewhere(folder):
    assert not hasattr(getattr(st, folder), "nonsense")
    with pytest.raises(AttributeError, match=f"module 'seriatim.{folder}' has no attribute 'nonsense'"):
        moved_names(f"seriatim.{folder}")("nonsense")
