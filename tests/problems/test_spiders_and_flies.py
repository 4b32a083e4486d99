"""Spiders and flies: the rules one by one, the heuristic against true shortest paths, and what is refused."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as some
from scipy import sparse
from scipy.sparse import csgraph
from tests.compiled import compiled

import seriatim as st
from seriatim.problems import Hunt
from seriatim.problems.spiders_and_flies._flies import Luck

STAY, UP, DOWN, LEFT, RIGHT = range(5)
KEY = jax.random.key(0)


def walled(*rows):
    return st.formats.GridMap(np.array([[cell == "." for cell in row] for row in rows]))


def hunt(spiders, flies, alive=None, stage=None):
    return Hunt(
        spiders=jnp.array(spiders, jnp.int32),
        flies=jnp.array(flies, jnp.int32),
        alive=jnp.ones(len(flies), bool) if alive is None else jnp.array(alive),
        stage=None if stage is None else jnp.array(stage, jnp.int32),
    )


def distances(passable):
    """All shortest paths of a grid by SciPy, an independent judge; infinite where there is none."""
    height, width = passable.shape
    here = np.arange(passable.size).reshape(passable.shape)
    edges = []
    for one, other in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        free = passable[one] & passable[other]
        edges.append(np.stack([here[one][free], here[other][free]]))
    start, end = np.concatenate(edges, axis=1)
    graph = sparse.coo_array((np.ones(len(start)), (start, end)), shape=(height * width,) * 2)
    return csgraph.shortest_path(graph, directed=False, unweighted=True)


def cell_of(position, width):
    return int(position[0]) * width + int(position[1])


# The heuristic.


# Every grid has programs of its own.
GRIDS = max(2, settings.default.max_examples // 4)


@given(seed=some.integers(0, 2**32 - 1), grid=some.integers(0, GRIDS))
def test_every_spider_steps_closer_to_a_nearest_living_fly(seed, grid):
    rng, walls = np.random.default_rng(seed), grid > 0
    passable = np.random.default_rng(grid).random((5, 6)) > (0.3 if walls else 0)
    assume(passable.sum() >= 15)
    try:
        where = {"map": st.formats.GridMap(passable)} if walls else {"width": 6, "height": 5}
        model = st.problems.SpidersAndFlies(spiders=3, flies=3, **where)
    except st.InputError:
        assume(False)  # the largest part has no room for six
    state = compiled(model).initial_state(jax.random.key(seed))
    alive = np.append(rng.random(2) < 0.5, True)
    state = dataclasses.replace(state, alive=jnp.asarray(alive))
    after = compiled(model).transition(state, compiled(model.base_policy())(state, KEY), Luck(None, None)).state
    apart = distances(passable)
    flies = [cell_of(f, 6) for f in state.flies[alive]]
    for before, now in zip(state.spiders, after.spiders, strict=True):
        near, nearer = (apart[cell_of(x, 6), flies].min() for x in (before, now))
        assert nearer == near - 1


def test_of_several_shortest_ways_the_heuristic_takes_the_first_move():
    model = st.problems.SpidersAndFlies(spiders=1, flies=2, width=5, height=5)
    base = compiled(model.base_policy())
    assert base(hunt([[2, 2]], [[1, 3], [1, 1]]), KEY) == UP
    assert base(hunt([[2, 2]], [[2, 4], [2, 0]]), KEY) == LEFT
    assert base(hunt([[2, 2]], [[2, 0], [4, 2]], [False, True]), KEY) == DOWN


def test_without_a_living_fly_the_spiders_stay():
    model = st.problems.SpidersAndFlies(spiders=2, flies=1, width=3, height=3, arrival_stages=(9,))
    state = hunt([[0, 0], [1, 1]], [[2, 2], [0, 0]], [False, False], stage=3)
    np.testing.assert_array_equal(compiled(model.base_policy())(state, KEY), [STAY, STAY])


def test_one_spider_and_one_fly_cost_the_shortest_path():
    grid = walled("..@...", ".@@.@.", "....@.", "@@.@@.", "......")
    model = st.problems.SpidersAndFlies(spiders=1, flies=1, map=grid)
    apart = distances(np.asarray(grid.passable))
    for seed in range(8):
        played = st.simulate(model, model.base_policy(), jax.random.key(seed), horizon=60)
        start = jax.tree.map(lambda leaf: leaf[0], played.states)
        assert played.cost == apart[cell_of(start.spiders[0], 6), cell_of(start.flies[0], 6)]
        assert played.terminated


# A stage.


def test_a_spider_catches_the_fly_whose_cell_it_reaches():
    model = st.problems.SpidersAndFlies(spiders=2, flies=2, width=4, height=4)
    state = hunt([[0, 0], [3, 3]], [[0, 1], [2, 0]])
    after = compiled(model).transition(state, jnp.array([RIGHT, UP]), Luck(None, None))
    np.testing.assert_array_equal(after.state.alive, [False, True])
    np.testing.assert_array_equal(after.state.spiders, [[0, 1], [2, 3]])
    assert (after.cost, after.done) == (1, False)


def test_a_fly_is_caught_before_it_can_move_and_when_it_moves_onto_a_spider():
    model = st.problems.SpidersAndFlies(spiders=1, flies=2, width=4, height=1, fly_behaviour="wander", cost="flies")
    state = hunt([[0, 0]], [[0, 1], [0, 2]])
    both = compiled(model).transition(state, jnp.array([RIGHT]), Luck(jnp.array([RIGHT, LEFT], jnp.int32), None))
    np.testing.assert_array_equal(both.state.alive, [False, False])
    np.testing.assert_array_equal(both.state.flies[0], [0, 1])
    assert (both.cost, both.done) == (0, True)


@pytest.mark.parametrize(
    ("move", "after"), [(STAY, (1, 1)), (UP, (0, 1)), (DOWN, (1, 1)), (LEFT, (1, 1)), (RIGHT, (1, 2))]
)
def test_walls_and_borders_stop_a_move_and_its_mask_says_so(move, after):
    model = st.problems.SpidersAndFlies(spiders=1, flies=1, map=walled("...", "@..", "@@."), fly_cells=((0, 0),))
    state = hunt([[1, 1]], [[0, 0]])
    moved = compiled(model).transition(state, jnp.array([move]), Luck(None, None)).state.spiders[0]
    np.testing.assert_array_equal(moved, after)
    assert compiled(model).control_mask(state)[0, move] == (move == STAY or after != (1, 1))


def test_an_open_map_and_an_open_grid_are_the_same_game():
    drawn = st.problems.SpidersAndFlies(spiders=3, flies=3, map=walled(*["....."] * 4), fly_behaviour="flee")
    plain = st.problems.SpidersAndFlies(spiders=3, flies=3, width=5, height=4, fly_behaviour="flee")
    one, other = (st.simulate(model, model.base_policy(), KEY, horizon=30) for model in (drawn, plain))
    assert jax.tree.all(jax.tree.map(lambda a, b: bool(jnp.all(a == b)), one, other))


def test_the_cost_is_the_stages_or_the_flies_alive_at_their_end():
    state = hunt([[0, 0]], [[0, 1], [0, 3]])
    for cost, expected in (("stages", 1), ("flies", 1)):
        model = st.problems.SpidersAndFlies(spiders=1, flies=2, width=5, height=1, cost=cost)
        assert compiled(model).transition(state, jnp.array([RIGHT]), Luck(None, None)).cost == expected
        assert compiled(model).transition(state, jnp.array([STAY]), Luck(None, None)).cost == (
            1 if cost == "stages" else 2
        )


# Flies that flee.

FLEEING = st.problems.SpidersAndFlies(
    spiders=2, flies=1, map=walled(".....", ".@.@.", ".....", "..@.."), fly_behaviour="flee"
)


@given(seed=some.integers(0, 2**32 - 1))
def test_a_fleeing_fly_goes_where_the_nearest_spider_is_farthest(seed):
    model = FLEEING
    state = compiled(model).initial_state(jax.random.key(seed))
    apart = distances(np.asarray(FLEEING.map.passable))
    state = jax.tree.map(np.asarray, state)
    spiders = [cell_of(x, 5) for x in state.spiders]
    fly = cell_of(state.flies[0], 5)
    reach = np.flatnonzero(apart[fly] <= 1)
    farthest = max(min(apart[there, spiders]) for there in reach)
    for luck in range(5):
        after = compiled(model).transition(state, jnp.zeros(2, int), Luck(jnp.array([luck], jnp.int32), None)).state
        there = cell_of(after.flies[0], 5)
        assert there in reach
        assert min(apart[there, spiders]) == farthest
    frozen = compiled(model).transition(state, jnp.zeros(2, int), Luck(jnp.array([5], jnp.int32), None)).state
    np.testing.assert_array_equal(frozen.flies, state.flies)


def test_ties_of_a_fleeing_fly_are_broken_by_luck():
    model = st.problems.SpidersAndFlies(spiders=1, flies=1, width=9, height=9, fly_behaviour="flee")
    state = hunt([[4, 4]], [[6, 6]])
    after = [
        compiled(model)
        .transition(state, jnp.array([STAY]), Luck(jnp.array([luck], jnp.int32), None))
        .state.flies[0]
        .tolist()
        for luck in range(5)
    ]
    assert after == [[7, 6], [7, 6], [7, 6], [6, 7], [6, 7]]


# Flies that arrive.


def test_a_scheduled_fly_is_there_at_its_stage_in_the_cell_that_was_drawn():
    model = st.problems.SpidersAndFlies(spiders=1, flies=1, width=6, height=6, arrival_stages=(3, 1))
    state = hunt([[0, 0]], [[0, 1], [0, 0], [0, 0]], [True, False, False], stage=0)
    seen = []
    for _ in range(3):
        after = compiled(model).transition(state, jnp.array([STAY]), Luck(None, jnp.array([35, 17], jnp.int32)))
        state = after.state
        seen.append(state.alive.tolist())
    assert seen == [[True, False, True], [True, False, True], [True, True, True]]
    np.testing.assert_array_equal(state.flies[1:], [[5, 5], [2, 5]])
    assert not after.done


def test_the_game_waits_for_scheduled_flies_and_ends_after_the_last():
    model = st.problems.SpidersAndFlies(spiders=4, flies=1, width=4, height=4, arrival_stages=(20, 30))
    played = st.simulate(model, model.base_policy(), KEY, horizon=100)
    assert played.terminated
    assert played.length > 29
    assert not played.states.alive[-1].any()
    # Nothing is paid while no fly lives.
    assert played.cost < played.length


def test_a_random_arrival_takes_a_free_slot_or_does_not_come():
    model = st.problems.SpidersAndFlies(spiders=1, flies=1, width=6, height=6, arrival_rate=0.5)
    slots = model.swarm.num_slots
    luck = Luck(None, jnp.array([35], jnp.int32))
    state = hunt([[0, 0]], [[3, 3]] + [[0, 0]] * (slots - 1), [True] + [False] * (slots - 1))
    for expected in range(2, slots + 2):
        state = compiled(model).transition(state, jnp.array([STAY]), luck).state
        assert state.alive.sum() == min(expected, slots)
    np.testing.assert_array_equal(state.flies[0], [3, 3])


def test_arrivals_come_at_their_rate():
    """Binomial: 4000 draws at rate 0.3; beyond 5.3 standard errors once in ten million runs."""
    model = st.problems.SpidersAndFlies(spiders=1, flies=1, width=6, height=6, arrival_rate=0.3)
    drawn = jax.jit(jax.vmap(model.sample_disturbance))(jax.random.split(KEY, 4000)).arrivals
    assert abs(float((drawn >= 0).mean()) - 0.3) < 5.3 * np.sqrt(0.3 * 0.7 / 4000)
    assert set(np.unique(drawn)) == set(range(-1, 36))


def test_in_the_nominal_disturbance_nothing_moves_and_nobody_comes():
    model = st.problems.SpidersAndFlies(
        spiders=1, flies=2, width=6, height=6, fly_behaviour="flee", arrival_rate=1, arrival_stages=(1,)
    )
    state = compiled(model).initial_state(KEY)
    after = compiled(model).transition(state, jnp.array([STAY]), model.nominal_disturbance()).state
    np.testing.assert_array_equal(after.flies, state.flies)
    np.testing.assert_array_equal(after.alive, state.alive)


def test_flies_that_have_not_arrived_are_nowhere_to_be_seen():
    model = st.problems.SpidersAndFlies(
        spiders=1, flies=1, width=6, height=6, arrival_stages=(50,), arrival_rate=0.01, fly_behaviour="wander"
    )
    state = compiled(model).initial_state(KEY)
    assert model.text(state).count("·") == 34
    after = compiled(model).transition(state, jnp.array([STAY]), model.nominal_disturbance()).state
    np.testing.assert_array_equal(after.flies[1:], -1)


# Where everybody starts.

IN_PARTS = st.problems.SpidersAndFlies(spiders=3, flies=3, map=walled("..@..", "..@..", "@@@..", "...@@"))


@given(seed=some.integers(0, 2**32 - 1))
def test_everybody_starts_in_a_cell_of_its_own_in_the_largest_part(seed):
    state = compiled(IN_PARTS).initial_state(jax.random.key(seed))
    cells = [tuple(x) for x in np.concatenate([state.spiders, state.flies]).tolist()]
    assert len(set(cells)) == 6
    assert set(cells) <= {(row, column) for row in range(3) for column in (3, 4)}


def test_given_cells_are_kept_and_the_others_drawn_around_them():
    model = st.problems.SpidersAndFlies(spiders=2, flies=7, width=3, height=3, starts=((1, 1), (0, 2), (2, 2)))
    state = compiled(model).initial_state(KEY)
    np.testing.assert_array_equal(state.spiders, [[1, 1], [0, 2]])
    assert len({tuple(x) for x in np.concatenate([state.spiders, state.flies]).tolist()}) == 9
    both = dataclasses.replace(model, flies=1, fly_cells=((0, 0),))
    np.testing.assert_array_equal(compiled(both).initial_state(KEY).flies, [[0, 0]])


def test_sight_ends_at_the_radius():
    model = st.problems.SpidersAndFlies(spiders=1, flies=3, width=6, height=6, vision=3)
    state = hunt([[0, 0]], [[1, 2], [2, 2], [0, 1]], [True, True, False])
    np.testing.assert_array_equal(compiled(model).visible(state), [[True, False, False]])
    np.testing.assert_array_equal(
        compiled(dataclasses.replace(model, vision=None)).visible(state), [[True, True, False]]
    )


# Spiders that may not share a cell.


def test_two_spiders_in_one_cell_are_not_feasible():
    model = st.problems.SpidersAndFlies(spiders=2, flies=1, width=4, height=1, collisions=False)
    state = hunt([[0, 0], [0, 2]], [[0, 3]])
    assert not compiled(model).feasible(state, jnp.array([RIGHT, LEFT]))
    assert compiled(model).feasible(state, jnp.array([RIGHT, STAY]))


@given(seed=some.integers(0, 2**32 - 1))
def test_the_heuristic_and_its_rollout_are_feasible_at_every_stage(seed):
    model = st.problems.SpidersAndFlies(spiders=4, flies=3, width=4, height=3, collisions=False)
    base = model.base_policy()
    rollout = st.OneAtATimeRollout(model, base, st.Simulation(horizon=20), schedule=st.InTurn())
    for policy in (base, rollout):
        played = jax.tree.map(np.asarray, st.simulate(model, policy, jax.random.key(seed), horizon=15))
        for t in range(int(played.length)):
            state = jax.tree.map(lambda leaf, t=t: leaf[t], played.states)
            assert compiled(model).feasible(state, played.controls[t])
            assert len(np.unique(played.states.spiders[t + 1], axis=0)) == 4


# Mistakes.

ISLANDS = walled("..@.", "..@@")
MISTAKES = {
    "spiders=0: the number of agents; give a whole number from 1 up.": {"spiders": 0},
    "flies=0: ": {"flies": 0},
    "width=-1: cells of the grid; give a whole number from 1 up.": {"width": -1},
    "spiders=15 and flies=15 need 30 cells to start in, but the grid has 25 open": {"width": 5, "height": 5},
    "fly_behaviour='sleep': give one of 'stay', 'wander', 'flee'.": {"fly_behaviour": "sleep"},
    "cost='money': give one of 'stages', 'flies'.": {"cost": "money"},
    "discount=1.5: give a number above 0 and at most 1.": {"discount": 1.5},
    "discount=0: ": {"discount": 0},
    "arrival_rate=2: a chance at each stage; give a number from 0 to 1.": {"arrival_rate": 2},
    "arrival_stages=0: stages at which flies arrive; give a whole number from 1 up.": {"arrival_stages": (0,)},
    "vision=-1: a distance in moves": {"vision": -1},
    "no/such.map: no such file": {"map": "no/such.map"},
    "starts: (0, 2) is a wall of map; give an open cell.": {"map": ISLANDS, "spiders": 1, "starts": ((0, 2),)},
    "starts: (0, 3) cannot be reached from the largest open part of map": {
        "map": ISLANDS,
        "spiders": 1,
        "starts": ((0, 3),),
    },
    "starts: (7, 0) is outside map; rows 0..1 and columns 0..3 are expected.": {
        "map": ISLANDS,
        "spiders": 1,
        "starts": ((7, 0),),
    },
    "starts has 1 cells for 2 spiders; give at least as many cells as spiders.": {"spiders": 2, "starts": ((0, 0),)},
    "starts=(1, 2): (row, column) pairs of whole numbers": {"spiders": 2, "starts": (1, 2)},
    "starts names a cell twice, which collisions=False forbids": {
        "spiders": 2,
        "starts": ((0, 0), (0, 0)),
        "collisions": False,
    },
    "fly_cells: a spider starts on (0, 1); give flies cells without a spider.": {
        "spiders": 1,
        "flies": 1,
        "starts": ((0, 1),),
        "fly_cells": ((0, 1),),
    },
}


# The arguments are wrong on purpose: the run-time check of annotations that tests switch on would get there first.
@pytest.mark.parametrize("sentence", MISTAKES)
def test_a_mistake_is_one_clear_sentence(sentence, without_type_checks):
    with pytest.raises(st.InputError) as caught:
        without_type_checks(lambda: st.problems.SpidersAndFlies(**MISTAKES[sentence]))
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


def test_too_large_a_map_for_flies_everywhere_is_refused_with_a_way_out():
    grid = st.formats.GridMap(np.ones((150, 150), bool), name="hall")
    with pytest.raises(st.InputError, match=r"^hall: shortest paths .* give fly_cells with flies that stay"):
        st.problems.SpidersAndFlies(map=grid)
    model = st.problems.SpidersAndFlies(map=grid, flies=2, fly_cells=((0, 0), (140, 3)))
    assert compiled(model).initial_state(KEY).flies.shape == (2, 2)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [({"arrival_rate": 0.1}, "with arrivals is no finite model"), ({}, "too many to enumerate")],
)
def test_a_model_too_large_to_enumerate_says_so(fields, sentence):
    with pytest.raises(st.InputError, match=sentence):
        st.problems.SpidersAndFlies(**fields).states()
