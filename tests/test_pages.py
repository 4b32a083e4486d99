"""README and the pages of docs: every block of Python runs as it is pasted, every command is one that exists.

The blocks of a page run in order, in one namespace, from an empty directory. Pages whose blocks compile or train for
long run in `make test-all`; that no name in them is used before it is there is always checked.
"""

import importlib
import itertools
import re
import shlex
import subprocess
from pathlib import Path
from typing import NamedTuple

import click
import jax
import pytest

import seriatim as st
from seriatim.cli._completion import MODELS
from seriatim.cli._fields import parameters, read_assignments
from seriatim.cli._load import built_in
from seriatim.cli._main import commands

ROOT = Path(__file__).parents[1]
PAGES = {page.name: page.read_text() for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]}
LANGUAGES = {"python", "bash", "text"}
# All others compile or train for more than three seconds.
QUICK = {"command-line.md", "fast-models.md", "parallel.md", "problem-files.md"}


class Block(NamedTuple):
    """A fenced block, and what follows it up to the next one."""

    indent: str
    language: str
    code: str
    after: str


def blocks(page):
    """The blocks of a page."""
    found = re.findall(r"^( *)```([^\n]*)\n(.*?)^ *```\n(.*?)(?=^ *```|\Z)", PAGES[page], re.MULTILINE | re.DOTALL)
    return [Block(*parts) for parts in found]


def programs(page):
    """The blocks of Python of a page, each with the output that is printed below it, or None."""
    some = blocks(page)
    for block, after in itertools.zip_longest(some, some[1:]):
        if block.language == "python":
            is_output = after is not None and after.language == "text" and not block.after.strip()
            yield block.code, after.code if is_output else None


WITH_PROGRAMS = [page for page in PAGES if any(programs(page))]


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_what_it_is_and_can_be_pasted(page):
    assert PAGES[page].count("```") == 2 * len(blocks(page))
    for block in blocks(page):
        assert block.language in LANGUAGES, block
        assert not block.indent, block


def test_no_name_is_used_before_it_is_there(tmp_path):
    ruff = pytest.importorskip("ruff")
    for page in WITH_PROGRAMS:
        (tmp_path / f"{page}.py").write_text("\n".join(code for code, _ in programs(page)))
    check = [ruff.find_ruff_bin(), "check", "--isolated", "--no-cache", "--select", "F821,F822", str(tmp_path)]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("page", PAGES)
def test_names_of_the_library_exist(page):
    """In blocks and in the text: `st.exact.value_iteration`, `from seriatim.training import visited`."""
    for chain in re.findall(r"(?<![\w.])st((?:\.[a-zA-Z_]\w*)+)", PAGES[page]):
        found = st
        for name in chain.split(".")[1:]:
            if not isinstance(found, type):  # fields of records are attributes of their objects only
                assert hasattr(found, name), f"st{chain}"
                found = getattr(found, name)
    for module, names in re.findall(r"^from (seriatim[.\w]*) import ([\w, ]+)$", PAGES[page], re.MULTILINE):
        for name in names.split(", "):
            assert hasattr(importlib.import_module(module), name), f"{module}.{name}"


@pytest.fixture
def empty_directory(tmp_path, monkeypatch):
    """Where blocks run; what they set of JAX is set back."""
    monkeypatch.chdir(tmp_path)
    kept = {name: jax.config.values[name] for name in CACHE_SETTINGS}
    yield tmp_path
    for name, value in kept.items():
        jax.config.update(name, value)


CACHE_SETTINGS = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")


def without_numbers(text):
    """What a text says beside its numbers, which other processors round differently, and spaces."""
    return re.sub(r"[-+\d.]+", "#", text).split()


@pytest.mark.parametrize("page", [pytest.param(p, marks=[pytest.mark.slow] * (p not in QUICK)) for p in WITH_PROGRAMS])
def test_the_blocks_run_as_pasted(page, empty_directory, capsys, without_type_checks):
    names = {"__name__": "__main__"}
    for number, (code, output) in enumerate(programs(page), start=1):
        program = compile(code, f"{page}, block {number}", "exec")
        without_type_checks(lambda program=program: exec(program, names))
        printed = capsys.readouterr().out
        assert output is None or without_numbers(printed) == without_numbers(output)


def shell_lines(text):
    """The commands in a block: without comments, variables set before put in."""
    settings = {}
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words and "=" in words[0]:
            name, _, value = words[0].partition("=")
            settings[f"${name}"] = value.split()
        elif words:
            yield [part for word in words for part in settings.get(word, [word])]


def written_commands(page):
    """The `seriatim` commands of a page: those in blocks, and those in the text that have an option."""
    shown = [words for block in blocks(page) if block.language == "bash" for words in shell_lines(block.code)]
    prose = [shlex.split(" ".join(code.split())) for code in re.findall(r"`(seriatim [^`]*--[^`]*)`", PAGES[page])]
    return [words[1:] for words in [*shown, *prose] if words[0] == "seriatim"]


WITH_COMMANDS = [page for page in PAGES if written_commands(page)]


def all_commands(group):
    for command in group.commands.values():
        yield from all_commands(command) if isinstance(command, click.Group) else [command]


@pytest.mark.parametrize("page", WITH_COMMANDS)
def test_the_commands_are_understood(page, monkeypatch):
    """Options are read, fields of built-in models are looked up, and nothing is done."""
    asked = []
    for command in all_commands(commands):
        monkeypatch.setattr(command, "callback", lambda **given: asked.append(given))
    for words in written_commands(page):
        if words[-1] != "--help":
            commands.main(words, prog_name="seriatim", standalone_mode=False)
    for given in asked:
        if given.get("model") in MODELS:
            assert read_assignments(given["assignments"]).keys() <= parameters(built_in(given["model"])).keys(), given


def test_the_readmes_improvement_takes_ten_lines():
    *_, (code, output) = programs("README.md")
    assert "st.OneAtATimeRollout" in code
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    assert "where the base policy's is [" in output


def test_the_examples_on_pages_are_those_of_the_folder():
    for page, file in (("README.md", "fire_brigade.py"), ("beliefs.md", "tiger.py")):
        model = re.sub(r'\A""".*?"""\s*', "", (ROOT / "examples" / file).read_text(), flags=re.DOTALL)
        assert model in [code for code, _ in programs(page)]
