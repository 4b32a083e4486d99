"""`jax.jit` for functions whose arguments may hold more than arrays.

Models and policies arrive as records, plain objects or bare functions, often one inside another (a planner holds its
base policy). Array leaves are traced, so that new numbers do not compile again; every other leaf (a function, an
object that is no pytree, a string) is a compile-time constant (`_constants.py`). An object that has changed since is
another constant, and is compiled anew.

A planner has many fields and is called again and again, so a record of which nothing but constants can change is taken
apart once and known again by identity.
"""

import contextlib
import dataclasses
import functools
import logging
import math
import operator
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, ParamSpec, TypeVar

import jax
import numpy as np

from seriatim._constants import Constant, traced_in
from seriatim._errors import InputError, name_of, raised_inside, remembered
from seriatim._numbers import fits
from seriatim._unoptimised import known_options

P = ParamSpec("P")
R = TypeVar("R")

_TRACED = (jax.Array, np.ndarray, np.generic, bool, int, float, complex)
_traced_types: set[type] = set()


def jit(
    function: Callable[P, R], *, static_argnames: tuple[str, ...] = (), unoptimised: bool = False
) -> Callable[P, R]:
    """Compile `function`; leaves of its arguments that are not arrays or numbers become constants.

    Args:
        function: a pure function of pytrees.
        static_argnames: keyword arguments that are constants whatever they are (sizes, lengths).
        unoptimised: whether to compile without optimisations, because it is called a few times only, and by the host.
    """

    # `unknown` is another number where JAX stops at nan, and JAX does not compile anew where that flag has changed.
    programs = _compiled(function, unoptimised), _compiled(function, unoptimised)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        compiled = programs[jax.debug_nans.value]
        options: tuple[Any, ...] = ()
        names: tuple[str, ...] = ()
        if kwargs:  # decisions are called without, and the smallest take as long as this does
            options = tuple([(k, Constant(v)) for k, v in sorted(kwargs.items()) if k in static_argnames])
            names = tuple([k for k in sorted(kwargs) if k not in static_argnames])
        parts = [taken_apart(part) for part in (*args, *[kwargs[k] for k in names])]
        try:
            result: R = compiled([leaves for leaves, _ in parts], tuple([shell for _, shell in parts]), names, options)
        except _OF_USERS as error:
            mistake = _users_mistake(error, [leaf for leaves, _ in parts for leaf in leaves])
            if mistake is None:
                raise
            raise mistake from None
        return result

    return call


def _compiled(function: Callable[..., R], unoptimised: bool) -> Any:
    """Compile a function of arguments that have been taken apart."""

    def compiled(traced: Any, shells: Any, names: Any, options: Any) -> R:
        given = [shell.filled(leaves) for shell, leaves in zip(shells, traced, strict=True)]
        args = given[: len(given) - len(names)]
        kwargs = dict(zip(names, given[len(args) :], strict=True))
        with nothing_kept(*shells):
            result = function(*args, **kwargs, **{name: option.value for name, option in options})
        for shell, whole in zip(shells, given, strict=True):
            shell.found_as_left(whole)
        return result

    if unoptimised:
        # The compiler is asked for its options when the first program is needed.
        return _made_when_called(lambda: jax.jit(compiled, static_argnums=(1, 2, 3), compiler_options=known_options()))
    # Inlined, a function that calls this one is compiled as a whole.
    return jax.jit(compiled, static_argnums=(1, 2, 3), inline=True)


def _made_when_called(make: Callable[[], Any]) -> Any:
    """Return a function that is made at its first call."""
    made = functools.cache(make)
    return lambda *args: made()(*args)


# Errors that users' mistakes raise outside of their own code. The error of a callback is a ValueError at times.
_OF_USERS = (jax.errors.JaxRuntimeError, jax.errors.UnexpectedTracerError, OverflowError, ValueError, TypeError)


def _users_mistake(error: Exception, leaves: list[Any]) -> InputError | None:
    """Return a sentence for an error that was raised while a program ran, if a user's check or number is its cause."""
    if isinstance(error, OverflowError):
        large = [leaf for leaf in leaves if isinstance(leaf, int) and not fits(leaf)]
        return InputError(f"{large[0]} is a whole number too large for JAX; give a float.") if large else None
    # An array of a trace that was kept outside of it: JAX notices when it is used, or when the program is lowered.
    kept = isinstance(error, TypeError) and "No constant handler" in str(error) and "Tracer" in str(error)
    if kept or isinstance(error, jax.errors.UnexpectedTracerError):
        return InputError(remembered("A method of the model or a policy", error))
    said = raised_inside(error)
    if said is None:
        return None
    return InputError(f"A check in the model or a policy failed while they ran: {said.rstrip('.')}.")


def _is_not_ours(record: logging.LogRecord) -> bool:  # noqa: ARG001
    """Say whether a callback failed in a program of others: failures in ours are told in one sentence, once."""
    frame: Any = sys._getframe()
    while frame is not None and not (frame.f_code.co_filename == __file__ and frame.f_code.co_name == "call"):
        frame = frame.f_back
    return frame is None


# JAX writes a traceback to the log as well.
logging.getLogger("jax._src.callback").addFilter(_is_not_ours)


@contextlib.contextmanager
def nothing_kept(*shells: "_Shell") -> Iterator[None]:
    """Refuse models and policies that keep an array while they are traced: it would be that of another call later.

    Raises:
        InputError: naming their types.
    """
    constants = [each for shell in shells for each in shell.constants()]
    before = {id(each) for each in traced_in(constants)}  # of a function of the user's that is being traced
    yield
    if any(id(each) not in before for each in traced_in(constants)):
        names = " or ".join(sorted({name_of(each) for each in constants}))
        raise InputError(
            f"{names} keeps an array of a call, in an attribute or a variable; nothing may be remembered between calls "
            "but in the state."
        )


class _Shell:
    """The rest of an argument when its arrays are taken out: its structure, and its constants.

    There is one object for each shell, so that a compiled function is found by identity.
    """

    __slots__ = ("__weakref__", "_constants", "_structure")

    def __init__(self, structure: Any, constants: tuple[Constant, ...]) -> None:
        self._structure = structure
        self._constants = constants

    def held_by(self, structure: Any, constants: tuple[Constant, ...]) -> "_Shell":
        """Replace its parts by equal ones: these were read a moment ago, and the old ones may have changed since.

        Two objects with an equality of their own share a shell while they hold the same, and then one is changed.
        """
        if self is not _one_leaf:
            self._structure, self._constants = structure, constants
        return self

    def filled(self, traced: list[Any]) -> Any:
        """Put an argument together."""
        others = iter(self._constants)
        return jax.tree.unflatten(self._structure, [next(others).value if t is None else t for t in traced])

    def constants(self) -> tuple[Any, ...]:
        """Return the constants among the leaves."""
        return tuple([constant.value for constant in self._constants])

    def found_as_left(self, argument: Any) -> None:
        """Let this shell be found by its constants as they are after tracing, which may change them (a count of calls).

        That is no change of the user's, and tracing the program again would change them again.
        """
        if self is not _one_leaf:
            found = jax.tree.structure(argument), tuple([Constant(each.value) for each in self._constants])
            _shells.setdefault(found, self)


class _Known(NamedTuple):
    """A record taken apart: its fields at that time, the leaves, the shell, and the constants in it that can change."""

    fields: tuple[Any, ...]
    traced: list[Any]
    shell: _Shell
    parts: tuple[Any, tuple[Constant, ...]]
    watched: list[Constant]

    def is_as_it_was(self, argument: Any) -> bool:
        now = tuple(vars(argument).values())
        same = len(now) == len(self.fields) and all(map(operator.is_, self.fields, now))
        return same and not (self.watched and any(constant.has_changed() for constant in self.watched))


_one_leaf = _Shell(jax.tree.structure(0), ())
_shells: weakref.WeakValueDictionary[Any, _Shell] = weakref.WeakValueDictionary()
# Records taken apart before: a planner has many fields, and decides again and again.
# With the fields they had then: `__post_init__` may have given a record to a compiled function and gone on.
_known: weakref.WeakKeyDictionary[Any, _Known] = weakref.WeakKeyDictionary()


def taken_apart(argument: Any) -> tuple[list[Any], _Shell]:
    """Return the leaves of an argument, None in the place of constants, and its shell."""
    if _is_traced(argument):
        return [argument], _one_leaf
    known_again = _is_known_again(argument)
    found = _known.get(argument) if known_again else None
    if found is not None and found.is_as_it_was(argument):
        return found.traced, found.shell.held_by(*found.parts)
    leaves, structure = jax.tree.flatten(argument)
    traced = [leaf if _is_traced(leaf) else None for leaf in leaves]
    constants = tuple([Constant(leaf) for leaf, t in zip(leaves, traced, strict=True) if t is None])
    shell = _shells.get((structure, constants))
    if shell is None:
        # Another thread may have put one there meanwhile; both then use the same.
        shell = _shells.setdefault((structure, constants), _Shell(structure, constants))
    watched: list[Constant] = []
    if known_again and _stays(argument, watched):
        _known[argument] = _Known(tuple(vars(argument).values()), traced, shell, (structure, constants), watched)
    return traced, shell.held_by(structure, constants)


def _is_traced(leaf: Any) -> bool:
    """Say whether something is an array or a number. Asking that of a `jax.Array` takes long, so types are noted."""
    kind = type(leaf)
    if kind in _traced_types:
        return True
    traced = isinstance(leaf, _TRACED)
    # A tracer stands for an array or for something else; its type does not tell.
    if traced and not isinstance(leaf, jax.core.Tracer):
        _traced_types.add(kind)
    return traced


def _is_known_again(argument: Any) -> bool:
    """Say whether an argument is a record that equals nothing but itself, and can be watched until it is gone."""
    kind = type(argument)
    return dataclasses.is_dataclass(kind) and kind.__hash__ is object.__hash__ and kind.__weakrefoffset__ > 0


def _stays(part: Any, watched: list[Constant]) -> bool:
    """Say whether something is made of frozen records and tuples of arrays of JAX, numbers and constants only.

    Constants that can change are added to `watched`.
    """
    if isinstance(part, tuple):
        return all(_stays(each, watched) for each in part)
    if dataclasses.is_dataclass(type(part)):
        # With slots, `vars` cannot read the parts.
        if not hasattr(part, "__dict__"):
            return False
        frozen = type(part).__dataclass_params__.frozen
        return bool(frozen) and all(_stays(each, watched) for each in vars(part).values())
    # Arrays of NumPy can be written to, and a tracer belongs to one trace.
    if isinstance(part, (np.ndarray, jax.core.Tracer)):
        return False
    # Lists, dictionaries and other containers can change.
    if part is not None and not jax.tree_util.all_leaves([part]):
        return False
    if not isinstance(part, jax.Array):
        constant = Constant(part)
        watched += [] if constant.lasts else [constant]
    return True


def unknown() -> float:
    """Return the number that stands for an unknown one: nan, or infinity where JAX stops at nan (`jax_debug_nans`)."""
    return math.inf if jax.debug_nans.value else math.nan
