"""The work of a process for another: unpack, compute, pack; and errors in a form that arrives.

An error that cannot be packed, or unpacked again, must not be mistaken for a worker that died. So errors are results,
and each is sent with its type, text and traceback in words.
"""

import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from seriatim._errors import at_place, users_frame
from seriatim.parallel._configuration import in_this_process

# What was unpacked in this worker, by the name it was put into the store under; the last few.
_UNPACKED: dict[Any, Any] = {}
REMEMBERED = 4


class RemoteError(RuntimeError):
    """An error in another process that could not be sent as it is; the message has its type and its text."""


class _RemoteTraceback(Exception):
    """The cause of an error that was raised in another process: where it came from, in words."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class Failure(NamedTuple):
    """An error on its way to the process that asked for the work.

    Attributes:
        packed: the error itself; None if it would not be the same when it is unpacked.
        said: its type and its text.
        trace: the traceback.
        place: file, line and function of the user's code that raised it, if it did.
    """

    packed: bytes | None
    said: str
    trace: str
    place: tuple[str, int, str] | None

    def unpacked(self, loads: Callable[[bytes], Any]) -> BaseException:
        """Return the error to raise."""
        error = None if self.packed is None else _or_none(loads, self.packed)
        if not isinstance(error, BaseException):
            error = RemoteError(self.said)
        error.__cause__ = _RemoteTraceback(self.trace)
        return error if self.place is None else at_place(error, *self.place)


def work(packed: list[Any], journey: list[Any]) -> list[Any] | Failure:
    """Do some parts, in a worker."""
    try:
        function, shared = _unpacked(*packed)
        return [portable(function(shared, *with_keys(given))) for given in journey]
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # `sys.exit` too, which would end the worker, and seem to be its death
        return _failure(error)


def _unpacked(reference: Any) -> tuple[Callable[..., Any], Any]:
    """Return what is shared, having put the configuration in force that goes with it."""
    if reference not in _UNPACKED:
        import ray

        function, shared, configuration = ray.cloudpickle.loads(ray.get(reference))
        in_this_process(configuration)  # before arrays are made, of 64 bits perhaps
        while len(_UNPACKED) >= REMEMBERED:
            _UNPACKED.pop(next(iter(_UNPACKED)))
        # Unpacked once, so that constants stay the same objects, and nothing is compiled again.
        arrays = jax.tree.map(lambda leaf: _array(leaf), shared)
        _UNPACKED[reference] = function, with_keys(arrays), configuration
    function, shared, configuration = _UNPACKED[reference]
    in_this_process(configuration)
    return function, shared


def _failure(error: BaseException) -> Failure:
    from ray import cloudpickle

    lines = str(error).strip().splitlines() or ["no message"]
    frame = users_frame(error)
    place = None if frame is None else (frame.filename, frame.lineno or 0, frame.name)
    trace = "".join(traceback.format_exception(error))
    return Failure(_packed(error, cloudpickle), f"{type(error).__name__}: {lines[0]}", trace, place)


def _packed(error: BaseException, cloudpickle: Any) -> bytes | None:
    """Return an error as bytes if it comes out of them as it is."""
    content = _or_none(cloudpickle.dumps, error)
    again = content and _or_none(cloudpickle.loads, content)
    is_same = type(again).__qualname__ == type(error).__qualname__ and str(again) == str(error)
    return content if is_same else None


def _or_none(function: Callable[[Any], Any], argument: Any) -> Any:
    """Call a function of pickle, which may run code of the user's; None if that fails, in whatever way."""
    try:
        return function(argument)
    except Exception:
        return None


class _KeyData(NamedTuple):
    """A typed key, as numbers."""

    data: Any
    implementation: str


def portable(tree: Any) -> Any:
    """Return the tree with arrays of NumPy, which other processes can read; keys as numbers."""

    def one(leaf: Any) -> Any:
        if not isinstance(leaf, jax.Array):
            return leaf
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return _KeyData(np.asarray(jax.random.key_data(leaf)), str(jax.random.key_impl(leaf)))
        return np.asarray(leaf)

    return jax.tree.map(one, tree)


def with_keys(tree: Any) -> Any:
    """Return a portable tree with its keys; arrays stay NumPy's."""

    def one(leaf: Any) -> Any:
        return jax.random.wrap_key_data(leaf.data, impl=leaf.implementation) if isinstance(leaf, _KeyData) else leaf

    return jax.tree.map(one, tree, is_leaf=lambda node: isinstance(node, _KeyData))


def _array(leaf: Any) -> Any:
    return jnp.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf
