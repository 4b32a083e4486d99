"""Random numbers in lanes: the very bits that JAX draws, by long vector operations.

JAX's default generator, Threefry-2x32, hashes a key and a counter in twenty rounds of additions, rotations and
exclusive ors. On a CPU JAX compiles the rounds as a loop over arrays, which are written and read again in every round.
Here they are written out, so that XLA makes one kernel of them, with everything in registers.

Keys of other generators are left to `vmap`.

Source: J. Salmon, M. Moraes, R. Dror, D. Shaw, Parallel Random Numbers: As Easy as 1, 2, 3, SC 2011.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import JaxprEqn
from jax.extend.random import threefry_prng_impl
from jaxtyping import Array

from seriatim.lanes._folds import materialise
from seriatim.lanes._values import Known, LazyArray, aligned, remembered

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
# The constant of Threefry's key schedule.
PARITY = 0x1BD11BDA
Evaluate = Callable[[Any, Sequence[Any], Sequence[LazyArray]], list[LazyArray]]


# Written once for arrays of the same shapes: its hundred operations are most of a program that draws random numbers.
@functools.partial(jax.jit, inline=True)
def threefry(key: tuple[Array, Array], counter: tuple[Array, Array]) -> tuple[Array, Array]:
    """Hash two words of 32 bits under a key of two."""
    words = (*key, key[0] ^ key[1] ^ jnp.uint32(PARITY))
    one, other = counter[0] + words[0], counter[1] + words[1]
    for group in range(5):
        for distance in ROTATIONS[group % 2]:
            one = one + other
            other = (other << jnp.uint32(distance)) | (other >> jnp.uint32(32 - distance))
            other = other ^ one
        # After every four rounds the next words of the key are added, and the number of the group.
        one = one + words[(group + 1) % 3]
        other = other + words[(group + 2) % 3] + jnp.uint32(group + 1)
    return one, other


class _Word(LazyArray):
    """One of the two words of a hash. Both are computed together, when the first of them is asked for."""

    def __init__(self, inputs: tuple[LazyArray, ...], shape: Sequence[int], which: int) -> None:
        super().__init__(shape, jnp.uint32, shared=False)
        self.inputs = inputs
        self.which = which

    def _inputs(self) -> Sequence[LazyArray]:
        return self.inputs

    def _both(self) -> tuple[Array, Array]:
        k1, k2, x1, x2 = aligned(self.inputs, self.shape)
        words: tuple[Array, Array] = threefry((k1, k2), (x1, x2))
        return words

    def _compute(self) -> Array:
        # Both words hold the same tuple of inputs, so one finds the result of the other.
        both: tuple[Array, Array] = remembered(self.inputs, "hashed", self._both)
        return both[self.which]

    def _slice(self, axis: int, j: int) -> LazyArray:
        return Known(self.compute(), shared=False).at(axis, j)


def hashed(equation: JaxprEqn, *inputs: LazyArray) -> list[LazyArray]:
    """Return both words of a hash."""
    del equation
    shape = jnp.broadcast_shapes(*(each.shape for each in inputs))
    return [_Word(inputs, shape, which) for which in (0, 1)]


def bits(equation: JaxprEqn, key: LazyArray, evaluate: Evaluate) -> LazyArray | None:
    """Draw random bits, in a kernel of their own."""
    if not _is_threefry(key):
        return None
    width, shape = equation.params["bit_width"], equation.params["shape"]

    return _alone(lambda data: threefry_prng_impl.random_bits(data, width, shape), [_data(key)], evaluate)


def split(equation: JaxprEqn, key: LazyArray, evaluate: Evaluate) -> LazyArray | None:
    """Make several keys of one."""
    if not _is_threefry(key):
        return None
    shape = equation.params["shape"]
    return _as_keys(_alone(lambda data: threefry_prng_impl.split(data, shape), [_data(key)], evaluate))


def folded_in(equation: JaxprEqn, key: LazyArray, number: LazyArray, evaluate: Evaluate) -> LazyArray | None:
    """Make a key of a key and a number."""
    del equation
    if not _is_threefry(key) or number.shape:
        return None
    return _as_keys(_alone(threefry_prng_impl.fold_in, [_data(key), number], evaluate))


def _is_threefry(key: LazyArray) -> bool:
    return key.shape == () and str(key.dtype) == "key<fry>"


def _data(key: LazyArray) -> LazyArray:
    """Return the two words of a key, `[2, lanes]`."""
    words = jax.random.key_data(key.compute())
    return Known(words if key.shared else jnp.moveaxis(words, -1, -2), shared=key.shared)


def _as_keys(words: LazyArray) -> LazyArray:
    return Known(jax.random.wrap_key_data(jnp.moveaxis(words.compute(), -2, -1), impl="threefry2x32"), shared=False)


def _alone(function: Callable[..., Array], arguments: list[LazyArray], evaluate: Evaluate) -> LazyArray:
    """Run a function of words in a kernel of its own, so that no other kernel computes the hash again."""
    given = [jax.ShapeDtypeStruct(each.shape, each.dtype) for each in arguments]
    # JAX's own drawing, read operation by operation: the same bits, its hash in long vector operations.
    program = jax.make_jaxpr(function)(*given)
    return Known(materialise(lambda: evaluate(program.jaxpr, program.consts, arguments)[0].compute()), shared=False)
