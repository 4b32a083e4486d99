"""The interpreter of lanes: it makes a function of many states, lanes last, from a function of one.

The function's own program (its jaxpr) is read operation by operation. Elementwise operations and changes of shape
become expressions, reductions become folds, lookups along short axes become folds too, random bits are hashed in long
vector operations. What does not depend on the lanes is computed once, for all of them. Everything else (control flow,
sorting, large matrix products, lookups in large tables) is handed to `vmap`, operation by operation: right, if not
faster.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import ShapedArray
from jax.extend.core import Jaxpr, JaxprEqn, Literal
from jaxtyping import Array

from seriatim._errors import InputError
from seriatim.lanes._folds import combining, extreme, fold, kept_in_chain
from seriatim.lanes._lookups import gathered, result_of, scattered, sliced, updated
from seriatim.lanes._numbers import computed
from seriatim.lanes._products import multiplied
from seriatim.lanes._random import bits, folded_in, hashed, split
from seriatim.lanes._values import (
    Broadcast,
    Elementwise,
    Known,
    LazyArray,
    Reverse,
    Stack,
    Transpose,
    Window,
    broadcast,
    memory,
)

ELEMENTWISE = """
    abs add and cbrt ceil clamp convert_element_type copy copy_p cos cosh digamma div eq erf erf_inv erfc exp exp2 expm1
    floor ge gt integer_pow is_finite le lgamma log log1p logistic lt max min mul ne neg nextafter not or
    population_count pow rem round rsqrt select_n shift_left shift_right_arithmetic shift_right_logical sign sin sinh
    sqrt square stop_gradient sub tan tanh xor
"""
# Every slice of a fold is written into the program: longer ones take minutes to write. Sums that round go on as folds,
# since another order would be another result.
LONGEST_FOLD = 4096
COMBINED = {
    "reduce_min": jnp.minimum,
    "reduce_max": jnp.maximum,
    "reduce_sum": jnp.add,
    "reduce_prod": jnp.multiply,
    "reduce_and": jnp.bitwise_and,
    "reduce_or": jnp.bitwise_or,
}
INLINED = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
}
# Operations whose parameters are programs, from which they cannot be made again as they are.
UNBINDABLE = ("closed_call", "custom_jvp_call", "custom_vjp_call")


def evaluate(jaxpr: Jaxpr, constants: Sequence[Any], arguments: Sequence[LazyArray]) -> list[LazyArray]:
    """Run a program on values."""
    known: dict[Any, LazyArray] = {}

    def read(name: Any) -> LazyArray:
        return _literal(name) if isinstance(name, Literal) else known[name]

    known |= {v: Known(jnp.asarray(c), shared=True) for v, c in zip(jaxpr.constvars, constants, strict=True)}
    uses = _uses(jaxpr)

    def bind(names: Sequence[Any], values: Sequence[LazyArray]) -> None:
        for name, value in zip(names, values, strict=True):
            known[name] = kept_in_chain(value) if uses[name] > 1 else value

    bind(jaxpr.invars, arguments)
    for equation in jaxpr.eqns:
        bind(equation.outvars, _apply(equation, [read(v) for v in equation.invars]))
    return [read(v) for v in jaxpr.outvars]


def _uses(jaxpr: Jaxpr) -> Counter[Any]:
    """Count the equations that use each name; a result of the program is used once more."""
    used = [name for equation in jaxpr.eqns for name in {v for v in equation.invars if not isinstance(v, Literal)}]
    return Counter([*used, *(name for name in jaxpr.outvars if not isinstance(name, Literal))])


class _Constant(Known):
    """A number that stands in the program, or is made of such.

    The array is part of the program that is being written. With one that exists already, a fold of 15 spiders over 15
    flies took 1.5 times as long.
    """

    def __init__(self, number: Any) -> None:
        super().__init__(jnp.asarray(number), shared=True)
        self.number = number


def _literal(name: Literal) -> LazyArray:
    return _Constant(np.asarray(name.val, jax.typeof(name.val).dtype))


def _apply(equation: JaxprEqn, inputs: list[LazyArray]) -> list[LazyArray]:
    name = equation.primitive.name
    shared = all(x.shared for x in inputs)
    if shared and name not in UNBINDABLE:
        return _plainly(equation, inputs)
    if name in INLINED:
        inner = equation.params[INLINED[name]]
        return evaluate(inner.jaxpr, inner.consts, inputs)
    rule = RULES.get(name)
    result = None if rule is None else rule(equation, *inputs)
    if result is None:
        return _by_vmap(equation, inputs)
    return result if isinstance(result, list) else [result]


def _plainly(equation: JaxprEqn, inputs: list[LazyArray]) -> list[LazyArray]:
    """Compute what all lanes share; single numbers made of constants now, since XLA forgets that they are constants.

    It moves them out of loops as numbers that loops are given, and divides by what it no longer knows.
    """
    single = all(v.aval.size == 1 for v in equation.outvars if isinstance(v.aval, ShapedArray))
    constants = [x for x in inputs if isinstance(x, _Constant)]
    if single and constants and len(constants) == len(inputs):
        return _known_now(equation, constants)
    results = equation.primitive.bind(*(x.compute() for x in inputs), **equation.params)
    many = results if equation.primitive.multiple_results else [results]
    return [Known(array, shared=True) for array in many]


def _known_now(equation: JaxprEqn, inputs: list[_Constant]) -> list[LazyArray]:
    if equation.primitive.name in INLINED:
        inner = equation.params[INLINED[equation.primitive.name]]
        return evaluate(inner.jaxpr, inner.consts, list(inputs))
    number = computed(equation, [x.number for x in inputs])
    if number is not None:
        return [_Constant(number)]
    with jax.ensure_compile_time_eval():
        results = equation.primitive.bind(*(jnp.asarray(x.number) for x in inputs), **equation.params)
    many = results if equation.primitive.multiple_results else [results]
    # Keys of random numbers stay as they are: NumPy has no type for them.
    keys = [jnp.issubdtype(number.dtype, jax.dtypes.extended) for number in many]
    return [_Constant(number if is_key else np.asarray(number)) for number, is_key in zip(many, keys, strict=True)]


def _by_vmap(equation: JaxprEqn, inputs: list[LazyArray]) -> list[LazyArray]:
    """Map an operation over the lanes; of its results, those that vmap does not map are shared by all lanes.

    Such are results of `custom_vmap` or of "is it so in any lane?". What branches on them stays a branch.
    """
    shared: dict[int, Any] = {}
    axes = tuple(None if x.shared else -1 for x in inputs)

    def call(*arguments: Any) -> list[Any]:
        results = equation.primitive.bind(*arguments, **equation.params)
        many = results if equation.primitive.multiple_results else [results]
        mapped = next(x for x, axis in zip(arguments, axes, strict=True) if axis is not None)
        shared.update({place: x for place, x in enumerate(many) if not _is_mapped(x, like=mapped)})
        return [x for place, x in enumerate(many) if place not in shared]

    mapped = iter(jax.vmap(call, in_axes=axes, out_axes=-1)(*(x.compute() for x in inputs)))
    return [
        Known(shared[place], shared=True) if place in shared else Known(next(mapped), shared=False)
        for place in range(len(equation.outvars))
    ]


def _is_mapped(result: Any, like: Any) -> bool:
    """Say whether a result differs between lanes: whether it belongs to the same trace of vmap as a mapped argument."""
    return getattr(result, "_trace", None) is like._trace


Rule = Callable[..., LazyArray | list[LazyArray] | None]  # None: this case is not for the rule


def _elementwise(equation: JaxprEqn, *inputs: LazyArray) -> LazyArray:
    out = result_of(equation)
    call = functools.partial(equation.primitive.bind, **equation.params)
    return Elementwise(call, inputs, out.shape, out.dtype)


def _combined(equation: JaxprEqn, value: LazyArray) -> LazyArray | None:
    kind, dtype = combining(COMBINED[equation.primitive.name]), result_of(equation).dtype
    lengths = [value.shape[a] for a in equation.params["axes"]]
    rounds = equation.primitive.name in ("reduce_sum", "reduce_prod") and jnp.issubdtype(dtype, jnp.inexact)
    if 0 in lengths or (max(lengths, default=0) > LONGEST_FOLD and not rounds):
        return None
    return fold(kind, value, equation.params["axes"], dtype)


def _extreme(equation: JaxprEqn, value: LazyArray) -> LazyArray | None:
    dtype = result_of(equation).dtype
    better = jnp.less if equation.primitive.name == "argmin" else jnp.greater
    axes = equation.params["axes"]
    if value.shape[axes[0]] > LONGEST_FOLD:
        return None
    return fold(extreme(better, value.shape[axes[0]], dtype), value, axes, dtype)


def _broadcast(equation: JaxprEqn, value: LazyArray, *_: LazyArray) -> LazyArray:
    return broadcast(value, equation.params["shape"], equation.params["broadcast_dimensions"])


def _squeeze(equation: JaxprEqn, value: LazyArray) -> LazyArray:
    for axis in sorted(equation.params["dimensions"], reverse=True):
        value = value.at(axis, 0)
    return value


def _reshape(equation: JaxprEqn, value: LazyArray, *_: LazyArray) -> LazyArray | None:
    """Insert and drop axes of length 1; other changes mix axes."""
    sizes = equation.params["new_sizes"]
    if [n for n in sizes if n != 1] != [n for n in value.shape if n != 1]:
        return None
    for axis in reversed(range(len(value.shape))):
        if value.shape[axis] == 1:
            value = value.at(axis, 0)
    return broadcast(value, sizes, [axis for axis, n in enumerate(sizes) if n != 1])


def _expand_dims(equation: JaxprEqn, value: LazyArray) -> LazyArray:
    shape, new = result_of(equation).shape, equation.params["dimensions"]
    return Broadcast(value, shape, [axis for axis in range(len(shape)) if axis not in new])


def _slice(equation: JaxprEqn, value: LazyArray) -> LazyArray | None:
    starts, stops, strides = (equation.params[k] for k in ("start_indices", "limit_indices", "strides"))
    if strides is not None and any(stride != 1 for stride in strides):
        return None
    for axis, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        if stop - start != value.shape[axis]:
            value = Window(value, axis, start, stop - start)
    return value


def _concatenate(equation: JaxprEqn, *inputs: LazyArray) -> LazyArray:
    return Stack(inputs, int(equation.params["dimension"]), result_of(equation).shape)


def _stack(equation: JaxprEqn, *inputs: LazyArray) -> LazyArray:
    """Put values side by side along a new axis."""
    axis, shape = int(equation.params["axis"]), result_of(equation).shape
    one = (*shape[:axis], 1, *shape[axis + 1 :])
    old = [a for a in range(len(shape)) if a != axis]
    return Stack([Broadcast(x, one, old) for x in inputs], axis, shape)


def _unstack(equation: JaxprEqn, value: LazyArray) -> list[LazyArray]:
    axis = int(equation.params["axis"])
    return [value.at(axis, j) for j in range(value.shape[axis])]


def _pad(equation: JaxprEqn, value: LazyArray, constant: LazyArray) -> LazyArray | None:
    """Add constants before and after."""
    for axis, (low, high, between) in enumerate(equation.params["padding_config"]):
        if between or low < 0 or high < 0:
            return None
        before, after = ((*value.shape[:axis], int(n), *value.shape[axis + 1 :]) for n in (low, high))
        whole = (*value.shape[:axis], int(low + value.shape[axis] + high), *value.shape[axis + 1 :])
        if low or high:
            value = Stack([Broadcast(constant, before, ()), value, Broadcast(constant, after, ())], axis, whole)
    return value


def _reverse(equation: JaxprEqn, value: LazyArray) -> LazyArray:
    for axis in equation.params["dimensions"]:
        value = Reverse(value, int(axis))
    return value


def _transpose(equation: JaxprEqn, value: LazyArray) -> LazyArray:
    return Transpose(value, equation.params["permutation"])


RULES: dict[str, Rule] = {
    **dict.fromkeys(ELEMENTWISE.split(), _elementwise),
    **dict.fromkeys(COMBINED, _combined),
    "argmin": _extreme,
    "argmax": _extreme,
    "broadcast_in_dim": _broadcast,
    "squeeze": _squeeze,
    "reshape": _reshape,
    "expand_dims": _expand_dims,
    "slice": _slice,
    "concatenate": _concatenate,
    "stack": _stack,
    "unstack": _unstack,
    "pad": _pad,
    "rev": _reverse,
    "transpose": _transpose,
    "dot_general": multiplied,
    "threefry2x32": hashed,
    "random_bits": functools.partial(bits, evaluate=evaluate),
    "random_split": functools.partial(split, evaluate=evaluate),
    "random_fold_in": functools.partial(folded_in, evaluate=evaluate),
    "gather": gathered,
    "scatter": scattered,
    "scatter-add": scattered,
    "dynamic_slice": sliced,
    "dynamic_update_slice": updated,
}


def lanes(function: Callable[..., Any], in_axes: Sequence[int | None]) -> Callable[..., Any]:
    """Make a function of many states, lanes last, from a pure function of one.

    The result is that of `jax.vmap(function, in_axes, out_axes=-1)`, up to the order in which sums are added up.

    Args:
        function: of pytrees of arrays.
        in_axes: for each argument, -1 if its arrays have a last axis of lanes, None if all lanes share it.

    Raises:
        InputError: when called with different numbers of lanes, or with none.
    """

    def call(*arguments: Any) -> Any:
        flat: list[LazyArray] = []
        for argument, axis in zip(arguments, in_axes, strict=True):
            flat += [Known(jnp.asarray(leaf), shared=axis is None) for leaf in jax.tree.leaves(argument)]
        count = _lanes_of(flat)
        structure = jax.tree.structure(tuple(arguments))
        one = jax.tree.unflatten(structure, [_described(x) for x in flat])
        # A function of its own: JAX would remember the program of an object that may have changed since.
        program, out = jax.make_jaxpr(lambda *given: function(*given), return_shape=True)(*one)
        with memory():
            results = evaluate(program.jaxpr, program.consts, flat)
            return jax.tree.unflatten(jax.tree.structure(out), [_with_lanes(x, count) for x in results])

    return call


def _lanes_of(values: Sequence[LazyArray]) -> int:
    counts = {x.compute().shape[-1] for x in values if not x.shared}
    if len(counts) != 1:
        seen = " and ".join(map(str, sorted(counts))) or "none"
        raise InputError(f"Lanes: {seen}; give arrays whose last axes are as many lanes, for at least one argument.")
    return counts.pop()


def _described(value: LazyArray) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(value.shape, value.dtype, weak_type=jax.typeof(value.compute()).weak_type)


def _with_lanes(value: LazyArray, count: int) -> Array:
    array = value.compute()
    return jnp.broadcast_to(array[..., None] if value.shared else array, (*value.shape, count))
