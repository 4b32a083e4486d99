"""The command as a process: how it starts, and how it ends when nobody listens."""

import importlib.metadata
import os
import subprocess
import sys

import pytest

import seriatim as st
from seriatim.cli._jax import cache_folder
from seriatim.cli._load import built_in_models
from seriatim.cli._main import MODEL_HELP, commands

HELP = """
import sys
from seriatim.cli import main
status = main(["--help"])
heavy = {"jax", "numpy", "scipy", "rich", "jaxtyping"} & set(sys.modules)
sys.exit(f"imported {heavy}" if heavy else status)
"""


def test_help_waits_for_nothing_heavy_and_lists_the_commands():
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    for command in ("run", "compare", "check", "solve"):
        assert f"\n  {command} " in done.stdout


def test_without_arguments_help_is_shown(seriatim):
    assert seriatim() == seriatim("--help")
    assert seriatim().status == 0


@pytest.mark.parametrize("command", commands.commands)
def test_every_command_and_option_has_help(seriatim, command):
    result = seriatim(command, "--help")
    assert result.status == 0
    for parameter in commands.commands[command].params:
        assert parameter.param_type_name == "argument" or parameter.help or parameter.name == "form"
        assert all(option in result.out for option in parameter.opts if option.startswith("--"))


def test_help_names_the_built_in_models():
    assert built_in_models().keys() <= set(MODEL_HELP.replace("(", " ").replace(")", " ").replace(",", " ").split())
    assert "spiders-and-flies" in built_in_models()
    assert all(hasattr(st.problems, model.__name__) for model in built_in_models().values())


def test_the_version_is_that_of_the_package(seriatim):
    assert seriatim("--version").out == f"seriatim {importlib.metadata.version('seriatim')}\n"


def test_a_reader_that_went_away_ends_it_quietly_and_a_home_without_room_is_no_obstacle(no_folder):
    """`seriatim run ... | true`, with no place to keep compiled programs."""
    reading, writing = os.pipe()
    os.close(reading)
    command = "run", "spiders-on-a-line", "--policy", "base", "--horizon", "3"
    script = f"import sys; from seriatim.cli import main; sys.exit(main({command!r}))"
    surroundings = {**os.environ, "HOME": no_folder, "XDG_CACHE_HOME": no_folder, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", script], stdout=writing, stderr=subprocess.PIPE, text=True, env=surroundings
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.fixture
def no_folder(tmp_path):
    (tmp_path / "file").touch()
    return str(tmp_path / "file")


def test_programs_are_kept_where_the_user_keeps_such_things(tmp_path, no_folder, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_folder() == tmp_path / "cache" / "seriatim" / "jax"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "seriatim" / "jax"
    monkeypatch.setenv("XDG_CACHE_HOME", no_folder)
    assert cache_folder() is None
