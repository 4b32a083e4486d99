"""MODEL on the command line: a built-in name, a problem file or `path/to/file.py:name`, with fields set."""

import inspect
import re
from types import ModuleType
from typing import Any, NamedTuple

import seriatim as st
from seriatim._errors import InputError
from seriatim.cli._fields import made_with, needs, read_assignments, replaced
from seriatim.cli._files import did_you_mean, is_in_file, listed, load_name
from seriatim.cli._options import Problem
from seriatim.cli._output import described
from seriatim.formats._load import SUFFIXES


class Loaded(NamedTuple):
    """A model, as the user named it, with the fields the user set; `module` is the user's file, if it is from one.

    What a file gives is a model only once `check_model` has said so.
    """

    model: Any
    name: str
    fields: dict[str, Any]
    module: ModuleType | None


def load(problem: Problem) -> Loaded:
    """Find and build the model.

    Raises:
        InputError: the name, a field or its value is wrong, or what was named is no model.
    """
    name = problem.model
    source, module = load_name(name) if is_in_file(name) else (_without_module(name), None)
    assignments = read_assignments(problem.assignments)
    if not inspect.isclass(source) and hasattr(source, "transition"):
        model, fields = replaced(source, assignments)
    elif callable(source):
        model, fields = made_with(source, assignments)
    else:
        raise InputError(f"{name} is {source!r}; a model is expected, or a class or function that makes one.")
    if not hasattr(model, "transition"):
        raise InputError(
            f"{name} made {model!r}, which has no transition(); a model has the methods of seriatim.Model."
        )
    # Where the state is hidden, what can be planned and played is the problem over beliefs.
    hidden = getattr(model, "belief_model", None)
    return Loaded(model if hidden is None else hidden(), name, fields, module)


def _without_module(name: str) -> Any:
    """Return the model of a problem file, or the class of a built-in one."""
    return st.formats.load(name) if is_problem_file(name) else built_in(name)


def is_problem_file(name: str) -> bool:
    """Say whether `name` is that of a problem file, such as `tiger.pomdp`."""
    return name.lower().endswith(SUFFIXES)


def title(loaded: Loaded) -> str:
    """Write a model as a heading.

    The hidden state of a problem file is seen by all policies here: the heading says so.
    """
    shown = described(loaded.name, loaded.fields)
    return f"{shown}, state observed" if is_problem_file(loaded.name) else shown


def built_in(name: str) -> Any:
    """Return the class of a built-in model."""
    known = built_in_models()
    if name not in known:
        raise InputError(
            f"model {name} is unknown{did_you_mean(name, known)}; give one of {listed(known)}, "
            "a problem file (.pomdp, .dpomdp, .mdp, .pomdpx), or path/to/file.py:name for one of your own."
        )
    return known[name]


def built_in_models() -> dict[str, Any]:
    """List the models of `seriatim.problems` that need no field to be set, by their names on the command line."""
    found = [getattr(st.problems, name) for name in st.problems.__all__]
    models = [c for c in found if inspect.isclass(c) and hasattr(c, "transition")]
    return {kebab_case(c.__name__): c for c in models if not needs(c)}


def kebab_case(name: str) -> str:
    """Write `SpidersAndFlies` as `spiders-and-flies`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()
