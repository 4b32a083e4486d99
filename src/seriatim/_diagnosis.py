"""Diagnosis of functions that JAX cannot trace: one sentence with the reason and the place in the user's own code.

JAX traces a function with arrays whose values are not known. A function that needs a value there, as a size or as a
condition, raises one of many exceptions, most of which speak of tracers. The remedy depends on where the value comes
from: a field of a record becomes a constant with `static()`; any other value must be computed with arrays.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from seriatim._errors import InputError, in_words, place_of, remembered

# Words of other errors that JAX raises when a value must be known.
_SAID_OF_VALUES = ("concrete value", "must have static", "must be static", "parameters to jaxpr equations")


def explanation(what: str, error: BaseException) -> str:
    """Say in one sentence why calling `what` raised `error`."""
    if isinstance(error, InputError):
        return f"{what}: {error}"
    place = place_of(error)
    if isinstance(error, jax.errors.TracerBoolConversionError):
        return (
            f"{what} decides on the value of an array in plain Python (if, while, and, or), which JAX cannot "
            f"compile{place}; use jnp.where or jax.lax.cond instead."
        )
    if isinstance(error, jax.errors.UnexpectedTracerError):
        return remembered(what, error)
    if isinstance(error, jax.errors.TracerArrayConversionError):
        return (
            f"{what} hands an array to NumPy or another library that needs its values, which are not known when JAX "
            f"compiles{place}; use jax.numpy (jnp.sin for np.sin, jnp.asarray of a table)."
        )
    if _needs_a_value(error):
        return (
            f"{what} uses the value of an array as a size or as a plain number (jnp.arange, a shape, range, int(), an "
            f"index of a list), which JAX must know when it compiles{place}; use arrays of fixed size with masks, and "
            "array indexing."
        )
    return f"{what} raised {in_words(error)}."


def field_explanation(what: str, error: BaseException, fields: Sequence[tuple[str, Any]]) -> str:
    """Say which fields of a record `what` needs as constants; `fields` are their names and values."""
    use = "a condition in plain Python" if isinstance(error, jax.errors.TracerBoolConversionError) else "a size"
    names = " and ".join(name for name, _ in fields)
    name, value = fields[0]
    kind = type(value).__name__
    return (
        f"{what} uses the field {names} as {use}{place_of(error)}, but planners treat fields as data, whose values are "
        f"not known when they compile; declare a constant: {name}: {kind} = st.static(default={value!r})."
    )


def constant_fields(tree: Any, attempt: Callable[[Any], object]) -> list[tuple[str, Any]]:
    """Return the fields of a tree that must be constants so that `attempt` does not raise; none if this does not help.

    Args:
        tree: an object whose numbers and arrays are traced by default.
        attempt: a function that raises when it is called with the traced tree; it is called while JAX traces.
    """
    with_paths, structure = jax.tree_util.tree_flatten_with_path(tree)
    leaves = [leaf for _, leaf in with_paths]
    numbers = {i for i, leaf in enumerate(leaves) if isinstance(leaf, (bool, int, float, np.generic))}
    data = [i for i, leaf in enumerate(leaves) if i in numbers or isinstance(leaf, (jax.Array, np.ndarray))]

    def works(constants: set[int]) -> bool:
        traced = [i for i in data if i not in constants]

        def call(values: list[Any]) -> None:
            filled = list(leaves)
            for i, value in zip(traced, values, strict=True):
                filled[i] = value
            attempt(jax.tree.unflatten(structure, filled))

        try:
            jax.eval_shape(call, [leaves[i] for i in traced])
        except Exception:
            return False
        return True

    needed = set(numbers)
    if not works(needed):
        return []
    for i in numbers:
        if works(needed - {i}):
            needed -= {i}
    return [(jax.tree_util.keystr(with_paths[i][0]).lstrip("."), leaves[i]) for i in sorted(needed)]


def _needs_a_value(error: BaseException) -> bool:
    """Say whether an exception comes from a value that is not known while JAX traces."""
    if isinstance(error, (jax.errors.ConcretizationTypeError, jax.errors.NonConcreteBooleanIndexError)):
        return True
    if isinstance(error, jax.errors.TracerIntegerConversionError):
        return True
    said = str(error)
    known = "Trace" in said and any(words in said for words in _SAID_OF_VALUES)
    return known and isinstance(error, (TypeError, IndexError))
