"""Policies by their names on the command line."""

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import seriatim as st
from seriatim import _optional
from seriatim._errors import InputError
from seriatim.cli._completion import POLICIES
from seriatim.cli._faults import asked
from seriatim.cli._files import did_you_mean, is_in_file, listed, load_name, name_in, public_names
from seriatim.cli._load import Loaded
from seriatim.cli._options import Planning

# Stages that planners simulate of a problem that never ends, if the user gives no number.
CUT = 10


def read_names(text: str, module: ModuleType | None) -> list[str]:
    """Split names of policies, refusing unknown ones before any work is done."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise InputError(f"--policies {text!r}: give names separated by commas, of {listed(POLICIES)}.")
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"--policies {text}: {name} is named {names.count(name)} times; name it once.")
        _require_known(name, module)
    return names


def _require_known(name: str, module: ModuleType | None) -> None:
    own = public_names(module) if module is not None else []
    if name not in POLICIES and not is_in_file(name) and not is_run(name) and not hasattr(module, name):
        near = did_you_mean(name, [*POLICIES, *own])
        raise InputError(
            f"policy {name} is unknown{near}; give one of {listed(POLICIES)}, file.py:name, or the directory of a run."
        )


def make_policies(
    names: Sequence[str], loaded: Loaded, base: str | None, planning: Planning, key: Any
) -> dict[str, Any]:
    """Make the named policies; `base` names another base policy than the model's own.

    Raises:
        InputError: a base policy is needed and there is none, or a policy breaks the laws of policies.
    """
    get_base = functools.cache(lambda: require_lawful(base_policy(loaded, base), loaded, key))
    return {name: _make(name, loaded, get_base, planning, key) for name in names}


def base_policy(loaded: Loaded, name: str | None) -> Any:
    """Return the base policy that the user named, or the model's own; whether it is lawful is not checked."""
    return _from_file(name, loaded) if name is not None else loaded.taken_over(_own_base_policy(loaded))


def _own_base_policy(loaded: Loaded) -> Any:
    if _optional.base_policy(loaded.plain) is None:
        raise InputError(
            f"{loaded.name} has no base policy; give the model a method base_policy(), or name one with "
            "--base file.py:name."
        )
    return asked(loaded.plain, "base_policy")


def has_base_policy(loaded: Loaded, name: str | None) -> bool:
    """Say whether there is a base policy at all."""
    return name is not None or _optional.base_policy(loaded.plain) is not None


def _make(name: str, loaded: Loaded, get_base: Callable[[], Any], planning: Planning, key: Any) -> Any:
    if name == "base":
        return get_base()
    if name == "optimal":
        return _optimal(loaded)
    if name in POLICIES:
        signal = None if planning.signal is None else require_lawful(_signal(planning.signal, loaded), loaded, key)
        return _planner(name, loaded, get_base(), planning, signal)
    return require_lawful(_from_file(name, loaded), loaded, key)


def _signal(place: str, loaded: Loaded) -> Any:
    if not is_run(place):
        raise InputError(f"--signal {place} is no run; give the directory of one, as seriatim train made it.")
    return _from_file(place, loaded)


def _value(place: str, loaded: Loaded, planning: Planning) -> Any:
    if not is_run(place):
        raise InputError(f"--value {place} is no run; give the directory of one, as seriatim train made it.")
    if planning.simulation_horizon is None:
        raise InputError(
            f"--value {place} is used where simulations are cut; give --simulation-horizon too, such as 8."
        )
    run = st.training.Run.open(place)
    with _said_of(run, loaded):
        return loaded.taken_over(st.training.trained_value(run, loaded.plain))


def _simulation(loaded: Loaded, planning: Planning) -> Any:
    """Return the user's settings; cut simulations of a problem that never ends, which would be far too long."""
    horizon, value = planning.simulation_horizon, None
    given: dict[str, Any] = {} if planning.lookahead is None else {"lookahead": planning.lookahead}
    if horizon is None and _optional.endless(loaded.model):
        horizon = max(CUT, planning.lookahead or 0)
    if planning.value is not None:
        value = _value(planning.value, loaded, planning)
    elif horizon is not None and _optional.terminal_cost(loaded.model) is not None:
        value = asked(loaded.model, "terminal_cost")
    return st.Simulation(horizon=horizon, num_samples=planning.samples, terminal_cost=value, **given)


def _planner(name: str, loaded: Loaded, base: Any, planning: Planning, signal: Any) -> Any:
    model, simulation = loaded.model, _simulation(loaded, planning)
    given = significance(planning)
    if name == "standard":
        return st.StandardRollout(model, base, simulation, **given)
    if name == "one-at-a-time":
        return st.OneAtATimeRollout(model, base, simulation, schedule=schedule(planning.order, signal), **given)
    if name == "signalling-learned" and signal is None:
        raise InputError("signalling-learned needs the run of a policy that agents guess by; give --signal DIR.")
    guessed = signal if name == "signalling-learned" else None
    # Agents that choose all at once have no turns to optimise.
    order = None if planning.order == "optimised" else planning.order
    return st.SignallingRollout(model, base, guessed, simulation, order=order, **given)


def significance(planning: Planning) -> dict[str, Any]:
    """Return the argument `significance` of a planner, or no argument, which keeps the planner's own default."""
    return {} if planning.significance is None else {"significance": planning.significance}


def schedule(order: Any, guess: Any = None) -> Any:
    """Return the schedule of the agents' turns for a named order."""
    return st.BestFirst() if order == "optimised" else st.Speculative(order, guess)


def _optimal(loaded: Loaded) -> Any:
    if _optional.missing_methods(loaded.plain, _optional.FINITE):
        raise InputError(
            f"policy optimal takes a finite model, and {loaded.name} has no states(), index() and outcomes(); "
            "leave it out."
        )
    if isinstance(loaded.model, st.FiniteHorizon):
        return st.exact.finite_horizon(loaded.model).policy
    return st.exact.value_iteration(loaded.model).policy


def _from_file(name: str, loaded: Loaded) -> Any:
    """Return a policy from a file, `file.py:name`, from the model's own file, or from the directory of a run."""
    return loaded.taken_over(_found(name, loaded))


def _found(name: str, loaded: Loaded) -> Any:
    """Return the named policy as one of the model's own states, without stages."""
    if is_run(name):
        return _trained(name, loaded)
    if is_in_file(name):
        found, _ = load_name(name)
    elif loaded.module is not None:
        found = name_in(loaded.module, name, str(loaded.module.__file__))
    else:
        raise InputError(
            f"policy {name} is in no file, and no run; give it as path/to/file.py:NAME, or as the directory of a run."
        )
    return _applied(found, loaded.plain, name)


def is_run(name: str) -> bool:
    """Say whether `name` is the directory of a run."""
    return (Path(name) / "config.json").is_file()


def _trained(place: str, loaded: Loaded) -> Any:
    run = st.training.Run.open(place)
    named = run.config.get("base")
    heuristic = None
    if has_base_policy(loaded, named):
        heuristic = _own_base_policy(loaded) if named is None else _found(named, loaded)
    with _said_of(run, loaded):
        policy = st.training.trained_policy(run, loaded.plain, otherwise=heuristic)
    if getattr(policy, "memory", 0):
        raise InputError(
            f"{place} trained agents that remember, which play states with memories; use it from Python, as "
            "WithMemory(model, policy) and policy."
        )
    return policy


@contextlib.contextmanager
def _said_of(run: Any, loaded: Loaded) -> Iterator[None]:
    """Add to a refusal that the run was trained on another model, if it was."""
    try:
        yield
    except InputError as error:
        model = run.config.get("model", loaded.name)
        if model == loaded.name:
            raise
        raise InputError(f"{run.path} was trained on {model}, and this is {loaded.name}: {error}") from error


def _applied(found: Any, model: Any, name: str) -> Any:
    """Call a function or class that takes only the model, and a class that takes nothing; return others as they are."""
    if not callable(found):
        raise InputError(f"{name} is {found!r}; a policy is expected, a function (state, key) -> control [m].")
    parameters = inspect.signature(found).parameters.values()
    varied = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    required = [p.name for p in parameters if p.default is p.empty and p.kind not in varied]
    if required == ["model"]:
        return found(model)
    if not inspect.isclass(found):
        return found
    if required:
        raise InputError(f"{name} needs {listed(required)}; give a policy, or a function of `model` that makes one.")
    return found()


def require_lawful(policy: Any, loaded: Loaded, key: Any) -> Any:
    """Return the policy if it keeps the laws of policies.

    Raises:
        InputError: it breaks one; the sentence says which.
    """
    st.check_policy(loaded.model, policy, key, quick=True).raise_if_broken()
    return policy
