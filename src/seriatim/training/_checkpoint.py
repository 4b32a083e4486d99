"""Checkpoints: a pytree of arrays as one file, bit for bit, in a format that runs nothing when it is read.

The format is safetensors: names, types, shapes, and raw numbers. Arrays are named by their places in the tree, and a
checkpoint is only ever read into a *template*, a tree of the same places, types and shapes: what does not fit is
refused in a sentence, and never guessed at.

Source of the format: github.com/huggingface/safetensors (a pickle, which is not used, can run any program).
"""

import json
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import Shaped

from seriatim._errors import InputError
from seriatim.training._files import write_atomically

FORMAT = "seriatim checkpoint 1"
T = TypeVar("T")


class _Leaf(NamedTuple):
    """An array as it is stored: numbers that every reader knows, and what they stand for."""

    numbers: Shaped[np.ndarray, "..."]
    kind: str


def save_checkpoint(path: str | Path, tree: Any) -> None:
    """Write a pytree of arrays, at once or not at all.

    Args:
        path: of the file; what was there is replaced.
        tree: of arrays and numbers of any type that JAX has, typed keys among them.
    """
    leaves = _stored(tree)
    kinds = {name: leaf.kind for name, leaf in leaves.items()}
    metadata = {"format": FORMAT, "kinds": json.dumps(kinds)}
    content = safetensors.numpy.save({name: leaf.numbers for name, leaf in leaves.items()}, metadata)
    write_atomically(Path(path), content)


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
    arrays, kinds = _read(Path(path))
    arrays = {name.removeprefix(part): array for name, array in arrays.items() if name.startswith(part)}
    kinds = {name.removeprefix(part): kind for name, kind in kinds.items() if name.startswith(part)}
    expected = _stored(template)
    _require_the_same(Path(path), arrays, kinds, expected)
    leaves = [_array(arrays[name], leaf.kind) for name, leaf in expected.items()]
    restored: T = jax.tree.unflatten(jax.tree.structure(template), leaves)
    return restored


def _stored(tree: Any) -> dict[str, _Leaf]:
    named, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path) or "value": _leaf(value) for path, value in named}


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


def _read(path: Path) -> tuple[dict[str, Shaped[np.ndarray, "..."]], dict[str, str]]:
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such checkpoint; give the path of one.") from None
    except (safetensors.SafetensorError, OSError) as error:
        raise InputError(
            f"{path} is no checkpoint, or a damaged one ({str(error).rstrip('.')}); give another, such as an earlier "
            "one of the same run."
        ) from error
    if metadata.get("format") != FORMAT:
        raise InputError(
            f"{path} was not written as a checkpoint of seriatim (its format is {metadata.get('format')!r}, not "
            f"{FORMAT!r}); give one that was."
        )
    return arrays, json.loads(metadata["kinds"])


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
