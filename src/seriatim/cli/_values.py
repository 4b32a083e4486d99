"""Values from text: reading them by an annotated type, and naming that type in words."""

import ast
import math
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Union

_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    type(None): "none",
    Path: "a path",
    tuple: "values separated by commas",
    list: "values separated by commas",
}


def read_value(text: str, kind: Any) -> Any:
    """Read a value of the annotated type `kind`; an unknown type takes a Python literal.

    Raises:
        ValueError: `text` is no such value.
    """
    origin, options = typing.get_origin(kind) or kind, typing.get_args(kind)
    if origin is Literal:
        return _one_of(text, options)
    if origin in (Union, types.UnionType):
        return _first_that_fits(text, options)
    if origin in (tuple, list):
        return origin(_several(text, options))
    if origin in _READERS:
        return _READERS[origin](text)
    return _array(text, kind) if _is_array(kind) else _literal(text, origin)


def in_words(kind: Any) -> str:
    """Write a type in words, for messages."""
    origin, options = typing.get_origin(kind) or kind, typing.get_args(kind)
    if origin is Literal:
        return " or ".join(str(option) for option in options)
    if origin in (Union, types.UnionType):
        words = dict.fromkeys(in_words(option) for option in options)
        # `float | int` is named only as a number: type checkers want both types, and users need not.
        return " or ".join(word for word in words if word != _WORDS[int] or _WORDS[float] not in words)
    if origin in (tuple, list) and options:
        single = in_words(options[0])
        several = f"{len(options)} values" if Ellipsis not in options and origin is tuple else "values"
        return f"{several} separated by commas, each {single}"
    if origin in _WORDS:
        return _WORDS[origin]
    if _is_array(kind):
        return _WORDS[float] if getattr(kind, "dims", None) == () else "numbers, as in 1,2,3"
    return f"of type {getattr(kind, '__name__', kind)}"


def _one_of(text: str, options: tuple[Any, ...]) -> Any:
    named = {str(option): option for option in options}
    return named[text] if text in named else _refuse(text)


def _first_that_fits(text: str, options: tuple[Any, ...]) -> Any:
    """Read a value of the first type that fits; None comes first, and text last, because any value fits it."""
    reason = ""
    for option in sorted(options, key=lambda option: (option in (str, Path), option is not type(None))):
        try:
            return read_value(text, option)
        except ValueError as error:
            reason = reason or getattr(error, "reason", "")
    return _refuse(text, reason)


def _several(text: str, options: tuple[Any, ...]) -> list[Any]:
    """Read the elements of a list, a tuple of any length (`tuple[int, ...]`) or one of given kinds."""
    parts = _parts(text)
    # `list[int]`, `tuple[int, ...]` and plain `tuple` have elements of one type, in any number.
    alike = not options or len(options) == 1 or Ellipsis in options
    kinds = (options or (Any,))[:1] * len(parts) if alike else options
    if len(kinds) != len(parts):
        _refuse(text)
    return [read_value(part, kind) for part, kind in zip(parts, kinds, strict=True)]


def _parts(text: str) -> list[str]:
    """Split `(1, 2), (3, 4)`, `[1, 2]` or `1,2` into the texts of its elements."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return [part.strip() for part in text.split(",") if part.strip()]
    return [str(part) for part in value] if isinstance(value, (tuple, list)) else [str(value)]


def _whole(text: str) -> int:
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    return _refuse(text, "nan is no number") if math.isnan(value) else value


def _truth(text: str) -> bool:
    return bool(_one_of({"yes": "True", "no": "False"}.get(text.lower(), text.capitalize()), (True, False)))


def _none(text: str) -> None:
    if text.lower() != "none":
        _refuse(text)


_READERS: dict[Any, Callable[[str], Any]] = {
    int: _whole,
    float: _number,
    bool: _truth,
    str: str,
    type(None): _none,
    Path: Path,
}


def _is_array(kind: Any) -> bool:
    """Say whether a type is an array's: jaxtyping's, JAX's or numpy's."""
    import jax
    import numpy as np

    return hasattr(kind, "array_type") or (isinstance(kind, type) and issubclass(kind, (jax.Array, np.ndarray)))


def _array(text: str, kind: Any) -> Any:
    """Read numbers in the shape and dtype of a jaxtyping annotation."""
    import jax.numpy as jnp
    import numpy as np

    typed = hasattr(kind, "array_type")
    own = np if (kind.array_type if typed else kind) is np.ndarray else jnp
    value = _literal(text, Any)
    try:
        # JAX would take text for the name of a dtype.
        found = own.asarray(value) if np.asarray(value).dtype.kind in "biuf" else _refuse(text)
    except (TypeError, ValueError, OverflowError):
        return _refuse(text)
    # Whole numbers are accepted where real ones are expected.
    if typed and "float32" in kind.dtypes and found.dtype.kind == "i":
        found = found.astype(float)
    fits = isinstance(found, kind) and found.dtype.kind in "biuf"
    return found if fits else _refuse(text)


def _literal(text: str, kind: Any) -> Any:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text
    # `Any` is a class in Python 3.11, but nothing is an instance of it.
    wrong = isinstance(kind, type) and kind is not Any and not isinstance(value, kind)
    return _refuse(text) if wrong else value


class NoValue(ValueError):
    """A text is no value of a type; `reason` says why, if the type alone does not."""

    def __init__(self, text: str, reason: str = "") -> None:
        super().__init__(text)
        self.reason = reason


def _refuse(text: str, reason: str = "") -> Any:
    raise NoValue(text, reason)
