"""Frozen records that JAX can map, compile and differentiate through.

A *record* is a frozen dataclass registered as a pytree. Its fields are data (leaves: arrays, numbers, other
records) unless they are marked `static()`: sizes, options, names, which are compile-time constants.

Why not `jax.tree_util.register_dataclass`: it rebuilds records through `__init__`, so that `__post_init__` would run
inside every `vmap` and `jit`, on tracers. Here a record that JAX takes apart is put together again without either.
`__post_init__` therefore runs exactly when a person builds a record, the one moment when checks can speak in values.
"""

import dataclasses
import functools
import operator
import weakref
from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform

import jax

from seriatim._constants import Constants
from seriatim._errors import InputError

T = TypeVar("T")

_STATIC = "seriatim_static"
_NONE = Constants(())
# The classes that JAX knows.
_registered: weakref.WeakSet[type[Any]] = weakref.WeakSet()


def static(
    *,
    default: Any = dataclasses.MISSING,
    default_factory: Any = dataclasses.MISSING,
    init: bool = True,
) -> Any:
    """Mark a record's field as a compile-time constant: a size, an option, a name; never an array of JAX.

    Functions compiled for one value are compiled again for another. Values are told apart by type too: 2 is not 2.0.

    >>> @record
    ... class Grid:
    ...     heights: jax.Array
    ...     name: str = static(default="flat")
    >>> jax.tree.leaves(Grid(heights=1.0))
    [1.0]
    """
    return dataclasses.field(default=default, default_factory=default_factory, init=init, metadata={_STATIC: True})


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field, static))
def record(cls: type[T]) -> type[T]:
    """Make `cls` a frozen dataclass and a pytree.

    Fields are pytree leaves or subtrees, in order of definition, except those declared with `static()`.
    `__post_init__` runs when a user builds the record or calls `dataclasses.replace`, never inside `vmap`,
    `jit` or `tree.map`; it is the place for checks and for derived fields (`dataclasses.field(init=False)`, set with
    `object.__setattr__`).

    Records compare by identity: comparing arrays gives arrays, not an answer.
    """
    made = dataclasses.dataclass(frozen=True, eq=False)(cls)
    made.__reduce__ = _reduced  # type: ignore[method-assign]
    _register(made)
    return made


def moved(**hints: str) -> Callable[[type[T]], type[T]]:
    """Let a class answer names that it had before with one sentence that says what to write instead.

    Args:
        hints: for each keyword argument or attribute of before, the sentence.
    """

    def decorated(cls: type[T]) -> type[T]:
        made: Any = cls
        make = made.__init__

        @functools.wraps(make)
        def init(self: Any, *args: Any, **kwargs: Any) -> None:
            for name in kwargs.keys() & hints.keys():
                raise InputError(f"{cls.__name__} takes no {name} any more: {hints[name]}")
            make(self, *args, **kwargs)

        def missing(self: Any, name: str) -> Any:
            hint = f" any more: {hints[name]}" if name in hints else ""
            raise AttributeError(f"{cls.__name__} has no {name}{hint}", name=name, obj=self)

        made.__init__, made.__getattr__ = init, missing
        return cls

    return decorated


def _register(made: type[Any]) -> None:
    fields = dataclasses.fields(made)
    data = tuple(f.name for f in fields if not f.metadata.get(_STATIC))
    meta = tuple(f.name for f in fields if f.metadata.get(_STATIC))
    flatten, flatten_with_keys, unflatten = _pytree_functions(made, data, meta)
    jax.tree_util.register_pytree_with_keys(made, flatten_with_keys, unflatten, flatten)
    _registered.add(made)


def _reduced(self: Any) -> tuple[Any, ...]:
    """Say how a record travels to another process: its class, and its fields."""
    return _rebuilt, (type(self), dict(vars(self)))


def _rebuilt(cls: type[Any], fields: dict[str, Any]) -> Any:
    """Put a record together again. Its class may have travelled with it, from a script; then JAX has yet to know it."""
    if cls not in _registered:
        _register(cls)
    instance = object.__new__(cls)
    vars(instance).update(fields)
    return instance


def _pytree_functions(
    cls: type[Any], data: tuple[str, ...], meta: tuple[str, ...]
) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    keys = tuple(jax.tree_util.GetAttrKey(name) for name in data)

    children_of, values_of = _reader(data), _reader(meta)

    def constants_of(instance: Any) -> Constants:
        return Constants(values_of(instance)) if meta else _NONE

    def flatten(instance: Any) -> tuple[tuple[Any, ...], Constants]:
        return children_of(instance), constants_of(instance)

    def flatten_with_keys(instance: Any) -> tuple[tuple[Any, ...], Constants]:
        return tuple(zip(keys, children_of(instance), strict=True)), constants_of(instance)

    def unflatten(constants: Constants, children: tuple[Any, ...]) -> Any:
        instance = object.__new__(cls)
        vars(instance).update(zip(data, children, strict=True))
        vars(instance).update(zip(meta, constants.values, strict=True))
        return instance

    return flatten, flatten_with_keys, unflatten


def _reader(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """Return a function that reads attributes as a tuple, quickly: every call of a compiled function needs it."""
    if len(names) > 1:
        return operator.attrgetter(*names)
    return lambda instance: tuple([getattr(instance, name) for name in names])


def with_fields(instance: T, **changes: Any) -> T:
    """Copy a record with other values in some fields, as JAX would: without `__post_init__`.

    For compiled code, where fields may be tracers that no check can read. Elsewhere use `dataclasses.replace`.
    """
    copy = object.__new__(type(instance))
    for field in dataclasses.fields(instance):  # type: ignore[arg-type]
        value = changes[field.name] if field.name in changes else getattr(instance, field.name)
        object.__setattr__(copy, field.name, value)
    return copy
