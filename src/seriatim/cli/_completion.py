"""Completion in the shell: it offers models, policies and fields of models when Tab is pressed.

No code of the user's is executed for it: Python files are read, not run.
"""

import ast
import linecache
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from seriatim.cli._fields import parameters

# The built-in models and policies, by their names on the command line.
MODELS = ("spiders-and-flies", "spiders-on-a-line", "repair", "rock-sample")
POLICIES = ("base", "standard", "one-at-a-time", "signalling-base", "signalling-learned", "optimal")

Definition = ast.ClassDef | ast.FunctionDef


def models(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer built-in models, files, and the names that a Python file defines."""
    if ".py:" in incomplete:
        return _in_file(incomplete)
    return [CompletionItem(incomplete, type="file"), *_starting(incomplete, MODELS)]


def policies(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the policies that may follow those named: the known ones, runs, and functions in the model's own file."""
    if ".py:" in incomplete.rpartition(",")[2]:
        return _in_file(incomplete)
    # The shell completes the whole argument, so the names before the last comma are repeated in each offer.
    before, comma, last = incomplete.rpartition(",")
    own = [each.name for each in _definitions(_place(context)[0]) if isinstance(each, ast.FunctionDef)]
    runs = [str(found.parent) for found in sorted(Path("runs").glob("*/config.json"))]
    names = [name for name in (*POLICIES, *own, *runs) if name not in before.split(",")]
    return [CompletionItem(f"{before}{comma}{item.value}") for item in _starting(last, names)]


def fields(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the fields of the model that is named before, as `KEY=`."""
    given = {text.partition("=")[0] for text in context.params.get("assignments") or ()}
    names = [f"{name}=" for name in _fields(context) if name not in given]
    return _starting(incomplete, names)


def _starting(incomplete: str, names: Any) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _in_file(incomplete: str) -> list[CompletionItem]:
    place, _, name = incomplete.rpartition(":")
    path = place.rpartition(",")[2]
    return [CompletionItem(f"{place}:{each.name}") for each in _definitions(path) if each.name.startswith(name)]


def _place(context: click.Context) -> tuple[str, str]:
    """Return the file and the name of the model on the command line; the file is empty for a built-in model."""
    # If the last option has no value yet, click has not read the argument, and keeps it in `args`.
    model = context.params.get("model") or next(iter(context.args), "")
    place, _, name = model.rpartition(":")
    return (place, name) if place.endswith(".py") else ("", name)


def _fields(context: click.Context) -> list[str]:
    path, name = _place(context)
    if name in MODELS:
        import seriatim as st

        return list(parameters(getattr(st.problems, name.title().replace("-", ""))))
    return [field for each in _definitions(path) if each.name == name for field in _written_fields(each)]


def _definitions(path: str) -> list[Definition]:
    """Return the public classes and functions of a file; none if there is no such file or it is no Python."""
    if not Path(path).is_file():
        return []
    try:
        tree = ast.parse("".join(linecache.getlines(path)))
    except (SyntaxError, ValueError):
        return []
    return [each for each in tree.body if isinstance(each, Definition) and not each.name.startswith("_")]


def _written_fields(definition: Definition) -> Iterator[str]:
    """List the fields of a record, or the parameters of a function, as they stand in the source."""
    if isinstance(definition, ast.FunctionDef):
        yield from (argument.arg for argument in (*definition.args.args, *definition.args.kwonlyargs))
        return
    for statement in definition.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            yield statement.target.id
