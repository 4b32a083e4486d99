"""Rows, columns and distances on grids of any size, against NumPy in 64 bits, across every boundary of a type.

Boundaries, in cells of a side or of both sides together: 1,023 (nearest flies in 16 bits), 4,094 (courses in 16 bits),
32,767 (positions in 16 bits), 50,000,000 (the largest grid).
"""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

import seriatim as st
from seriatim._errors import InputError
from seriatim.controls import joint_index
from seriatim.formats import GridMap
from seriatim.lanes import lanes
from seriatim.problems import Repair, RockSample, SpidersAndFlies, SpidersOnALine, Tabular, random_team
from seriatim.problems._distance_fields import distance_fields
from seriatim.problems.repair._sites import line, sites
from seriatim.problems.spiders_and_flies._flies import Swarm
from seriatim.problems.spiders_and_flies._hunt import Hunt, in_sight
from seriatim.problems.spiders_and_flies._terrain import MAX_CELLS, MOVES, Terrain, position_type
from seriatim.problems.spiders_and_flies._view import window

BOUNDARIES = (1, 511, 1023, 2047, 4094, 16_383, 32_767, 65_535)


def terrain(height, width):
    """A grid of any size without its list of cells, which these functions do not need."""
    cells = jnp.zeros((1, 2), position_type(height, width))
    return Terrain(cells, jnp.zeros(1, jnp.int32), None, None, None, height=height, width=width)


def side(boundary):
    return some.integers(max(1, boundary - 3), boundary + 3)


@some.composite
def sizes(draw):
    """Both sides near some boundary, or one of them, or their sum; at most the largest grid."""
    one = draw(some.sampled_from(BOUNDARIES).flatmap(side))
    other = draw(some.one_of(some.integers(1, 3), some.sampled_from(BOUNDARIES).flatmap(side), some.just(one)))
    other = min(other, MAX_CELLS // one)
    return draw(some.sampled_from([(one, other), (other, one), (MAX_CELLS // other, other)]))


def corner_cells(rng, height, width, count):
    """Cells anywhere, half of them at a border: where numbers are largest."""
    anywhere = np.stack([rng.integers(0, height, count), rng.integers(0, width, count)], axis=1)
    border = np.stack([rng.choice([0, height - 1], count), rng.choice([0, width - 1], count)], axis=1)
    return np.where(rng.random((count, 1)) < 0.5, anywhere, border).astype(np.int64)


def courses(positions, targets):
    down, right = np.moveaxis(targets[None] - positions[:, None], 2, 0)
    move = np.select([down < 0, down > 0, right < 0, right > 0], [1, 2, 3, 4], 0)
    return 8 * (abs(down) + abs(right)) + move


def steps(positions, moves, height, width):
    return np.clip(positions + np.array(MOVES)[moves], 0, [height - 1, width - 1])


def flights(flies, spiders, active, luck, height, width):
    distance = np.stack(
        [courses(steps(flies, k, height, width), spiders)[:, active].min(axis=1) // 8 for k in range(5)]
    )
    score = 8 * distance + (luck - np.arange(5)[:, None] - 1) % 5
    return np.where(luck == 5, 0, score.argmax(axis=0))


class Position:
    """Spiders and flies on a grid, in 64 bits and in the bits of the grid; some flies have not arrived."""

    def __init__(self, size, seed):
        self.height, self.width = size
        self.rng = np.random.default_rng(seed)
        self.ground = terrain(*size)
        kind = self.ground.cells.dtype
        self.spiders, self.flies = corner_cells(self.rng, *size, 3), corner_cells(self.rng, *size, 4)
        self.absent = np.where(self.rng.random((4, 1)) < 0.2, -1, self.flies)
        self.here, self.there, self.waiting = (
            jnp.asarray(each, kind) for each in (self.spiders, self.flies, self.absent)
        )


SEEDS = some.integers(0, 2**32 - 1)


@given(sizes(), SEEDS)
def test_steps_courses_and_nearest_flies_are_what_64_bits_say(size, seed):
    at = Position(size, seed)
    counts, moves = at.rng.random(4) < 0.7, at.rng.integers(0, 5, 3)
    course = courses(at.spiders, at.flies)
    assert (at.ground.step(at.here, jnp.asarray(moves, jnp.int32)) == steps(at.spiders, moves, *size)).all()
    assert (at.ground.course(at.here, at.there) == course).all()
    assert (at.ground.course(at.here, at.waiting) == courses(at.spiders, at.absent)).all()
    assert course.max() < at.ground.no_course()
    first = np.where(counts.any(), course[:, counts].min(axis=1, initial=2**62) % 8, 0)
    assert (at.ground.towards_nearest(at.here, at.there, jnp.asarray(counts)[None]) == first).all()


@given(sizes(), SEEDS)
def test_flight_and_sight_are_what_64_bits_say(size, seed):
    at = Position(size, seed)
    active, luck, every = np.array([True, False, True]), at.rng.integers(0, 6, 4), jnp.ones(4, bool)
    drawn = jnp.asarray(luck, jnp.int16)
    seen = Swarm(4, "flee", 0, ()).moved(at.ground, at.there, every, at.here, jnp.asarray(active), drawn)
    assert (seen == steps(at.flies, flights(at.flies, at.spiders, active, luck, *size), *size)).all()
    vision = int(at.rng.integers(0, at.height + at.width))
    seen = in_sight(Hunt(at.here, at.waiting, every, None), vision)
    assert (seen == (abs(at.spiders[:, None] - at.absent).sum(axis=2) <= vision)).all()


@pytest.mark.parametrize(("side", "kind"), [(32_767, jnp.int16), (32_768, jnp.int32)])
def test_positions_are_as_narrow_as_they_may_be(side, kind):
    open_grid = SpidersAndFlies(spiders=1, flies=2, width=side, height=1)
    state = open_grid.initial_state(jax.random.key(1))
    assert state.spiders.dtype == state.flies.dtype == kind
    cells = np.asarray(open_grid.terrain.cells, np.int64)
    assert (cells == np.stack([np.zeros(side), np.arange(side)], axis=1)).all()
    everybody = jnp.concatenate([state.spiders, state.flies])
    assert (cells[open_grid.terrain.place(everybody)] == everybody).all()


def test_the_published_sizes_stay_narrow():
    small, large = SpidersAndFlies().terrain, terrain(2047, 2047)
    assert small.cells.dtype == jnp.int16
    assert large.course(large.cells, large.cells).dtype == jnp.int16
    assert terrain(2048, 2047).course(large.cells, large.cells).dtype == jnp.int32


@pytest.mark.parametrize("walled", [False, True])
def test_a_spider_arrives_in_fifteen_stages_beyond_16_bits(walled):
    size = {"map": GridMap(np.ones((1, 32_800), bool))} if walled else {"width": 40_000, "height": 1}
    model = SpidersAndFlies(spiders=1, flies=1, starts=((0, 32_760),), fly_cells=((0, 32_775),), **size)
    state = model.initial_state(jax.random.key(0))
    assert state.flies.tolist() == [[0, 32_775]]
    played = st.simulate(model, model.base_policy(), jax.random.key(0), horizon=20)
    assert (int(played.length), bool(played.terminated)) == (15, True)


def near_16_bits(shift):
    """Two spiders and two flies on a corridor, at columns about 32,767, or so many columns to the left."""
    starts = ((0, 32_760 - shift), (0, 32_770 - shift))
    flies = ((0, 32_766 - shift), (0, 32_769 - shift))
    return SpidersAndFlies(2, 2, 40_000 - shift, 1, starts=starts, fly_cells=flies, vision=4)


@pytest.mark.slow  # what it is made of is compared with 64 bits above
def test_all_that_is_told_of_a_hunt_is_the_same_on_both_sides_of_16_bits():
    told = []
    for shift in (0, 20_000):
        model = near_16_bits(shift)
        state = model.initial_state(jax.random.key(0))
        soft = jax.nn.one_hot(jnp.array([4, 3]), 5)
        after = model.relaxed_transition(model.relaxed_state(state), soft, model.nominal_disturbance())
        true = model.transition(state, jnp.array([4, 3]), model.nominal_disturbance()).state
        seen = model.observation(state, jnp.zeros(2, jnp.int32), model.nominal_disturbance())
        told.append(
            [
                np.asarray(after.state.position)[:, 1] + shift,
                np.asarray(after.state.alive),
                np.asarray(true.spiders, np.int64)[:, 1] + shift,
                np.asarray(true.alive),
                np.where(seen.seen, np.asarray(seen.flies, np.int64)[..., 1] + shift, 0),
                np.asarray(model.agent_observations(state))[:, 2:],
                *jax.tree.leaves(model.features(state, jnp.int32(1))),
            ]
        )
    for wide, narrow in zip(*told, strict=True):
        np.testing.assert_array_equal(wide, narrow)
    assert told[0][0].tolist() == [32_761, 32_769]


def test_a_map_knows_distances_on_both_sides_of_16_bits():
    for longest, kind in ((4094, jnp.int16), (4095, jnp.int32)):
        grid = GridMap(np.ones((1, longest + 1), bool))
        model = SpidersAndFlies(spiders=1, flies=1, map=grid, fly_cells=((0, 0),))
        course = model.terrain.course(model.terrain.cells, model.first_fly_cells)[:, 0]
        assert course.dtype == kind
        assert (course // 8 == np.arange(longest + 1)).all()


def test_operators_put_spiders_and_flies_beyond_16_bits():
    model = SpidersAndFlies(spiders=1, flies=1, width=40_000, height=1, max_spiders=2, max_flies=2)
    state = model.initial_state(jax.random.key(0))
    state = model.with_fly(model.with_spider(state, (0, 39_999)), (0, 33_000))
    assert state.spiders[1].tolist() == [0, 39_999]
    assert state.flies[1].tolist() == [0, 33_000]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (
            {"width": 50_000_001, "height": 1},
            "width=50000001, height=1: the grid has 50,000,001 cells; give one of at m",
        ),
        ({"width": 10**10}, "width=10000000000: cells of the grid; give a whole number of at most 1,000,000,000."),
        ({"fly_cells": ((0, 2**32),) * 15}, "fly_cells: (0, 4294967296) is outside"),
        ({"vision": 2**31}, "vision=2147483648: a distance in moves; give a number from 0 up to 1,000,000,000"),
        (
            {"arrival_stages": (2**31,)},
            "arrival_stages=2147483648: stages at which flies arrive; give a whole number o",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(wrong, sentence):
    with pytest.raises(InputError, match=re.escape(sentence)):
        SpidersAndFlies(**wrong)


def test_other_problems_refuse_what_32_bits_do_not_hold():
    for make in (
        lambda: SpidersOnALine(length=2**31),
        lambda: RockSample(size=2**31),
        lambda: sites(line(2), 10_001),
        lambda: Repair(layout="grid", width=10**6, height=10**6),
        lambda: Repair(layout=((0, 2**40),)),
        lambda: distance_fields(np.broadcast_to(np.zeros((1, 1), np.int32), (2**31, 1)), np.zeros(0, int)),
        lambda: Tabular(
            np.array([[[2**32]]]), np.ones((1, 1, 1)), np.zeros((1, 1)), mask=np.ones((1, 1, 1), bool), discount=0.9
        ),
        lambda: Tabular(
            np.array([[[np.inf]]]), np.ones((1, 1, 1)), np.zeros((1, 1)), mask=np.ones((1, 1, 1), bool), discount=0.9
        ),
        lambda: random_team(0, states=10, agents=20, controls=5),
    ):
        with pytest.raises(InputError, match=r"at most|expected|may have|up to"):
            make()


def test_what_is_seen_along_a_corridor_is_as_long_as_the_corridor():
    seen = window(terrain(1, 40_000), None)
    assert len(seen) == 2 * 40_000 - 1


@given(
    some.sampled_from([1, 4, 7, 13, 31]),
    some.integers(1, 9),
    some.sampled_from([np.int8, np.int16, np.int32]),
    some.randoms(),
)
def test_a_joint_control_has_the_number_that_python_counts(m, c, dtype, random):
    digits = [random.randrange(c) for _ in range(m)]
    control = jnp.asarray(digits, dtype)
    expected = sum(digit * c ** (m - 1 - i) for i, digit in enumerate(digits))
    if c**m > 2**31:
        with pytest.raises(InputError, match="combinations of controls or observations"):
            joint_index(control, c)
    else:
        assert int(joint_index(control, c)) == expected


def test_numbers_of_joint_controls_widen_where_they_must():
    assert joint_index(jnp.full(3, 4, jnp.int8), 5).dtype == jnp.int8
    assert int(joint_index(jnp.full(4, 4, jnp.int8), 5)) == 624
    with jax.enable_x64(True):
        assert int(joint_index(jnp.full(15, 4, jnp.int32), 5)) == 5**15 - 1


def test_lanes_leave_tables_to_jax_whose_entries_32_bits_cannot_number():
    table = jax.ShapeDtypeStruct((2, 50_000, 50_000), jnp.int8)
    index = jax.ShapeDtypeStruct((7,), jnp.int32)
    assert jax.eval_shape(lanes(lambda t, i: t[i % 2, i, i], (None, -1)), table, index).shape == (7,)
    assert jax.eval_shape(lanes(lambda t, i: jax.lax.dynamic_slice(t, (i, i, i), (1, 1, 1)), (None, -1)), table, index)
