"""Constants of every type of JAX's in a function that is run in lanes: keys of all generators, narrow numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from seriatim.lanes import lanes

PLACES = jnp.arange(6)
NARROW = ["bfloat16", "float8_e4m3fn", "float8_e5m2", "int4", "uint4"]


def same(function, *arguments):
    axes = (-1,) * len(arguments)
    # Operation by operation: compilers have faults of their own with numbers of 8 bits.
    expected, seen = jax.vmap(function, axes, -1)(*arguments), lanes(function, axes)(*arguments)
    for one, other in zip(jax.tree.leaves(expected), jax.tree.leaves(seen), strict=True):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        if jnp.issubdtype(one.dtype, jax.dtypes.prng_key):
            one, other = jax.random.key_data(one), jax.random.key_data(other)
        assert one.tolist() == other.tolist()


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg", "unsafe_rbg"])
def test_keys_of_every_generator(impl):
    outer = jax.random.key(3, impl=impl)
    several = jax.random.split(outer, 4)

    def function(place, key):
        made = jax.random.key(3, impl=impl)
        drawn = [
            jax.random.bits(jax.random.fold_in(made, place), (2,)),
            jax.random.bits(jax.random.fold_in(outer, place)),
            jax.random.bits(several[place % 4]),
            jax.random.bits(made) + place.astype(jnp.uint32),
        ]
        return drawn, jnp.where(place > 2, key, made), several, jnp.stack([key, outer]), made

    same(function, PLACES, jax.random.split(jax.random.key(1, impl=impl), 6))


@pytest.mark.parametrize("name", NARROW)
def test_narrow_numbers(name):
    dtype = getattr(jnp, name)
    table = jnp.arange(4).astype(dtype)

    def function(place):
        x = place.astype(jnp.float32).astype(dtype)
        one = jnp.asarray(3.0).astype(dtype)  # computed while the program is written
        return table + x, table * one, x < table[1], table, one.astype(jnp.int32) + place, table[place % 4] == one

    same(function, PLACES)


def test_numbers_that_are_none():
    nothing = np.zeros((), jax.dtypes.float0)
    _, seen = lanes(lambda x: (x, nothing), (-1,))(PLACES)
    assert seen.dtype == jax.dtypes.float0
    assert seen.shape == (6,)
