"""Mapping over keys: work that is a function of its key alone, wherever it is done.

    results = [f(shared, x_1, k_1), ..., f(shared, x_n, k_n)],        part by part, each part a call of one size

Everything random is decided by the keys, and a part is the same call in every worker, under the options of JAX that
hold where the map is called. So the results do not depend on how many workers there are, in which order they finish, or
how often one of them was killed and its part done again.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Shaped

from seriatim._arguments import require_callable, require_whole
from seriatim._errors import InputError
from seriatim._preconditions import require_keys
from seriatim.model import Key
from seriatim.parallel._backends import Backend, Local, require_backend

# `(shared, inputs [part, ...], keys [part]) -> results [part, ...]`
Function = Callable[[Any, Any, Any], Any]
Progress = Callable[[int, int], None]


def over_keys(
    function: Function,
    keys: Key | Shaped[Array, "n ..."],
    *,
    shared: Any = None,
    inputs: Any = None,
    part: int = 256,
    on: Backend | None = None,
    progress: Progress | None = None,
) -> Any:
    """Map a function over keys, and inputs that go with them.

    Args:
        function: pure, of the shared argument, and of inputs and keys stacked along axis 0, `part` of them; it returns
            results stacked the same way. For Ray it must be found by name in a module, or be small enough to send.
        keys: stacked, n of them.
        shared: a pytree that every call is given: a planner, a policy. It is sent to each worker once.
        inputs: a pytree of arrays stacked along axis 0, n of each; None: none.
        part: how many a call is given. All calls are of one size, so one compilation serves them; the last is filled
            up with what was there already.
        on: the workers; by default all cores of this process.
        progress: called with (results so far, n) as parts are done.

    Returns:
        The results, stacked along axis 0, in the order of the keys.

    Raises:
        InputError: there are no keys, or not as many as inputs; `part` is less than 1; Ray is not there, or works with
            another cluster; or the function cannot be sent to other processes.
        RemoteError: the function has raised an error in another process that cannot be sent. Other errors of the
            function are raised as if it had been called here.
    """
    require_callable("function", function, "a function (shared, inputs, keys) -> results", 3)
    require_whole("part", part)
    require_backend(on)
    if progress is not None:
        require_callable("progress", progress, "a function (results so far, n)", 2)
    if getattr(keys, "shape", (1,))[:1] == (0,):
        raise InputError("There are no keys; give at least one (jax.random.split(key, n)).")
    require_keys(keys)
    lengths = {leaf.shape[:1] for leaf in jax.tree.leaves(inputs)} | {keys.shape[:1]}
    if len(lengths) != 1:
        seen = ", ".join(str(n[0]) if n else "none" for n in sorted(lengths))
        raise InputError(f"The leading axes of inputs and keys have lengths {seen}; give as many keys as inputs.")
    count = int(keys.shape[0])
    parts = -(-count // part)

    whole = jax.tree.map(_cuttable, (inputs, keys))

    def given(number: int) -> tuple[Any, Any]:
        # The last part is filled up with its last element, so that all parts run one program.
        where = np.minimum(np.arange(part) + number * part, count - 1)
        some: tuple[Any, Any] = jax.tree.map(lambda leaf: leaf[where], whole)
        return some

    found: dict[int, Any] = {}
    for number, results in (on or Local()).run(function, shared, given, parts):
        found[number] = results
        if progress is not None:
            progress(min(count, len(found) * part), count)
    in_order = [found[number] for number in range(parts)]
    return jax.tree.map(lambda *leaves: _joined(leaves, count), *in_order)


def _cuttable(leaf: Any) -> Any:
    """Return the array as NumPy's where that is the same memory: cutting and joining it then take no program."""
    if not isinstance(leaf, jax.Array) or jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return leaf
    here = all(device.platform == "cpu" for device in leaf.devices())
    return np.asarray(leaf) if here and len(leaf.devices()) == 1 else leaf


def _joined(leaves: tuple[Any, ...], count: int) -> Array:
    """Put the results of all parts together, without those that filled up the last one."""
    here = [_cuttable(leaf) for leaf in leaves]
    if all(isinstance(leaf, np.ndarray) for leaf in here):
        return jnp.asarray(np.concatenate(here)[:count])
    return jnp.concatenate(leaves)[:count]
