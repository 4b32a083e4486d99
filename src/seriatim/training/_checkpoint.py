"""Checkpoints: a pytree of arrays as one file, bit for bit, in a format that runs nothing when it is read.

The format is safetensors: names, types, shapes, and raw numbers. Arrays are named by their places in the tree, and a
checkpoint is only ever read into a *template*, a tree of the same places, types and shapes: what does not fit is
refused in a sentence, and never guessed at. The format itself would not notice a flipped bit, so a digest of the
content stands in its header.

Source of the format: github.com/huggingface/safetensors (a pickle, which is not used, can run any program).
"""

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import Shaped

from seriatim._errors import InputError
from seriatim._files import write_atomically

FORMAT = "seriatim checkpoint 1"
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
        OSError: it cannot be written; what was there before is still there.
    """
    leaves = _stored(tree)
    arrays = {name: leaf.numbers for name, leaf in leaves.items()}
    kinds = {name: leaf.kind for name, leaf in leaves.items()}
    head = {"format": FORMAT, "version": version("seriatim"), "kinds": kinds, "about": dict(about or {})}
    head["digest"] = _digest(arrays, head)
    # All under one name: the format keeps several in no order, and equal states shall be equal files.
    write_atomically(Path(path), safetensors.numpy.save(arrays, {"seriatim": json.dumps(head)}))


def about_checkpoint(path: str | Path) -> dict[str, Any]:
    """Return what `save_checkpoint` was told about a checkpoint; its arrays are not read.

    Raises:
        InputError: there is no such file, or it is damaged or something else.
    """
    _, head = _read(Path(path), arrays=False)
    about: dict[str, Any] = head["about"]
    return about


def load_checkpoint(path: str | Path, template: T, *, part: str = "") -> T:
    """Read a pytree of the structure, types and shapes of `template`.

    Args:
        path: of the file.
        template: what it is read into.
        part: the place of what is read in the tree that was written, such as ".parameters"; by default all of it.

    Raises:
        InputError: there is no such file, it is damaged or something else, or it does not fit the template; the
            sentence names the first array that differs.
    """
    arrays, head = _read(Path(path))
    if head["digest"] != _digest(arrays, head):
        raise _damaged(Path(path), "its content is not what was written")
    arrays, kinds = _below(part, arrays), _below(part, head["kinds"])
    expected = _stored(template)
    _require_the_same(Path(path), arrays, kinds, expected)
    leaves = [_array(arrays[name], leaf.kind) for name, leaf in expected.items()]
    restored: T = jax.tree.unflatten(jax.tree.structure(template), leaves)
    return restored


def _stored(tree: Any) -> dict[str, _Leaf]:
    named, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path) or ALONE: _leaf(value) for path, value in named}


def _below(part: str, named: dict[str, T]) -> dict[str, T]:
    """Return what lies below a place in the tree, named from there."""
    if part in named:
        return {ALONE: named[part]}
    # ".policy" is no part of ".policy_before".
    return {name.removeprefix(part): entry for name, entry in named.items() if _is_below(part, name)}


def _is_below(part: str, name: str) -> bool:
    return not part or (name.startswith(part) and name[len(part)] in ".[")


def _leaf(value: Any) -> _Leaf:
    if isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        return _Leaf(np.asarray(jax.random.key_data(value)), f"key {jax.random.key_impl(value)}")
    numbers = np.ascontiguousarray(jnp.asarray(value))
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


def _read(path: Path, *, arrays: bool = True) -> tuple[dict[str, Shaped[np.ndarray, "..."]], dict[str, Any]]:
    """Return the arrays of a file, where they are wanted, and its header."""
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            found = {name: file.get_tensor(name) for name in file.keys() if arrays}  # noqa: SIM118
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such checkpoint; give the path of one.") from None
    except (safetensors.SafetensorError, OSError) as error:
        raise _damaged(path, str(error).rstrip(".")) from error
    if "seriatim" not in metadata:
        raise InputError(f"{path} was not written as a checkpoint of seriatim; give one that was.")
    return found, _head(path, metadata["seriatim"])


def _head(path: Path, text: str) -> dict[str, Any]:
    try:
        head = json.loads(text)
    except ValueError as error:
        raise _damaged(path, "its header cannot be read") from error
    if not isinstance(head, dict) or not {"format", "version", "kinds", "about", "digest"} <= head.keys():
        raise _damaged(path, "its header is not complete")
    if head["format"] != FORMAT:
        raise InputError(
            f"{path} is of the format {head['format']!r}, and this version of seriatim reads {FORMAT!r}; read it by "
            f"seriatim {head['version']}, which wrote it."
        )
    return head


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path} is no checkpoint, or a damaged one ({reason}); give another, or remove it if it is the last of a run, "
        "which then goes on from the one before."
    )


def _digest(arrays: Mapping[str, Shaped[np.ndarray, "..."]], head: Mapping[str, Any]) -> str:
    """Return a digest of all that is written: names, types, shapes, numbers, and what is said of them."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(repr((name, array.dtype.name, array.shape)).encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    digest.update(json.dumps({name: entry for name, entry in head.items() if name != "digest"}).encode())
    return digest.hexdigest()


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
