"""Spiders and flies that come and go: absent ones change nothing, and nothing is compiled for those who join."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from tests.compiled import compiled

import seriatim as st
from seriatim._compile import jit
from seriatim._record import with_fields
from seriatim.testing import count_compilations

KEY = jax.random.key(0)
GAMES = {
    "open": {"width": 5, "height": 4},
    "wandering": {"width": 5, "height": 4, "fly_behaviour": "wander", "cost": "flies"},
    "fleeing between walls": {
        "map": st.formats.GridMap(np.array([[cell == "." for cell in row] for row in (".....", ".@.@.", "....@")])),
        "fly_behaviour": "flee",
        "collisions": False,
    },
    "arriving": {"width": 5, "height": 4, "arrival_stages": (2, 5), "collisions": False, "vision": 3},
}


@functools.cache
def game(name, spiders=3, **room):
    return st.problems.SpidersAndFlies(spiders=spiders, flies=3, **GAMES[name], **room)


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


# Padding alone changes nothing.


def planners(model):
    base, plan = model.base_policy(), st.Simulation(horizon=5, num_samples=3)
    return {
        "base": base,
        "in turn": st.OneAtATimeRollout(model, base, plan, schedule=st.InTurn()),
        "speculative": st.OneAtATimeRollout(model, base, plan, schedule=st.Speculative(window=99)),
        "signalling": st.SignallingRollout(model, base, simulation=plan),
    }


def roomy_and_plain(name):
    plain = game(name)
    # Room for flies beyond those expected; those that arrive by themselves have theirs.
    return game(name, max_spiders=5, max_flies=plain.swarm.num_slots + 2), plain


@pytest.mark.parametrize(("name", "planner"), [slow("wandering", "in turn"), ("arriving", "base")])
def test_room_for_more_changes_no_episode(name, planner):
    roomy, plain = roomy_and_plain(name)
    one, other = (st.simulate(m, planners(m)[planner], KEY, horizon=12) for m in (plain, roomy))
    np.testing.assert_array_equal(one.controls, other.controls[:, :3])
    np.testing.assert_array_equal(one.costs, other.costs)
    np.testing.assert_array_equal(one.states.spiders, other.states.spiders[:, :3])
    np.testing.assert_array_equal(one.states.flies, other.states.flies[:, : plain.swarm.num_slots])
    assert not other.states.alive[:, plain.swarm.num_slots :].any()
    np.testing.assert_array_equal(other.controls[: int(other.length), 3:], 0)


@pytest.mark.parametrize("planner", ["in turn", slow("speculative"), slow("signalling")])
def test_room_for_more_changes_no_decision_and_no_q_factor(planner):
    one, other = (
        planners(model)[planner].decide(model.initial_state(KEY), KEY) for model in roomy_and_plain("wandering")
    )
    np.testing.assert_array_equal(one.control[:3], other.control)
    np.testing.assert_array_equal(one.q_factors[:3], other.q_factors)
    np.testing.assert_array_equal(one.control[3:], 0)
    assert (one.improvement, one.standard_error) == (other.improvement, other.standard_error)


# Who is absent is not there: the game is that of the others.


def crowd(rng, model):
    """Draw any state of the game: cells shared, some spiders absent."""
    state = compiled(model).initial_state(jax.random.key(int(rng.integers(2**31))))
    cells = np.asarray(model.terrain.cells)
    return with_fields(
        state,
        spiders=jnp.asarray(rng.choice(cells, len(state.spiders))),
        flies=jnp.asarray(rng.choice(cells, len(state.flies))),
        alive=jnp.asarray(rng.random(len(state.alive)) < 0.7),
        active=jnp.asarray(rng.permutation([True, True, True, False, False])),
    )


@jit
def seen(model, state, control, luck):
    """Everything the rules say of a state."""
    after = model.transition(state, control, luck)
    return {
        "mask": model.control_mask(state),
        "base": model.base_policy()(state, KEY),
        "visible": model.visible(state),
        "feasible": model.feasible(state, control),
        "spiders": after.state.spiders,
        "flies": (after.state.flies, after.state.alive, after.cost, after.done),
    }


@pytest.mark.parametrize("name", [slow("open"), slow("wandering"), "fleeing between walls", "arriving"])
@given(seed=some.integers(0, 2**32 - 1))
def test_the_game_is_that_of_the_spiders_at_work(name, seed):
    rng = np.random.default_rng(seed)
    small, roomy = game(name), game(name, max_spiders=5)
    state = crowd(rng, roomy)
    active = np.asarray(state.active)
    alone = with_fields(state, spiders=jnp.asarray(np.asarray(state.spiders)[active]), active=None)
    mask = np.asarray(compiled(roomy).control_mask(state))
    control = np.array([rng.choice(np.flatnonzero(row)) for row in mask], np.int32)
    luck = compiled(roomy).sample_disturbance(jax.random.key(seed % 2**31))
    found = seen(roomy, state, jnp.asarray(control), luck)
    expected = seen(small, alone, jnp.asarray(control[active]), luck)
    found = jax.tree.map(np.asarray, found)
    for what in ("mask", "base", "visible", "spiders"):
        np.testing.assert_array_equal(found[what][active], expected[what])
    for what in ("feasible", "flies"):
        assert jax.tree.all(jax.tree.map(np.array_equal, found[what], expected[what]))
    np.testing.assert_array_equal(found["mask"][~active], [[True, False, False, False, False]] * 2)
    np.testing.assert_array_equal(found["spiders"][~active], np.asarray(state.spiders)[~active])
    np.testing.assert_array_equal(found["base"][~active], 0)
    assert not found["visible"][~active].any()


def test_the_absent_are_not_drawn():
    roomy = game("open", spiders=1, max_spiders=3)
    state = roomy.initial_state(KEY)
    assert roomy.text(state) == game("open", spiders=1).text(with_fields(state, spiders=state.spiders[:1], active=None))
    assert roomy.draw(state).count("<title>") == game("open", spiders=1).draw(state).count("<title>")


def test_the_exact_costs_are_those_of_the_smaller_team_and_endless_without_anybody():
    sizes = {"flies": 1, "width": 3, "height": 2}
    small = st.problems.SpidersAndFlies(spiders=1, **sizes)
    roomy = st.problems.SpidersAndFlies(spiders=1, max_spiders=2, **sizes)
    every, alone = roomy.states(), small.states()
    cost = st.exact.value_iteration(roomy).cost_to_go
    expected = st.exact.value_iteration(small).cost_to_go
    number = jax.jit(jax.vmap(small.index))
    every = jax.tree.map(np.asarray, every)
    for agent in range(2):
        chosen = np.asarray(every.active[:, agent] & ~every.active[:, 1 - agent])
        states = with_fields(every, spiders=every.spiders[:, [agent]], active=None)
        np.testing.assert_allclose(cost[chosen], expected[number(states)][chosen])
    both, nobody = np.asarray(every.active.all(axis=1)), np.asarray(~every.active.any(axis=1))
    assert np.isinf(cost[nobody & np.asarray(every.alive[:, 0])]).all()
    assert cost[both].sum() < cost[every.active[:, 0] & ~every.active[:, 1]].sum()
    assert len(alone.alive) * 4 * 6 == len(every.alive)


@pytest.mark.parametrize("room", [slow({"max_spiders": 2}), {"max_spiders": 3, "max_flies": 5}])
def test_the_laws_hold_with_room(room):
    """Also the laws of a finite model, which only the coming of flies takes away."""
    model = st.problems.SpidersAndFlies(spiders=1, flies=1, width=2, height=2, **room)
    finite = "max_flies" not in room
    report = st.check_model(model, quick=not finite)
    assert report.ok, str(report)
    assert st.check_policy(model, model.base_policy()).ok
    assert sum(f.law.startswith("finite") and f.passed is True for f in report.findings) == (3 if finite else 0)
    if not finite:
        with pytest.raises(st.InputError, match="max_flies=5 is no finite model, since flies join at any time"):
            model.states()


# Coming and going.


def test_spiders_take_the_first_place_or_their_own_and_keep_their_numbers():
    model = game("open", max_spiders=5)
    state = model.initial_state(KEY)
    more = model.with_spider(state, (3, 4))
    np.testing.assert_array_equal(more.active, [True, True, True, True, False])
    np.testing.assert_array_equal(more.spiders[3], [3, 4])
    last = model.with_spider(state, (3, 4), agent=4)
    np.testing.assert_array_equal(last.active, [True, True, True, False, True])
    broken = model.without_spider(last, 1)
    np.testing.assert_array_equal(broken.active, [True, False, True, False, True])
    np.testing.assert_array_equal(broken.spiders, last.spiders)
    repaired = model.with_spider(broken, tuple(map(int, broken.spiders[1])), agent=1)
    np.testing.assert_array_equal(repaired.active, last.active)
    assert jax.tree.all(jax.tree.map(lambda a, b: a.shape == b.shape and a.dtype == b.dtype, state, repaired))


def test_flies_take_the_first_free_slot_and_none_that_is_expected():
    model = game("arriving", max_flies=7)
    state = model.initial_state(KEY)
    more = model.with_fly(state, (0, 1))
    # Three flies at the start, two slots for those scheduled, then the free ones.
    np.testing.assert_array_equal(more.alive, [True, True, True, False, False, True, False])
    np.testing.assert_array_equal(more.flies[5], [0, 1])
    fewer = model.without_fly(more, 1)
    np.testing.assert_array_equal(fewer.alive, [True, False, True, False, False, True, False])
    np.testing.assert_array_equal(model.with_fly(fewer, (2, 2)).flies[1], [2, 2])


def test_a_fly_that_joins_between_walls_is_caught_by_the_shortest_path():
    passable = np.array([[cell == "." for cell in row] for row in ("..@..", ".@@.@", ".....")])
    model = st.problems.SpidersAndFlies(
        spiders=1, flies=1, map=st.formats.GridMap(passable), starts=((0, 1),), fly_cells=((0, 0),), max_flies=2
    )
    state = model.with_fly(model.initial_state(KEY), (0, 4))
    played = st.simulate(model, model.base_policy(), KEY, horizon=20, state=state)
    # One step to the near fly, then around the wall: 2 down, 3 right, 2 up, 1 right.
    assert (played.cost, bool(played.terminated)) == (9, True)


def test_in_compiled_code_the_same_happens_and_without_room_nothing():
    model = game("open", max_spiders=5, max_flies=4)
    state = model.initial_state(KEY)
    cells = jnp.array([[0, 0], [3, 4]])
    changes = {
        "spider": lambda s, cell: model.with_spider(s, cell),
        "this spider": lambda s, cell: model.with_spider(s, cell, agent=4),
        "fly": lambda s, cell: model.with_fly(s, cell),
        "no spider": lambda s, cell: model.without_spider(s, cell[0] % 2),
        "no fly": lambda s, cell: model.without_fly(s, cell[0] % 2),
    }
    for change in changes.values():
        many = jax.jit(jax.vmap(change, (None, 0)))(state, cells)
        for i, cell in enumerate(cells):
            same = jax.tree.map(lambda a, b, i=i: bool((a[i] == b).all()), many, change(state, cell))
            assert jax.tree.all(same)
    full = with_fields(state, active=jnp.ones(5, bool), alive=jnp.ones(4, bool))
    for name in ("spider", "this spider", "fly"):
        same = jax.tree.map(lambda a, b: bool((a == b).all()), jax.jit(changes[name])(full, cells[0]), full)
        assert jax.tree.all(same)


REFUSED = {
    "max_flies=None: the number of flies is fixed in this game; give max_flies when": lambda m, s: game(
        "open"
    ).with_fly(game("open").initial_state(KEY), (0, 0)),
    "max_spiders=None: the number of spiders is fixed": lambda m, s: game("open").without_spider(s, 0),
    "with_fly: (4, 0) is outside the 3 x 5 grid; rows 0..2 and columns 0..4": lambda m, s: m.with_fly(s, (4, 0)),
    "with_fly: (1, 1) is a wall of the 3 x 5 grid": lambda m, s: m.with_fly(s, (1, 1)),
    "with_spider: (2, 4) cannot": lambda m, s: island().with_spider(island().initial_state(KEY), (2, 4)),
    "with_spider: cell=3 is none; give (row, column)": lambda m, s: m.with_spider(s, 3),
    "with_fly: all 4 slots are taken": lambda m, s: m.with_fly(m.with_fly(s, (0, 0)), (0, 0)),
    "without_fly: fly=3 is not alive; give one of 0, 1, 2.": lambda m, s: m.without_fly(s, 3),
    "without_spider: agent=3 is not at work; give one of 0, 1, 2.": lambda m, s: m.without_spider(s, 3),
    "with_spider: agent=0 is not absent; give one of 3.": lambda m, s: m.with_spider(s, (0, 0), agent=0),
    "with_spider: all 4 spiders are at work": lambda m, s: m.with_spider(
        with_fields(s, active=jnp.ones(4, bool)), (0, 0)
    ),
    "with_spider: state=5 is none; give one of the model's": lambda m, s: m.with_spider(5, (0, 0)),
    "without_fly: there are 3 states; give one, or map over them": lambda m, s: m.without_fly(
        jax.tree.map(lambda leaf: jnp.stack([leaf] * 3), s), 0
    ),
    "with_spider: spider 2 stands in": lambda m, s: m.with_spider(s, s.spiders[2]),
}


def island():
    passable = np.array([[cell == "." for cell in row] for row in ("....@", "....@", "...@.")])
    return st.problems.SpidersAndFlies(spiders=1, flies=1, map=st.formats.GridMap(passable), max_spiders=2)


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_cannot_change_is_refused_in_one_sentence(sentence, without_type_checks):
    model = game("fleeing between walls", max_spiders=4, max_flies=4)
    with pytest.raises(st.InputError) as caught:
        without_type_checks(lambda: REFUSED[sentence](model, model.initial_state(KEY)))
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"max_spiders": 2}, "max_spiders=2: room for the 3 spiders at the start; give a whole number from 3 up."),
        ({"max_flies": 4}, "max_flies=4: room for the 3 flies at the start and 2 scheduled; give a whole number"),
    ],
)
def test_too_little_room_is_refused(fields, sentence):
    with pytest.raises(st.InputError, match=sentence):
        dataclasses.replace(game("arriving"), **fields)


# A day.


def a_stage(model, rng, state):
    """Somebody comes or goes, as an operator would say: one of the changes that can be made, or none."""
    cells = np.asarray(model.terrain.cells)
    active, alive = np.asarray(state.active), np.asarray(state.alive)
    cell = tuple(map(int, rng.choice(cells)))
    match rng.integers(6):
        case 0 if not active.all():
            return model.with_spider(state, cell)
        case 1 if not active.all():
            return model.with_spider(state, cell, agent=int(rng.choice(np.flatnonzero(~active))))
        case 2 if active.sum() > 1:
            return model.without_spider(state, int(rng.choice(np.flatnonzero(active))))
        case 3 if not alive.all():
            return model.with_fly(state, cell)
        case 4 if alive.any():
            return model.without_fly(state, int(rng.choice(np.flatnonzero(alive))))
    return state


@pytest.mark.parametrize(("minutes", "plans"), [(120, False), slow(300, True)])
def test_a_day_of_comings_and_goings_compiles_nothing_after_its_first_minutes(minutes, plans):
    model = st.problems.SpidersAndFlies(
        spiders=2, flies=3, width=6, height=6, fly_behaviour="wander", max_spiders=4, max_flies=6
    )
    base, heuristic = model.base_policy(), compiled(model.base_policy())
    planner = st.OneAtATimeRollout(model, base, st.Simulation(horizon=6, num_samples=2))
    move, stack = jax.jit(model.transition), jax.jit(lambda *some: jax.tree.map(lambda *x: jnp.stack(x), *some))
    keys = jax.random.split(KEY, (310, 3))
    draw = jax.jit(lambda t: (keys[t, 0], keys[t, :2], model.sample_disturbance(keys[t, 2])))

    def stage(state, before, t):
        state = a_stage(model, rng, state)
        key, two, luck = draw(t)
        control = planner.decide(state, key).control if plans else heuristic(state, key)
        if plans:
            both = st.decide_many(planner, stack(state, before), two)
            np.testing.assert_array_equal(both.control[0], control)
        teams.add(tuple(np.asarray(state.active).tolist()))
        return move(state, control, luck).state

    rng, teams = np.random.default_rng(0), set()
    before = state = model.initial_state(KEY)
    # Every kind of change once: that is when its program is compiled.
    changed = model.with_spider(model.with_spider(model.with_fly(state, (0, 0)), (0, 1)), (0, 2), agent=3)
    model.without_fly(model.without_spider(changed, 0), 3)
    before, state = state, stage(state, before, 0)
    with count_compilations() as programs:
        for t in range(1, minutes):
            before, state = state, stage(state, before, t)
    assert not programs
    assert len(teams) > 8
