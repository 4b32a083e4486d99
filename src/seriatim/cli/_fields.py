"""`--set key=value`: fields of a model, checked against its annotations before anything is built."""

import dataclasses
import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from seriatim._errors import InputError
from seriatim.cli._files import did_you_mean, listed
from seriatim.cli._values import in_words, read_value


class Field(NamedTuple):
    """A field to set: its type, and its present or default value (`inspect.Parameter.empty` if it has none)."""

    kind: Any
    default: Any


def read_assignments(assignments: Sequence[str]) -> dict[str, str]:
    """Split `key=value`; if a key is given several times, its last value counts."""
    pairs: dict[str, str] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise InputError(f"--set {text}: give a field and its value, as in --set spiders=15.")
        # Options of the command line are written with hyphens, fields of Python with underscores.
        pairs[key.strip().replace("-", "_")] = value.strip()
    return pairs


def made_with(maker: Callable[..., Any], assignments: Mapping[str, str]) -> tuple[Any, dict[str, Any]]:
    """Call a class or function with fields; return the result and the fields.

    Raises:
        InputError: it has no such field, the value is of another type, or a field without default is missing.
    """
    owner = maker.__name__ if hasattr(maker, "__name__") else type(maker).__name__
    known = parameters(maker)
    values = _read(owner, known, assignments)
    missing = [name for name in needs(maker) if name not in values]
    if missing:
        kind = in_words(known[missing[0]].kind)
        raise InputError(f"{owner} needs {missing[0]}, {kind}; give it with --set {missing[0]}=...")
    return maker(**values), values


def needs(maker: Callable[..., Any]) -> list[str]:
    """List the fields of a class, or the parameters of a function, that have no default."""
    return [name for name, field in parameters(maker).items() if field.default is inspect.Parameter.empty]


def replaced(instance: Any, assignments: Mapping[str, str]) -> tuple[Any, dict[str, Any]]:
    """Copy a record with fields set; return it, and the fields."""
    if not assignments:
        return instance, {}
    owner = type(instance).__name__
    if not dataclasses.is_dataclass(instance):
        name = next(iter(assignments))
        raise InputError(f"--set {name}: this {owner} is no record, so no field of it can be set; name its class.")
    kinds = _annotations(type(instance))
    fields = [f for f in dataclasses.fields(instance) if f.init]
    known = {f.name: Field(kinds.get(f.name, f.type), getattr(instance, f.name)) for f in fields}
    values = _read(owner, known, assignments)
    changed: Any = dataclasses.replace(instance, **values)  # type: ignore[type-var]
    return changed, values


def _read(owner: str, known: Mapping[str, Field], assignments: Mapping[str, str]) -> dict[str, Any]:
    values = {}
    for name, text in assignments.items():
        if name not in known:
            near = did_you_mean(name, known)
            raise InputError(f"--set {name}: {owner} has no field {name}{near}; it has {listed(known)}.")
        values[name] = _read_one(owner, name, known[name], text)
    return values


def _read_one(owner: str, name: str, field: Field, text: str) -> Any:
    try:
        return read_value(text, field.kind)
    except ValueError as error:
        example = field.default
        shown = isinstance(example, (bool, int, float, str)) and example != ""
        advice = f"--set {name}={example}".lower() if shown and isinstance(example, bool) else f"--set {name}={example}"
        reason = getattr(error, "reason", "")
        why = f", and {reason}" if reason else ""
        hint = f"; give it as in {advice}" if shown else ""
        raise InputError(f"--set {name}={text}: {name} of {owner} is {in_words(field.kind)}{why}{hint}.") from None


def parameters(maker: Callable[..., Any]) -> dict[str, Field]:
    """Return the fields of a class, or the parameters of a function, by name."""
    kinds = _annotations(maker)
    empty = inspect.Parameter.empty
    # A parameter without annotation has the type of its default.
    return {
        name: Field(kinds.get(name, Any if p.default in (empty, None) else type(p.default)), p.default)
        for name, p in inspect.signature(maker).parameters.items()
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    }


def _annotations(owner: Any) -> dict[str, Any]:
    """Return the types of a class's fields, or of the parameters of a function or of a class's own `__init__`."""
    plain = inspect.isclass(owner) and not dataclasses.is_dataclass(owner)
    try:
        return typing.get_type_hints(owner.__init__ if plain else owner)
    except (NameError, TypeError):  # an annotation that only a type checker can read
        return {}
