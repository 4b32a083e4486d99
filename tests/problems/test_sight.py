"""What one spider sees: all within its vision, nothing beyond, and no names."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from tests.compiled import compiled

import seriatim as st
from seriatim.problems.spiders_and_flies._view import window

HEIGHT, WIDTH = 5, 6
MANY = settings.default.max_examples >= 100
observe = jax.jit(lambda model, state: model.agent_observations(state))


def few(visions, count=2):
    """Every vision has programs of its own: one or two of them unless there are many examples."""
    return some.sampled_from(visions if MANY else visions[:count])


def walled(passable):
    return st.formats.GridMap(np.asarray(passable, bool))


def hunting(**fields):
    return st.problems.SpidersAndFlies(**({"spiders": 3, "flies": 4, "width": WIDTH, "height": HEIGHT} | fields))


def random_hunt(model, rng):
    """Anybody anywhere, some flies dead; two may share a cell."""
    state = compiled(model).initial_state(jax.random.key(0))

    def places(like):
        return jnp.asarray(rng.integers([HEIGHT, WIDTH], size=like.shape), like.dtype)

    alive = jnp.asarray(rng.random(state.alive.shape) < 0.7)
    return dataclasses.replace(state, spiders=places(state.spiders), flies=places(state.flies), alive=alive)


def parts(model, seen):
    """Place, flies, other spiders, walls."""
    cells = (seen.shape[1] - 2) // 3
    return np.split(np.asarray(seen), [2, 2 + cells, 2 + 2 * cells], axis=1)


def test_a_small_field_read_by_eye():
    #  . 1 *      spiders 1 and 2, a fly, a wall
    #  @ 2 .
    model = st.problems.SpidersAndFlies(
        spiders=2,
        flies=1,
        map=walled([[1, 1, 1], [0, 1, 1]]),
        starts=((0, 1), (1, 1)),
        fly_cells=((0, 2),),
        vision=1,
    )
    assert window(model.terrain, 1).tolist() == [[-1, 0], [0, -1], [0, 0], [0, 1], [1, 0]]
    place, flies, spiders, walls = parts(model, observe(model, compiled(model).initial_state(jax.random.key(0))))
    assert place.tolist() == [[0, 0.5], [1, 0.5]]
    assert flies.tolist() == [[0, 0, 0, 1, 0], [0, 0, 0, 0, 0]]
    assert spiders.tolist() == [[0, 0, 0, 0, 1], [1, 0, 0, 0, 0]]
    assert walls.tolist() == [[1, 0, 0, 0, 0], [0, 1, 0, 0, 1]]


@given(seed=some.integers(0, 2**32 - 1), vision=few([1.5, 0, 1, 2, 3]))
def test_nothing_beyond_the_vision_changes_what_is_seen(seed, vision):
    """Everybody out of sight of a spider is put somewhere else out of its sight, lives or dies; walls move too."""
    rng = np.random.default_rng(seed)
    model = hunting(vision=vision)
    state = random_hunt(model, rng)
    for i, own in enumerate(np.asarray(state.spiders)):
        far = abs(np.indices((HEIGHT, WIDTH)) - own[:, None, None]).sum(axis=0) > vision
        hidden = np.argwhere(far)
        moved = {}
        for name in ("spiders", "flies"):
            where = np.array(getattr(state, name))
            out = far[tuple(where.T)]
            where[out] = rng.permutation(hidden)[np.arange(out.sum())]
            moved[name] = jnp.asarray(where)
        flies = np.asarray(state.flies)
        out = far[tuple(flies.T)]
        alive = jnp.asarray(np.where(out, rng.random(len(flies)) < 0.5, state.alive))
        other = dataclasses.replace(state, **moved, alive=alive)
        before, after = observe(model, state), observe(model, other)
        np.testing.assert_array_equal(after[i], before[i])


@given(seed=some.integers(0, 2**32 - 1 if MANY else 2))
def test_walls_beyond_the_vision_do_not_show(seed):
    rng = np.random.default_rng(seed)
    passable = np.ones((HEIGHT, WIDTH), bool)
    passable[:, 4] = rng.random(HEIGHT) < 0.5
    cells = {"starts": ((0, 0), (2, 1), (4, 2)), "fly_cells": ((0, 1), (1, 1), (3, 0), (4, 0)), "vision": 1}
    seen = [
        observe(model, compiled(model).initial_state(jax.random.key(0)))
        for model in (hunting(**cells), hunting(map=walled(passable), **cells))
    ]
    np.testing.assert_array_equal(*seen)


@given(seed=some.integers(0, 2**32 - 1), vision=few([None, 2.5, 0, 1, 2, 4]))
def test_everything_within_the_vision_is_counted(seed, vision):
    model = hunting(vision=vision)
    state = random_hunt(model, np.random.default_rng(seed))
    place, flies, spiders, _ = parts(model, observe(model, state))
    spot = np.asarray(state.spiders)
    np.testing.assert_allclose(place, spot / [HEIGHT - 1, WIDTH - 1], rtol=1e-6)
    np.testing.assert_array_equal(flies.sum(axis=1), model.visible(state).sum(axis=1))
    apart = abs(spot[:, None] - spot[None]).sum(axis=2)
    within = (apart <= (np.inf if vision is None else vision)) & ~np.eye(len(spot), dtype=bool)
    np.testing.assert_array_equal(spiders.sum(axis=1), within.sum(axis=1))


@given(seed=some.integers(0, 2**32 - 1), vision=few([None, 1, 3]))
def test_names_do_not_matter(seed, vision):
    rng = np.random.default_rng(seed)
    model = hunting(vision=vision)
    state = random_hunt(model, rng)
    spiders, flies = rng.permutation(3), rng.permutation(4)
    renamed = dataclasses.replace(
        state, spiders=state.spiders[spiders], flies=state.flies[flies], alive=state.alive[flies]
    )
    seen = observe(model, state)
    np.testing.assert_array_equal(observe(model, renamed), seen[spiders])


@given(seed=some.integers(0, 2**32 - 1), vision=few([1.5, None, 0, 3], 1), walls=some.booleans())
def test_a_relaxed_state_of_zeros_and_ones_shows_the_same(seed, vision, walls):
    rng = np.random.default_rng(seed)
    passable = np.ones((HEIGHT, WIDTH), bool)
    passable[rng.integers(HEIGHT), 1:4] = not walls
    model = hunting(vision=vision, map=walled(passable))
    state = random_hunt(model, rng)
    relaxed = compiled(model).relaxed_state(state)
    seen = observe(model, state)
    np.testing.assert_allclose(observe(model, relaxed), seen, atol=1e-6)


@pytest.mark.parametrize("relax", [False, True])
def test_an_absent_spider_neither_sees_nor_is_seen(relax):
    model = hunting(
        spiders=2, max_spiders=2, starts=((1, 1), (1, 2)), fly_cells=((0, 1), (3, 3), (4, 4), (0, 5)), vision=2
    )
    state = model.without_spider(compiled(model).initial_state(jax.random.key(0)), 1)
    seen = observe(model, model.relaxed_state(state) if relax else state)
    assert not seen[1].any()
    _, flies, spiders, _ = parts(model, seen)
    assert not spiders[0].any()
    assert flies[0].sum() == 1
