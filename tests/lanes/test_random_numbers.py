"""Random numbers in lanes are the very numbers that JAX draws, lane by lane."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from seriatim.lanes import lanes
from seriatim.lanes._random import threefry

COUNT = 37
DRAWS = {
    "bits": lambda key: jax.random.bits(key, (4, 2)),
    "one word": jax.random.bits,
    "bits of 8": lambda key: jax.random.bits(key, (7,), jnp.uint8),
    "bits of 16": lambda key: jax.random.bits(key, (3, 1), jnp.uint16),
    "none": lambda key: jax.random.bits(key, (0, 2)),
    "whole numbers": lambda key: jax.random.randint(key, (4, 2), 0, 20),
    "uniform": lambda key: jax.random.uniform(key, (3,)),
    "normal": lambda key: jax.random.normal(key, (3, 2)),
    "bernoulli": lambda key: jax.random.bernoulli(key, 0.3, (5,)),
    "permutation": lambda key: jax.random.permutation(key, 9),
    "categorical": lambda key: jax.random.categorical(key, jnp.arange(4.0)),
    "without replacement": lambda key: jax.random.choice(key, 10, (3,), replace=False),
    "poisson": lambda key: jax.random.poisson(key, 3.0, (2,)),
    "split": lambda key: jax.random.uniform(jax.random.split(key, 3)[1], (2,)),
    "split into a matrix": lambda key: jax.random.key_data(jax.random.split(key, (2, 3))),
    "folded in": lambda key: jax.random.uniform(jax.random.fold_in(key, 3), (2,)),
    "each of several": lambda key: jax.vmap(jax.random.uniform)(jax.random.split(key, 3)),
    "in turn": lambda key: jax.lax.scan(
        lambda k, _: (jax.random.split(k)[0], jax.random.uniform(k)), key, None, length=3
    )[1],
}


@pytest.mark.parametrize("partitionable", [True, False], ids=["partitionable", "not partitionable"])
@pytest.mark.parametrize("name", DRAWS)
def test_they_are_what_jax_draws(name, partitionable):
    draw = DRAWS[name]
    with jax.threefry_partitionable(partitionable):
        keys = jax.random.split(jax.random.key(5), COUNT)
        both = jax.jit(lambda keys: (lanes(draw, (-1,))(keys), jax.vmap(draw, out_axes=-1)(keys)))
        seen, expected = both(keys)
    assert seen.dtype == expected.dtype
    assert np.array_equal(seen, expected)


@pytest.mark.parametrize("implementation", ["rbg", "unsafe_rbg"])
@pytest.mark.parametrize("name", ["bits", "uniform", "split", "folded in"])
def test_other_generators_are_drawn_from_as_vmap_does(implementation, name):
    keys, draw = jax.random.split(jax.random.key(5, impl=implementation), COUNT), DRAWS[name]
    seen = jax.jit(lanes(draw, (-1,)))(keys)
    assert np.array_equal(seen, jax.jit(jax.vmap(draw, out_axes=-1))(keys))
    assert len(np.unique(seen)) > COUNT


def test_keys_of_two_words_serve_too():
    words = np.asarray(jax.random.key_data(jax.random.split(jax.random.key(5), COUNT))).T
    draw = DRAWS["whole numbers"]
    seen, expected = jax.jit(lambda words: (lanes(draw, (-1,))(words), jax.vmap(draw, -1, -1)(words)))(words)
    assert np.array_equal(seen, expected)


def test_a_number_in_each_lane_goes_into_a_key_that_all_share():
    numbers, key = jnp.arange(COUNT, dtype=jnp.int32), jax.random.key(1)

    def draw(number):
        return jax.random.bits(jax.random.fold_in(key, number), (2,))

    assert np.array_equal(jax.jit(lanes(draw, (-1,)))(numbers), jax.vmap(draw, out_axes=-1)(numbers))


def test_the_hash_gives_the_known_answers():
    """Of the authors' test vectors, Random123 `kat_vectors`: threefry2x32, 20 rounds; counter, key, result."""
    known = (
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
    )
    for counter, key, result in known:
        words = threefry(tuple(map(jnp.uint32, key)), tuple(map(jnp.uint32, counter)))
        assert tuple(map(int, words)) == result
