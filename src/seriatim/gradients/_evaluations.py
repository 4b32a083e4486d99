"""Counting evaluations of the function: the estimator is traced with one that leaves a mark in the program."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, Primitive
from jax.interpreters import batching

from seriatim._preconditions import require_key
from seriatim.gradients._estimator import Function
from seriatim.model import Key

# One evaluation at choices of `ndim` axes; batched, one at each place of the axes before them.
_evaluation = Primitive("evaluation")


@_evaluation.def_abstract_eval  # type: ignore[untyped-decorator]
def _shape(choices: Any, *, ndim: int) -> Any:
    return jax.core.ShapedArray(choices.shape[: choices.ndim - ndim], choices.dtype)


def _batched(args: tuple[Any], axes: tuple[int], *, ndim: int) -> tuple[Any, int]:
    return _evaluation.bind(jnp.moveaxis(args[0], axes[0], 0), ndim=ndim), 0


batching.primitive_batchers[_evaluation] = _batched


def count_evaluations(estimator: Callable[[Function, Any, Key], Any], logits: Any, key: Key) -> int:
    """Return how often an estimator evaluates its function; derivatives are not counted apart.

    Counted in the program, without running it: mapped evaluations count each, those of a loop as often as it turns. Of
    a loop whose turns depend on values, one turn is counted.

    Args:
        estimator: settings bound by `functools.partial`.
        logits: as the estimator takes them; only shapes matter.
        key: likewise.
    """
    if key is not None:  # `exact` needs none
        require_key(key)
    program = jax.make_jaxpr(lambda logits, key: estimator(_marked, logits, key))(logits, key)
    return _count(program.jaxpr)


@jax.custom_jvp
def _marked(choices: Any) -> Any:
    return _evaluation.bind(choices, ndim=choices.ndim)


@_marked.defjvp
def _(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:
    return _marked(*primals), jnp.sum(tangents[0])


def _count(program: Jaxpr) -> int:
    total = 0
    for equation in program.eqns:
        if equation.primitive is _evaluation:
            shape: tuple[int, ...] = equation.outvars[0].aval.shape  # type: ignore[attr-defined]
            total += math.prod(shape)
        turns = equation.params["length"] if equation.primitive.name == "scan" else 1
        total += turns * sum(_count(inner) for inner in _programs(tuple(equation.params.values())))
    return total


def _programs(values: tuple[Any, ...]) -> Iterator[Jaxpr]:
    for value in values:
        if isinstance(value, ClosedJaxpr):
            yield value.jaxpr
        elif isinstance(value, Jaxpr):
            yield value
        elif isinstance(value, tuple):
            yield from _programs(value)
