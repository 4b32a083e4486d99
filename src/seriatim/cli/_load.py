"""The argument MODEL of the command line: a built-in name, a problem file or `path/to/file.py:name`, with fields."""

import inspect
import math
import re
import time
from types import ModuleType
from typing import Any, NamedTuple

import seriatim as st
from seriatim import _optional
from seriatim._errors import InputError
from seriatim.cli._fields import made_with, needs, read_assignments, replaced
from seriatim.cli._files import did_you_mean, is_in_file, listed, load_name
from seriatim.cli._options import HORIZON, Problem
from seriatim.cli._output import described
from seriatim.formats._load import SUFFIXES


class Loaded(NamedTuple):
    """A model, as the user named it, with the fields the user set; `module` is the user's file, if it came from one.

    An object from a file is known to be a model only after `check_model`. If `model` is a problem over a number of
    stages, `untimed` is the model inside, to whose states the user's policies belong.
    """

    model: Any
    name: str
    fields: dict[str, Any]
    module: ModuleType | None
    untimed: Any = None

    @property
    def plain(self) -> Any:
        """The model as the user named it."""
        return self.model if self.untimed is None else self.untimed

    def taken_over(self, policy: Any) -> Any:
        """Turn a policy or value of the user's model into one of the problem that is played."""
        return policy if self.untimed is None else st.at_any_time(policy)


def load(problem: Problem, latest: float = math.inf) -> Loaded:
    """Find and build the model; a problem file must be read at the time `latest` on the monotonic clock.

    Raises:
        InputError: the name, a field or its value is wrong, the named object is no model, or the time is over.
    """
    name = problem.model
    source, module = load_name(name) if is_in_file(name) else (_without_module(name, latest), None)
    assignments = read_assignments(problem.assignments)
    # A model that was made already gets copies with other fields. A class or function is called with them.
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
    # If the state is hidden, the problem over beliefs is planned and played.
    hidden = _optional.belief_model(model)
    return Loaded(model if hidden is None else hidden(), name, fields, module)


def stages_of(loaded: Loaded, horizon: int | None) -> int | None:
    """Return the model's own number of stages; for a model that nothing else ends, the horizon; else None."""
    own = _optional.ends_after(loaded.model)
    # Without an end and without discount, costs over all stages are infinite.
    endless = _optional.endless(loaded.model) and float(loaded.model.discount) == 1
    return horizon if own is None and endless else own


def over_stages(loaded: Loaded, horizon: int | None) -> tuple[Loaded, int]:
    """Make planners count the stages that are left, if their number is set; also return where episodes are cut."""
    cut = HORIZON if horizon is None else horizon
    stages = stages_of(loaded, cut)
    if stages is None:
        return loaded, cut
    timed = loaded._replace(model=st.FiniteHorizon(loaded.model, stages), untimed=loaded.model)
    return timed, stages if horizon is None else horizon


def _without_module(name: str, latest: float) -> Any:
    """Return the model of a problem file, or the class of a built-in one."""
    if not is_problem_file(name):
        return built_in(name)
    return st.formats.load(name, max_seconds=None if latest == math.inf else max(0.0, latest - time.monotonic()))


def is_problem_file(name: str) -> bool:
    """Say whether `name` is that of a problem file, such as `tiger.pomdp`."""
    return name.lower().endswith(SUFFIXES)


def title(loaded: Loaded) -> str:
    """Write a model as a heading.

    All policies here see the state of a problem file, even if it is hidden there. The heading says so.
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
    """List the models of `seriatim.problems` without required fields, by their names on the command line."""
    found = [getattr(st.problems, name) for name in st.problems.__all__]
    models = [c for c in found if inspect.isclass(c) and hasattr(c, "transition")]
    return {kebab_case(c.__name__): c for c in models if not needs(c)}


def kebab_case(name: str) -> str:
    """Write `SpidersAndFlies` as `spiders-and-flies`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()
