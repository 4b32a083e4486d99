"""The first move to a nearest target, as a sum of maxima, against a search through all targets."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from seriatim.problems.spiders_and_flies._nearest import first_move_to_nearest


def first_move(position, targets):
    """Of the moves up, down, left, right, the first that comes nearer to any of the nearest targets."""
    moves = []
    for down, right in targets - position:
        rows_first = 1 if down < 0 else 2 if down > 0 else 3 if right < 0 else 4 if right > 0 else 0
        moves.append((abs(down) + abs(right), rows_first))
    return min(moves, default=(0, 0))[1]


# On both sides of the size from which distances need more bits than positions do. Every size has programs of its own.
SIDES = [(7, 8), (500, 1300)]
if settings.default.max_examples >= 100:
    SIDES = list(itertools.product((1, 2, 7, 500, 1100), (1, 3, 8, 520, 1300)))
nearest = jax.jit(first_move_to_nearest, static_argnums=(3, 4))


@given(
    seed=some.integers(0, 2**32 - 1),
    side=some.sampled_from(SIDES),
    each=some.booleans(),
)
def test_it_is_what_a_search_finds(seed, side, each):
    rng, (height, width) = np.random.default_rng(seed), side
    positions, targets = (np.stack([rng.integers(0, height, n), rng.integers(0, width, n)], axis=1) for n in (5, 6))
    counts = rng.random((5 if each else 1, 6)) < 0.6
    given_ = jnp.asarray(positions, jnp.int16), jnp.asarray(targets, jnp.int16), jnp.asarray(counts)
    seen = nearest(*given_, height, width)
    expected = [first_move(positions[k], targets[counts[k if each else 0]]) for k in range(5)]
    assert seen.tolist() == expected


@pytest.mark.parametrize("dtype", [jnp.int16, jnp.int32])
def test_opposite_corners_of_the_largest_grid_of_each_width(dtype):
    side = 511
    corners = jnp.array([[0, 0], [side - 1, side - 1]], dtype)
    alone = jnp.eye(2, dtype=bool)[::-1]
    assert first_move_to_nearest(corners, corners, alone, side, side).tolist() == [2, 1]
    assert first_move_to_nearest(corners, corners, jnp.zeros((1, 2), bool), side, side).tolist() == [0, 0]
