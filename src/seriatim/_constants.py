"""Constants of compiled programs: told apart by type and value, and seen when they change.

A program that was compiled for one constant must not serve another. Python's own equality is too coarse for that
(2 == 2.0, 1 == True, 0.0 == -0.0, also inside tuples) and at one place too fine (nan != nan). And an instance of an
ordinary class, which can change, equals itself before and after.

A *key* stands for a constant as it is now. Where two keys are equal, a program compiled for one constant serves the
other:

* numbers, strings, enumerations: type and value;
* tuples, frozen sets, frozen dataclasses: type and parts;
* lists, dictionaries, sets, deques, arrays of NumPy and of Python, other objects: identity, type and contents,
  attributes, and data of the class;
* functions: identity, defaults, the variables they close over, and the global data they read;
* objects with equality and hash of their own: type, these, attributes and contents, and data of the class; objects of
  Python's own library: type, these, and what they print;
* arrays of JAX, records in which nothing can change, classes, modules, and what shows nothing of itself: identity.

What a key does not see, as `jax.jit` does not either: global variables that methods read, and what is inside objects
written in C that have no attributes, no items and no buffer.
"""

import dis
import enum
import functools
import hashlib
import operator
import sys
import types
import weakref
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Set
from typing import Any

import jax
import numpy as np

from seriatim._errors import InputError, is_users

# Types whose values are all that there is to them. Of floats, 0.0 == -0.0 and nan != nan.
_PLAIN = frozenset([bool, int, str, bytes, type(None), type(...)])
_READ_LATER = _PLAIN | {float}
# Global variables of these types are taken to stay what they are.
_LASTING = (types.ModuleType, type, types.BuiltinFunctionType)
# Where a function is from that was typed in.
_INTERACTIVE = ("<stdin>", "<python-input", "<ipython-input")


class Same:
    """Things compared by identity. They are kept, so that no others take their places in memory."""

    __slots__ = ("things",)

    def __init__(self, *things: object) -> None:
        self.things = things

    def __eq__(self, other: object) -> bool:
        if type(other) is not Same or len(self.things) != len(other.things):
            return False
        return all(map(operator.is_, self.things, other.things))

    def __hash__(self) -> int:
        return id(self.things[0])


class Constant:
    """A value with its key; `lasts` says that the key will stay what it is."""

    __slots__ = ("key", "lasts", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.key, self.lasts = key_of(value)

    def has_changed(self) -> bool:
        """Say whether the value is no longer what it was when this was made."""
        return not self.lasts and key_of(self.value)[0] != self.key

    def __eq__(self, other: object) -> bool:
        return self is other or (type(other) is Constant and bool(self.key == other.key))

    def __hash__(self) -> int:
        return hash(self.key)


class Constants:
    """Some values that are compared as constants are: what JAX is given as the constant part of a record."""

    __slots__ = ("_keys", "values")

    def __init__(self, values: tuple[Any, ...]) -> None:
        self.values = values
        # Records are taken apart far more often than compared, and what cannot change can be read when it is asked.
        self._keys = None if _READ_LATER.issuperset(map(type, values)) else self._read()

    def _read(self) -> tuple[Hashable, ...]:
        return tuple([key_of(value)[0] for value in self.values])

    def keys(self) -> tuple[Hashable, ...]:
        """Return the keys of the values, as they were when this was made."""
        if self._keys is None:
            self._keys = self._read()
        return self._keys

    def __eq__(self, other: object) -> bool:
        return self is other or (type(other) is Constants and self.keys() == other.keys())

    def __hash__(self) -> int:
        return hash(self.keys())

    def __repr__(self) -> str:
        return repr(self.values)


def key_of(value: Any) -> tuple[Hashable, bool]:
    """Return the key of a constant as it is now, and whether it will stay the same."""
    if type(value) in _PLAIN:
        return (type(value), value), True
    walk = _Walk()
    try:
        return walk.key(value), walk.lasts
    except RecursionError:
        raise InputError(
            f"{type(value).__name__} is a compile-time constant and holds objects in objects, too deep to see whether "
            "they have changed; make it a record (st.record), or hold less in it."
        ) from None


def traced_in(values: Iterable[Any]) -> list[Any]:
    """Return the arrays that constants hold and that JAX is tracing, or was: what a method has kept meanwhile."""
    walk = _Walk()
    walk.keys(values)
    return walk.traced


class _Walk:
    """A walk through a constant and all that it holds; `lasts` until something is met that can change.

    `traced` are the arrays met that JAX is tracing functions with.
    """

    def __init__(self) -> None:
        self.lasts = True
        self.traced: list[Any] = []
        self._depth = 0
        # What has been met, with its number; it is kept, so that nothing else takes its id.
        self._met: dict[int, tuple[int, Any]] = {}

    def key(self, value: Any) -> Hashable:
        if type(value) in _PLAIN:
            return type(value), value
        if id(value) in self._met:
            return "met", self._met[id(value)][0]
        self._met[id(value)] = len(self._met), value
        key: Hashable = _key(value, self)
        return key

    def keys(self, values: Iterable[Any]) -> tuple[Hashable, ...]:
        return tuple([self.key(value) for value in values])

    def named(self, values: Mapping[str, Any]) -> tuple[Hashable, ...]:
        return tuple([(name, self.key(value)) for name, value in list(values.items())])

    def within(self, read: Callable[[], Hashable]) -> tuple[Hashable, bool]:
        """Return what is read of an object's inside, and whether it lasts."""
        before, self.lasts = self.lasts, True
        self._depth += 1
        held = read()
        self._depth -= 1
        lasts, self.lasts = self.lasts, self.lasts and before
        return held, lasts

    def changing(self, value: Any, read: Callable[[], Hashable]) -> Hashable:
        """Return the key of something that can change.

        A program that is written again for the same key reads the object itself, so it must be the same one. That goes
        for the outermost; what is in it, it still holds if the contents are the same.
        """
        held, _ = self.within(read)
        return self.changed(value, held)

    def changed(self, value: Any, held: Hashable) -> Hashable:
        """Return the key of something that can change, and now holds this."""
        self.lasts = False
        return type(value), None if self._depth else Same(value), held


@functools.singledispatch
def _key(value: Any, walk: _Walk) -> Hashable:
    """Return the key of an object of a class that is not named below."""
    kind: Any = type(value)
    if isinstance(value, jax.Array):
        walk.traced += [value] if isinstance(value, jax.core.Tracer) else []
        return Same(value)
    if _is_frozen(kind):
        return _frozen(value, walk)
    attributes = _attributes(value)
    if kind.__eq__ is not object.__eq__ and _has_hash(value):
        return _own_equality(value, attributes, walk)
    wrapped = getattr(value, "__wrapped__", None)
    if wrapped is not None:
        return Same(value), walk.key(wrapped)
    contents = _contents(value)
    if attributes is None and contents is None:
        return Same(value)
    return walk.changing(value, lambda: _inside(kind, attributes, contents, walk))


def _inside(
    kind: type, attributes: dict[str, Any] | None, contents: Callable[[_Walk], Hashable] | None, walk: _Walk
) -> Hashable:
    """Return all that an object shows of itself."""
    held = None if contents is None else contents(walk)
    return held, walk.named(attributes or {}), walk.named(_data_of(kind))


def _own_equality(value: Any, attributes: dict[str, Any] | None, walk: _Walk) -> Hashable:
    """Return the key of an object that has an equality of its own.

    It may be coarser than what a program depends on: it may compare a name alone, or say that 2 is 2.0.
    """
    kind: Any = type(value)
    if kind.__module__.partition(".")[0] in sys.stdlib_module_names:
        # Decimal("0") equals Decimal("-0"). Attributes are not for us: a path notes what it has been asked for.
        return kind, value, repr(value)
    contents = _contents(value)
    if attributes is None and contents is None:
        return kind, value
    held, lasts = walk.within(lambda: _inside(kind, attributes, contents, walk))
    walk.lasts &= lasts and contents is None and not _can_be_set(kind)
    return kind, value, held


def _contents(value: Any) -> Callable[[_Walk], Hashable] | None:
    """Return a function that reads the items or the memory of an object written in C; None if it shows none.

    Those of objects written in Python are in their attributes.
    """
    try:
        memoryview(value).release()
    except (TypeError, ValueError, BufferError):
        written_in_c = not isinstance(getattr(type(value), "__iter__", None), types.FunctionType)
        return (lambda walk: _items(value, walk)) if written_in_c and isinstance(value, Collection) else None
    return lambda _: _memory(value)


def _items(value: Any, walk: _Walk) -> Hashable:
    if isinstance(value, Mapping):
        return tuple([(walk.key(k), walk.key(v)) for k, v in list(value.items())])
    keys = walk.keys(value)
    return frozenset(keys) if isinstance(value, Set) else keys


def _memory(value: Any) -> Hashable:
    with memoryview(value) as memory:
        # A digest, since a key is kept as long as the program.
        return memory.format, memory.shape, hashlib.blake2b(memory.tobytes(), digest_size=16).digest()


def _frozen(value: Any, walk: _Walk) -> Hashable:
    """Return the key of a frozen dataclass: its parts; where identity is its equality and nothing changes, that."""
    kind: Any = type(value)
    fields = _attributes(value) or {}
    if kind.__eq__ is not object.__eq__:
        return kind, walk.named(fields)
    parts = Same(*fields.values())
    can_be_noted = kind.__weakrefoffset__ > 0 and kind.__hash__ is object.__hash__
    if not (can_be_noted and _lasting.get(value) == parts):
        held, lasts = walk.within(lambda: walk.named(fields))
        if not lasts:
            return walk.changed(value, held)
        if can_be_noted:
            _lasting[value] = parts
    return Same(value, *parts.things)


# Records in which nothing can change, and their parts.
_lasting: weakref.WeakKeyDictionary[Any, Same] = weakref.WeakKeyDictionary()


def _function(value: types.FunctionType, walk: _Walk) -> Hashable:
    same, names = Same(value, value.__code__), _global_names(value)
    if not (names or value.__closure__ or value.__defaults__ or value.__kwdefaults__ or value.__dict__):
        return same
    read = [value.__globals__[name] for name in names if name in value.__globals__]
    changing = [cell.cell_contents for cell in value.__closure__ or () if _is_full(cell)]
    changing += [each for name, each in value.__dict__.items() if name != "__wrapped__"]
    changing += [each for each in read if not isinstance(each, types.FunctionType)]
    fixed = [value.__defaults__, *(value.__kwdefaults__ or {}).values(), value.__dict__.get("__wrapped__")]
    # Of other modules, functions are taken to stay what they are.
    helpers = [each for each in read if isinstance(each, types.FunctionType)]
    fixed += [each for each in helpers if each.__globals__ is value.__globals__]
    held, _ = walk.within(lambda: walk.keys([*changing, *fixed]))
    walk.lasts &= not changing
    return same, held


def _with_attributes(reader: Callable[[Any, _Walk], Hashable]) -> Callable[[Any, _Walk], Hashable]:
    """Read attributes too, which objects have whose class is derived from a type of Python or NumPy."""

    def read(value: Any, walk: _Walk) -> Hashable:
        held = reader(value, walk)
        settable = _can_be_set(type(value)) and not isinstance(value, enum.Enum)
        attributes = _attributes(value) if settable else None
        if attributes is None:
            return held
        more, _ = walk.within(lambda: walk.named(attributes))
        walk.lasts = False
        return held, more

    return read


def _array(value: np.ndarray, walk: _Walk) -> Hashable:
    def contents() -> Hashable:
        if value.dtype.hasobject:
            return value.shape, walk.keys(value.ravel().tolist())
        # A digest, since a key is kept as long as the program.
        digest = hashlib.blake2b(value.tobytes(), digest_size=16).digest()
        return str(value.dtype), value.shape, digest

    return walk.changing(value, contents)


def _plain(value: Any, _: _Walk) -> Hashable:
    return type(value), value


def _same(value: Any, _: _Walk) -> Hashable:
    return Same(value)


def _container(value: Any, walk: _Walk) -> Hashable:
    return walk.changing(value, lambda: _items(value, walk))


def _reference(value: weakref.ref[Any], walk: _Walk) -> Hashable:
    return walk.changing(value, lambda: walk.key(value()))


def _partial(value: Any, walk: _Walk) -> Hashable:
    return walk.changing(value, lambda: walk.keys([value.func, *value.args, value.keywords]))


# Of these, attributes are read by their readers, or not at all.
_BARE = (types.FunctionType, types.MethodType, types.ModuleType, type, np.ufunc, np.generic, enum.Enum)
_READERS: list[tuple[tuple[type, ...], Callable[[Any, _Walk], Hashable]]] = [
    ((int, str, bytes, enum.Enum, range), _plain),
    ((slice,), lambda value, walk: (slice, walk.keys([value.start, value.stop, value.step]))),
    ((float,), lambda value, _: (type(value), value.hex())),
    ((complex,), lambda value, _: (type(value), value.real.hex(), value.imag.hex())),
    ((np.generic,), lambda value, _: (type(value), str(value.dtype), value.tobytes())),
    ((tuple,), lambda value, walk: (type(value), walk.keys(value))),
    ((frozenset,), lambda value, walk: (type(value), frozenset(walk.keys(value)))),
    ((list, set, dict, types.MappingProxyType), _container),
    ((weakref.ref,), _reference),
    ((np.ndarray,), _array),
    ((types.FunctionType,), _function),
    ((types.MethodType,), lambda value, walk: (type(value), walk.keys([value.__self__, value.__func__]))),
    ((functools.partial,), _partial),
    ((types.ModuleType, type, np.ufunc), _same),
]
for _kinds, _reader in _READERS:
    for _kind in _kinds:
        _key.register(_kind, _reader if _kind in _BARE else _with_attributes(_reader))


def _is_frozen(kind: type) -> bool:
    """Say whether instances of a class are frozen dataclasses, or frozen classes of attrs."""
    if hasattr(kind, "__attrs_attrs__"):
        return getattr(kind.__setattr__, "__name__", "") == "_frozen_setattrs"
    return bool(getattr(getattr(kind, "__dataclass_params__", None), "frozen", False))


def _can_be_set(kind: type) -> bool:
    """Say whether objects of a class have attributes that can be set: a dictionary of them, or slots of Python."""
    return kind.__dictoffset__ != 0 or any(vars(base).get("__slots__") for base in kind.__mro__)


def _has_hash(value: Any) -> bool:
    """Say whether a value can be hashed."""
    try:
        hash(value)
    except Exception:
        return False
    return True


def _is_full(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is cell.cell_contents
    except ValueError:
        return False


def _attributes(value: Any) -> dict[str, Any] | None:
    """Return the attributes of an object, without calling anything of its class; None if it shows none."""
    slots, _ = _shape_of(type(value))
    own = getattr(value, "__dict__", None)
    if not slots:
        return own
    found = dict(own or {})
    for name, member in slots.items():
        try:
            found[name] = member.__get__(value)
        except AttributeError:  # not set
            continue
    return found


def _data_of(kind: type) -> dict[str, Any]:
    """Return the attributes of a class that are no functions, properties and the like."""
    return {name: getattr(kind, name, None) for name in _shape_of(kind)[1]}


_shapes: weakref.WeakKeyDictionary[type, tuple[dict[str, Any], list[str]]] = weakref.WeakKeyDictionary()


def _shape_of(kind: type) -> tuple[dict[str, Any], list[str]]:
    """Return the slots of a class, and the names of its data."""
    shape = _shapes.get(kind)
    if shape is None:
        every = {name: each for base in reversed(kind.__mro__) for name, each in vars(base).items()}
        named = {name: each for name, each in every.items() if not name.startswith("__")}
        slots = {name: each for name, each in named.items() if isinstance(each, types.MemberDescriptorType)}
        shape = slots, [name for name, each in named.items() if not hasattr(each, "__get__")]
        _shapes[kind] = shape
    return shape


_names_of_globals: weakref.WeakKeyDictionary[types.FunctionType, tuple[str, ...]] = weakref.WeakKeyDictionary()


def _global_names(function: types.FunctionType) -> tuple[str, ...]:
    """Return the names of the global data and functions that a function of the user's reads, or one inside it."""
    names = _names_of_globals.get(function)
    if names is None:
        file, known = function.__code__.co_filename, function.__globals__
        read = _read_by(function.__code__) if is_users(file) or file.startswith(_INTERACTIVE) else set()
        data = [name for name in sorted(read) if not isinstance(known.get(name, len), _LASTING)]
        names = _names_of_globals.setdefault(function, tuple(data))
    return names


def _read_by(code: types.CodeType) -> set[str]:
    every = {each.argval for each in dis.get_instructions(code) if each.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    names = {name for name in every if not name.startswith("__")}
    return names.union(*[_read_by(each) for each in code.co_consts if isinstance(each, types.CodeType)])
