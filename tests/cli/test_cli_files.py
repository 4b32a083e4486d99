"""A model's file is executed once, sees its neighbours, and leaves no trace behind."""

import sys

import pytest

from seriatim._errors import InputError
from seriatim.cli import main
from seriatim.cli._files import did_you_mean, is_in_file, load_file, load_name, public_names

COUNTING = """
from pathlib import Path

log = Path(__file__).with_suffix(".log")
log.write_text((log.read_text() if log.exists() else "") + "x")
value = 1
"""


@pytest.fixture(autouse=True)
def _as_before(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))


def times_executed(path):
    return len(path.with_suffix(".log").read_text())


def test_a_file_is_executed_once_and_again_when_it_changes(tmp_path):
    path = tmp_path / "counting_a.py"
    path.write_text(COUNTING)
    assert load_file(path) is load_file(path)
    assert times_executed(path) == 1
    path.write_text(COUNTING + "other = 2\n")
    assert load_file(path).other == 2
    assert times_executed(path) == 2


def test_a_file_sees_its_neighbours_and_they_see_it_as_it_is(tmp_path):
    """Two modules that name each other: neither is executed twice."""
    path = tmp_path / "counting_b.py"
    path.write_text(COUNTING + "import neighbour_b\n")
    (tmp_path / "neighbour_b.py").write_text("import counting_b\nvalue = counting_b.value + 1\n")
    assert load_file(path).neighbour_b.value == 2
    assert times_executed(path) == 1


def test_files_of_one_name_are_two(tmp_path):
    for folder, value in (("a", 1), ("b", 2)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.py").write_text(f"value = {value}\n")
    found = [load_name(f"{tmp_path}/{folder}/same.py:value")[0] for folder in "ab"]
    assert found == [1, 2]


def test_a_file_named_as_a_library_does_not_replace_it(tmp_path):
    import random

    path = tmp_path / "random.py"
    path.write_text("value = 3\n")
    assert load_file(path).value == 3
    assert sys.modules["random"] is random


def test_what_failed_is_not_kept(tmp_path):
    path = tmp_path / "failing_c.py"
    path.write_text("1 / 0\n")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            load_file(path)
    assert not any("failing_c" in name for name in sys.modules)


def test_its_folder_is_importable_only_while_the_command_runs(tmp_path, capsys):
    (tmp_path / "model.py").write_text("import sys\nmodel = sys.path[0]\n")
    before = list(sys.path)
    assert main(["check", f"{tmp_path}/model.py:model"]) == 2
    assert str(tmp_path) in capsys.readouterr().err
    assert sys.path == before


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("model.py:Model", True),
        ("a/model.py", True),
        ("/a.py/b.py:c", True),
        ("spiders-and-flies", False),
        ("tiger.dpomdp", False),
    ],
)
def test_a_file_is_told_from_a_name(text, file):
    assert is_in_file(text) == file


def test_names_are_those_the_file_defines(tmp_path):
    path = tmp_path / "names.py"
    path.write_text("import math\nfrom pathlib import Path\n_hidden = 1\ndef model(): pass\nnumber = 3\n")
    assert public_names(load_file(path)) == ["model", "number"]
    with pytest.raises(InputError, match=r"defines no modle \(did you mean model\?\); it defines model, number\.$"):
        load_name(f"{path}:modle")


def test_only_near_names_are_suggested():
    assert did_you_mean("spidrs", ["flies", "spiders"]) == " (did you mean spiders?)"
    assert did_you_mean("x", ["flies", "spiders"]) == ""


@pytest.mark.parametrize("content", [b"def f(:\n", b"x = 1\0", b"\xff\xfe", b"  x = 1\n y = 2\n"])
def test_what_is_no_python_is_the_users_mistake(tmp_path, content):
    path = tmp_path / "broken.py"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"broken\.py.*; give a file of Python\.$"):
        load_file(path)
