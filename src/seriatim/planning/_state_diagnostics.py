"""One sentence for a state or a key of which no decision can be made.

A model may serve states of other sizes than its own initial ones, so a state is not compared with those beforehand.
Only if the program of a decision cannot be written is the state held against an initial one, to say where they differ,
and the model's methods are called at it one by one, to say which fails. A model without initial states has not been
examined before, so it is examined here. All of this happens while a program is being written: a decision that is
compiled pays nothing.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from seriatim import _optional
from seriatim._errors import InputError
from seriatim._preconditions import require_stage
from seriatim.model import Model

F = TypeVar("F", bound=Callable[..., Any])
# What models and JAX raise where a state is not what they expect.
PROBLEMS = (TypeError, ValueError, AttributeError, LookupError)


def with_state_diagnostics(function: F) -> F:
    """Make a function (planner, state, key, ...) say in one sentence what is wrong with its state or key."""

    @functools.wraps(function)
    def call(planner: Any, info: Any, key: Any, *rest: Any) -> Any:
        _check_key(key)
        try:
            if _optional.initial_state(planner.model) is None:
                require_stage(planner.model, info)
            return function(planner, info, key, *rest)
        except Exception as problem:
            difference = _difference(planner.model, info)
            if difference is not None:
                known = f"{problem} " if isinstance(problem, InputError) else ""
                raise InputError(f"{known}{difference}") from problem
            if not isinstance(problem, InputError):
                require_stage(planner.model, info)
            raise

    return call  # type: ignore[return-value]


def _check_key(key: Any) -> None:
    dtype: Any = getattr(key, "dtype", None)
    shape: Any = getattr(key, "shape", None)
    if dtype is None:
        seen = repr(key)
    elif jnp.issubdtype(dtype, jax.dtypes.prng_key):
        if shape == ():
            return
        seen = f"a stack of {shape} keys"
    else:
        if dtype == jnp.uint32 and len(shape) == 1:
            return
        seen = f"an array of shape {shape} and type {dtype}"
    raise InputError(
        f"key is {seen}; give one random key, such as jax.random.key(0) (for many states at once: decide_many)."
    )


def _difference(model: Model, info: Any) -> str | None:
    """Say where a state differs from an initial one, in parts or their shapes; None if nowhere, or if there is none."""
    try:
        initial = jax.eval_shape(model.initial_state, jax.random.key(0))
    except PROBLEMS:
        return None
    name, advice = type(model).__name__, "give a state as its initial_state(key) and transition return it."
    parts: Any = jax.tree.structure(initial)
    if parts != jax.tree.structure(info):
        return f"The state is a {_described(info)}; {name} has a {_described(initial)}; {advice}"
    both = zip(jax.tree_util.tree_leaves_with_path(info), jax.tree.leaves(initial), strict=True)
    for (path, leaf), expected in both:
        if jnp.shape(leaf) != expected.shape:
            seen = f"state{jax.tree_util.keystr(path)} has shape {jnp.shape(leaf)}"
            return f"{seen}, where {name} has {expected.shape}; {advice}"
    return None


def _described(tree: Any) -> str:
    """Name the type of a tree and the shapes in it."""
    if jax.tree_util.all_leaves([tree]):
        return f"{type(tree).__name__} of shape {jnp.shape(tree)}"
    shapes = [str(jnp.shape(leaf)) for leaf in jax.tree.leaves(tree)]
    return f"{type(tree).__name__} of {len(shapes)} arrays: {', '.join(shapes)}"
