"""Checkpoints: a pytree of arrays as one file, bit for bit, in a format that runs nothing when it is read.

The format is safetensors: names, types, shapes, and raw numbers. Arrays are named by their places in the tree, and a
checkpoint is only ever read into a *template*, a tree of the same places, types and shapes: what does not fit is
refused in a sentence, and never guessed at. The format itself would not notice a flipped bit, so a stamp with a digest
stands in its header. The digest of the arrays is one of the entries, so that the header can be checked alone.

Source of the format: github.com/huggingface/safetensors (a pickle, which is not used, can run any program).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import safetensors.numpy
from jaxtyping import Shaped

from seriatim._errors import InputError
from seriatim._files import MEGABYTE, as_path, read_bytes, write_atomically
from seriatim.training.runs._stamp import STAMP, Kind, digest_of_arrays, parsed, stamped, without_stamp

CHECKPOINT = Kind(
    "checkpoint",
    "seriatim checkpoint 2",
    "give another, or remove it if it is the last of a run, which then goes on from the one before",
    {"kinds": "an object of texts", "arrays": "a text", "about": "an object"},
)
# The largest file that is read, and the largest header of one, in bytes.
LARGEST, LARGEST_HEADER = 16 * 1024 * MEGABYTE, 64 * MEGABYTE
ADVICE = "give the path of a checkpoint"
# The name of an array that is no part of a tree.
ALONE = "value"
T = TypeVar("T")


class _Leaf(NamedTuple):
    """An array as it is stored: numbers that every reader knows, and what they stand for."""

    numbers: Shaped[np.ndarray, "..."]
    kind: str


def save_checkpoint(path: str | Path, tree: Any, about: Mapping[str, Any] | None = None) -> None:
    """Write a pytree of arrays, at once or not at all.

    Args:
        path: of the file; what was there is replaced.
        tree: of arrays and numbers of any type that JAX has, typed keys among them.
        about: what else to say of it, as JSON can; `about_checkpoint` reads it.

    Raises:
        InputError: there is something else than arrays in the tree, or JSON cannot say `about`.
        OSError: it cannot be written; what was there before is still there.
    """
    path, leaves = as_path(path), _stored(tree)
    arrays = {name: leaf.numbers for name, leaf in leaves.items()}
    kinds = {name: leaf.kind for name, leaf in leaves.items()}
    said = {"kinds": kinds, "arrays": digest_of_arrays(arrays), "about": {} if about is None else about}
    try:
        head = stamped(said, CHECKPOINT)
        CHECKPOINT.require_types(head)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"about cannot be written as JSON ({error}); give texts, numbers, lists and dicts.") from None
    # All under one name: the format keeps several in no order, and equal states shall be equal files.
    write_atomically(path, safetensors.numpy.save(arrays, {STAMP: json.dumps(head)}))


def about_checkpoint(path: str | Path) -> dict[str, Any]:
    """Return what `save_checkpoint` was told about a checkpoint; its arrays are not read.

    Raises:
        InputError: there is no such file, or it is damaged or something else.
    """
    start = read_bytes(path, ADVICE, limit=LARGEST, first=8)
    header = read_bytes(path, ADVICE, limit=LARGEST, first=8 + min(_length(start), LARGEST_HEADER))
    about: dict[str, Any] = _head(Path(path), header)["about"]
    return about


def load_checkpoint(path: str | Path, template: T, *, part: str = "") -> T:
    """Read a pytree of the structure, types and shapes of `template`.

    Args:
        path: of the file.
        template: what it is read into. Only shapes and types count, so `jax.eval_shape` may have made it.
        part: the place of what is read in the tree that was written, such as ".parameters"; by default all of it.

    Raises:
        InputError: there is no such file, it is damaged or something else, or it does not fit the template; the
            sentence names the first array that differs.
    """
    content = read_bytes(path, ADVICE, limit=LARGEST)
    head = _head(Path(path), content)
    arrays = _arrays(Path(path), content)
    if head["arrays"] != digest_of_arrays(arrays) or arrays.keys() != head["kinds"].keys():
        raise CHECKPOINT.damaged(Path(path), "its arrays are not what was written")
    arrays, kinds = _below(part, arrays), _below(part, head["kinds"])
    expected = _expected(template)
    _require_the_same(Path(path), arrays, kinds, expected)
    leaves = [_array(arrays[name], leaf.kind) for name, leaf in expected.items()]
    restored: T = jax.tree.unflatten(jax.tree.structure(template), leaves)
    return restored


def _stored(tree: Any) -> dict[str, _Leaf]:
    named, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path) or ALONE: _leaf(value, jax.tree_util.keystr(path)) for path, value in named}


def _expected(template: Any) -> dict[str, _Leaf]:
    """Return what arrays of the shapes and types of a template are stored as."""
    return _stored(jax.tree.map(_zeros, template))


def _zeros(leaf: Any) -> Any:
    """Return an array in the place of a shape and a type; what is an array stays."""
    return jnp.zeros(leaf.shape, leaf.dtype) if isinstance(leaf, jax.ShapeDtypeStruct) else leaf


def _below(part: str, named: dict[str, T]) -> dict[str, T]:
    """Return what lies below a place in the tree, named from there."""
    if part in named:
        return {ALONE: named[part]}
    # ".policy" is no part of ".policy_before".
    return {name.removeprefix(part): entry for name, entry in named.items() if _is_below(part, name)}


def _is_below(part: str, name: str) -> bool:
    return not part or (name.startswith(part) and name[len(part)] in ".[")


def _leaf(value: Any, place: str) -> _Leaf:
    if isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        return _Leaf(np.asarray(jax.random.key_data(value)), f"key {jax.random.key_impl(value)}")
    try:
        numbers = np.ascontiguousarray(jnp.asarray(value))
    except (TypeError, ValueError):
        kind = type(value).__name__
        raise InputError(
            f"tree{place} is {value!r:.60} of type {kind}; a checkpoint is of arrays and numbers."
        ) from None
    kind = numbers.dtype.name
    # Types that numpy knows only by way of an extension (bfloat16 and the like) are stored as their bits.
    if numbers.dtype.isbuiltin != 1:
        numbers = numbers.view(f"u{numbers.dtype.itemsize}")
    return _Leaf(numbers.reshape(np.shape(jnp.asarray(value))), kind)


def _array(numbers: Shaped[np.ndarray, "..."], kind: str) -> jax.Array:
    if kind.startswith("key "):
        key: jax.Array = jax.random.wrap_key_data(jnp.asarray(numbers), impl=kind.removeprefix("key "))
        return key
    dtype = jnp.dtype(kind)
    return jnp.asarray(numbers if numbers.dtype == dtype else numbers.view(dtype))


def _length(content: bytes) -> int:
    """Return how long the header is that follows the first eight bytes."""
    return int.from_bytes(content[:8], "little")


def _head(path: Path, content: bytes) -> dict[str, Any]:
    """Return what the header says, whose digest has been checked."""
    try:
        header = content[8 : 8 + _length(content)]
        if len(content) < 8 or len(header) < _length(content):
            raise ValueError("its header is cut off")
        metadata = parsed(header).get("__metadata__")
    except ValueError as error:
        raise CHECKPOINT.damaged(path, str(error)) from error
    if not isinstance(metadata, dict) or not isinstance(metadata.get(STAMP), str):
        raise InputError(f"{path} was not written as a checkpoint of seriatim; give one that was.")
    return without_stamp(path, metadata[STAMP], CHECKPOINT)


def _arrays(path: Path, content: bytes) -> dict[str, Shaped[np.ndarray, "..."]]:
    try:
        return safetensors.numpy.load(content)
    # The latter two: types that NumPy does not have.
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
        raise CHECKPOINT.damaged(path, str(error).rstrip(".")) from error


def _require_the_same(
    path: Path,
    arrays: dict[str, Shaped[np.ndarray, "..."]],
    kinds: dict[str, str],
    expected: dict[str, _Leaf],
) -> None:
    for name in sorted(arrays.keys() ^ expected.keys()):
        has = "has" if name in arrays else "lacks"
        raise InputError(f"{path} {has} {name}, unlike what it is to be read into; it was written by another setting.")
    for name, leaf in expected.items():
        found = f"{kinds[name]}{list(arrays[name].shape)}"
        wanted = f"{leaf.kind}{list(leaf.numbers.shape)}"
        if found != wanted:
            raise InputError(
                f"{path}: {name} is {found}, where {wanted} is expected; it was written by another setting."
            )
