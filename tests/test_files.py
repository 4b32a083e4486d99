"""Files: only regular ones are read, up to a size; they are written whole or not at all."""

import os
import re
import socket
import stat
from pathlib import Path

import pytest

from seriatim import _files
from seriatim._errors import InputError
from seriatim._files import is_leftover, open_regular, read_bytes, remove_leftovers, save_bytes, save_text

ADVICE = "give the path of a map"


def test_a_regular_file_is_read(tmp_path):
    (tmp_path / "a").write_bytes(b"content")
    (tmp_path / "link").symlink_to("a")
    assert read_bytes(tmp_path / "a", ADVICE, limit=7) == read_bytes(str(tmp_path / "link"), ADVICE) == b"content"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("pipe", "cannot be read (it is a named pipe, not a regular file)"),
        ("zeros", "cannot be read (it is a device, not a regular file)"),
        ("socket", "cannot be read ("),
        ("folder", "cannot be read (it is a directory, not a regular file)"),
        ("large", "cannot be read (it has more than 1 MB, the most that is read of such a file)"),
        ("large/below", "cannot be read (Not a directory)"),
        ("missing", "no such file"),
        ("dangling", "no such file"),
        ("circle", "cannot be read ("),
        ("zero\0byte", "cannot be read (no file can have this name)"),
        ("half\ud800", "cannot be read (no file can have this name)"),
        ("n" * 300, "cannot be read (File name too long)"),
    ],
)
def test_what_is_no_regular_file_is_refused_at_once_in_a_sentence(tmp_path, name, reason, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    os.mkfifo("pipe")
    Path("zeros").symlink_to("/dev/zero")
    Path("folder").mkdir()
    Path("large").write_bytes(bytes(2**20 + 1))
    Path("dangling").symlink_to("nowhere")
    Path("circle").symlink_to("circle")
    with socket.socket(socket.AF_UNIX) as here:
        here.bind("socket")
        with pytest.raises(InputError) as caught:
            read_bytes(name, ADVICE, limit=2**20)
    assert str(caught.value).startswith(f"{name}: {reason}")
    assert str(caught.value).endswith(f"; {ADVICE}.")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_a_file_whose_size_the_system_does_not_know_is_read_up_to_the_limit():
    assert Path("/proc/self/stat").stat().st_size == 0
    assert len(read_bytes("/proc/self/stat", ADVICE)) > 10
    with pytest.raises(InputError, match="it has more than"):
        read_bytes("/proc/self/stat", ADVICE, limit=10)


def test_a_refused_file_is_closed(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    for _ in range(3):
        with pytest.raises(OSError, match="it is a named pipe"):
            open_regular(tmp_path / "pipe")
    assert not before or len(os.listdir("/proc/self/fd")) == before


def test_a_file_is_replaced_and_keeps_its_permissions_and_its_link(tmp_path):
    (tmp_path / "a").write_text("old")
    (tmp_path / "a").chmod(0o640)
    (tmp_path / "link").symlink_to("a")
    save_text(tmp_path / "link", "néw")
    assert (tmp_path / "a").read_bytes() == "néw".encode()
    assert (tmp_path / "link").is_symlink()
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    save_bytes(tmp_path / ("n" * 255), b"the longest name")
    assert sorted(path.name[:4] for path in tmp_path.iterdir()) == ["a", "link", "nnnn"]


def fails(*_, **__):
    raise OSError(28, "No space left on device")


def interrupted(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.parametrize("step", ["open", "fsync", "replace"])
@pytest.mark.parametrize(("how", "error"), [(fails, InputError), (interrupted, KeyboardInterrupt)])
def test_a_write_that_fails_at_any_step_leaves_the_old_file_and_nothing_beside_it(
    tmp_path, monkeypatch, step, how, error
):
    path = tmp_path / "picture.html"
    path.write_text("old")
    monkeypatch.setattr(*((_files, "open") if step == "open" else (os, step)), how, raising=False)
    with pytest.raises(error) as caught:
        save_text(path, "new")
    if error is InputError:
        assert str(caught.value) == f"{path}: cannot be written (No space left on device); save elsewhere."
    monkeypatch.undo()
    assert [each.name for each in tmp_path.iterdir()] == ["picture.html"]
    assert path.read_text() == "old"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("folder", "cannot be written (it is a directory, not a regular file)"),
        ("nothing", "cannot be written (it is a device, not a regular file)"),
        ("pipe", "cannot be written (it is a named pipe, not a regular file)"),
        ("missing/a", "cannot be written (No such file or directory)"),
        ("zero\0byte", "cannot be written (no file can have this name)"),
        ("half\ud800", "cannot be written (no file can have this name)"),
    ],
)
def test_what_cannot_be_replaced_is_refused_in_a_sentence(tmp_path, monkeypatch, name, reason):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("nothing").symlink_to("/dev/null")
    os.mkfifo("pipe")
    with pytest.raises(InputError, match=re.escape(f"{name}: {reason}; save elsewhere.")):
        save_text(name, "new")
    assert sorted(os.listdir()) == ["folder", "nothing", "pipe"]
    assert not os.listdir("folder")


def test_a_text_that_no_file_can_hold_leaves_the_old_file(tmp_path):
    path = tmp_path / "picture.svg"
    path.write_text("old")
    with pytest.raises(InputError, match=r"picture\.svg: its text has '\\ud83d' at character 1, half of a surrogate"):
        save_text(path, "a\ud83db")
    assert path.read_text() == "old"


def test_what_killed_writers_left_is_removed_and_nothing_else(tmp_path):
    for name in (".seriatim-00.tmp", "a.tmp", ".hidden"):
        (tmp_path / name).touch()
    assert [path.name for path in tmp_path.iterdir() if is_leftover(path)] == [".seriatim-00.tmp"]
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hidden", "a.tmp"]
