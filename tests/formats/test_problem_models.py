"""Problem files as models: the published ones, random ones written and read back, and the laws of models."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import seriatim
from seriatim._errors import InputError
from seriatim.formats import TeamPOMDP, TeamTables, load, save
from seriatim.formats._team_pomdp import blind_costs

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data"

# Agents' actions and observations, states, discount and least cost of a stage, as published with the problems.
PUBLISHED = {
    "dpomdp/GridSmall.dpomdp": ((5, 5), (2, 2), 16, 1.0, -1),
    "dpomdp/mabc.dpomdp": ((2, 2), (2, 2), 4, 1.0, -1),
    "dpomdp/recycling.dpomdp": ((3, 3), (2, 2), 4, 1.0, -5),
    "dpomdp/tiger.dpomdp": ((3, 3), (2, 2), 2, 1.0, -20),
    "pomdp/1D.pomdp": ((2,), (2,), 4, 0.75, -1),
    "pomdp/cheese.pomdp": ((4,), (7,), 11, 0.95, -1),
    "pomdp/hallway.pomdp": ((5,), (21,), 60, 0.95, -1),
    "pomdp/shuttle.pomdp": ((3,), (5,), 8, 0.95, -10),
    "pomdp/tiger.pomdp": ((3,), (2,), 2, 0.75, -10),
}


def real(name):
    if not (FOLDER / name).exists():
        pytest.skip(f"no {name} in {FOLDER}")
    return load(FOLDER / name)


def equal(one, other):
    arrays = ("transition", "observation", "cost", "start")
    names = ("states", "actions", "observations", "agents")
    same = all(getattr(one, field).tobytes() == getattr(other, field).tobytes() for field in arrays)
    return same and all(getattr(one, field) == getattr(other, field) for field in names)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_problems_have_their_sizes_and_are_written_back(name, tmp_path):
    model = real(name)
    tables = model.tables
    counts = [tuple(len(names) for names in kind) for kind in (tables.actions, tables.observations)]
    sizes = (*counts, len(tables.states), model.discount, tables.cost.min())
    assert sizes == PUBLISHED[name]
    save(model, tmp_path / Path(name).name)
    back = load(tmp_path / Path(name).name)
    assert equal(tables, back.tables)
    assert back.discount == model.discount


def test_decentralised_tiger():
    tables = real("dpomdp/tiger.dpomdp").tables
    listen = tables.num_joint_actions - 1
    assert tables.actions[0] == ("open-left", "open-right", "listen")
    assert (tables.transition[listen] == np.eye(2)).all()
    assert (tables.transition[:listen] == 0.5).all()
    assert tables.observation[listen].tolist() == [[0.7225, 0.1275, 0.1275, 0.0225], [0.0225, 0.1275, 0.1275, 0.7225]]
    expected = np.array(
        [[50, -20], [100, 100], [101, -9], [100, 100], [-20, 50], [-9, 101], [101, -9], [-9, 101], [2, 2]]
    )
    assert (tables.cost == expected[:, :, None]).all()


TIGER = """
discount: 0.95
values: reward
states: tiger-left tiger-right
actions: listen open-left open-right
observations: hear-left hear-right
T: listen identity
T: open-left uniform
T: open-right uniform
O: * uniform
O: listen
0.85 0.15
0.15 0.85
R: listen : * : * : * -1
R: open-left : * : * : * 10
R: open-left : tiger-left : * : * -100
R: open-right : * : * : * 10
R: open-right : tiger-right : * : * -100
"""


@pytest.fixture
def tiger(tmp_path):
    (tmp_path / "tiger.pomdp").write_text(TIGER)
    return load(tmp_path / "tiger.pomdp")


def random_tables(seed, states, actions, observations, names=None):
    """Draw tables in which about half of the transitions are impossible, and costs of any size."""
    rng = np.random.default_rng(seed)
    a, o = int(np.prod(actions)), int(np.prod(observations))

    def rows(count, width):
        drawn = rng.random((a, count, width)) * (rng.random((a, count, width)) < 0.5)
        drawn[..., 0] += 1e-300 + (drawn.sum(axis=2) == 0)
        return drawn / drawn.sum(axis=2, keepdims=True)

    cost = np.where(rng.random((a, states, 1)) < 0.5, 1.0, rng.random((a, states, states)))
    return TeamTables(
        transition=rows(states, states),
        observation=rows(states, o),
        cost=cost * rng.normal(size=(a, states, 1)) * 10.0 ** rng.integers(-12, 12, (a, states, 1)),
        start=rng.dirichlet(np.ones(states)),
        states=names or tuple(map(str, range(states))),
        actions=tuple(tuple(f"act-{i}" for i in range(n)) for n in actions),
        observations=tuple(tuple(map(str, range(n))) for n in observations),
        agents=tuple(map(str, range(len(actions)))),
    )


counts = st.integers(1, 3)
# Names that need quotes, and names that look like numbers of other elements, among them.
name = st.sampled_from(["T", "start", "uniform", "2nd", "1", "0", "left", "é", "a.b", "-x", "0.5", "reset", "R"])


@given(seed=st.integers(0, 2**32), team=st.lists(st.tuples(counts, counts), min_size=1, max_size=3), data=st.data())
def test_what_is_written_is_read_back_to_the_last_bit(tmp_path_factory, seed, team, data):
    names = tuple(data.draw(st.lists(name, min_size=1, max_size=4, unique=True)))
    actions, observations = zip(*team, strict=True)
    model = TeamPOMDP(random_tables(seed, len(names), actions, observations, names), 0.1 + (seed % 900) / 1000)
    for suffix in (".dpomdp", ".pomdp")[: 1 + (len(team) == 1)]:
        place = tmp_path_factory.mktemp("written") / f"problem{suffix}"
        save(model, place)
        back = load(place)
        assert equal(model.tables, back.tables)
        assert back.discount == model.discount


def test_the_laws_of_models_hold():
    model = TeamPOMDP(random_tables(1, 5, (2, 3), (3, 2)), 0.9)
    seriatim.check_model(model, quick=True).raise_if_broken()
    assert isinstance(model, seriatim.FiniteModel)
    assert isinstance(model, seriatim.ObservedModel)
    assert np.array(model.control_mask(jnp.int32(0))).tolist() == [[True, True, False], [True] * 3]


def test_observations_are_drawn_with_their_likelihood(tiger):
    listen, left = jnp.array([0]), jnp.int32(0)
    draws = jnp.stack([jnp.full(1000, 0.5), (jnp.arange(1000) + 0.5) / 1000], axis=1)
    seen = jax.vmap(lambda w: tiger.observation(left, listen, w))(draws)
    assert seen.shape == (1000, 1)
    assert int(seen.sum()) == 150  # a grid of uniform numbers has no chance in it
    likelihood = [float(tiger.observation_likelihood(jnp.array([o]), left, listen)) for o in range(2)]
    assert np.allclose(likelihood, [0.85, 0.15])


def test_each_agents_observation_is_a_digit_of_the_joint_one():
    model = TeamPOMDP(random_tables(3, 2, (1, 2), (2, 3)), 0.9)
    control, state = jnp.array([0, 1]), jnp.int32(1)
    every = jnp.array([[i, j] for i in range(2) for j in range(3)])
    likely = jax.vmap(lambda seen: model.observation_likelihood(seen, state, control))(every)
    assert np.allclose(likely, model.tables.observation[1, 1], atol=1e-6)


@pytest.mark.parametrize("discount", [0.6, 1.0])
def test_the_base_policy_is_the_best_constant_control(discount):
    tables = random_tables(5, 4, (2, 3), (1, 1))
    costs = blind_costs(tables, discount)
    stage = (tables.transition * tables.cost).sum(axis=2)
    if discount < 1:
        exact = [
            tables.start @ np.linalg.solve(np.eye(4) - discount * moves, paid)
            for moves, paid in zip(tables.transition, stage, strict=True)
        ]
    else:
        exact = [
            sum(tables.start @ np.linalg.matrix_power(moves, t) @ paid for t in range(100))
            for moves, paid in zip(tables.transition, stage, strict=True)
        ]
    assert np.allclose(costs, exact, atol=1e-3 * abs(stage).max())
    model = TeamPOMDP(tables, discount)
    control = model.base_policy()(None, jax.random.key(0))
    assert tuple(control.tolist()) == np.unravel_index(np.argmin(exact), (2, 3))
    ever_after = model.terminal_cost()
    assert (ever_after is None) == (discount == 1)
    if ever_after is not None:
        assert float(model.initial @ ever_after.cost) == pytest.approx(min(exact), rel=1e-5)


def test_what_cannot_be_written_is_said(tiger, tmp_path):
    team = TeamPOMDP(random_tables(1, 2, (2, 2), (1, 1)), 0.9)
    with pytest.raises(InputError, match=r"2 agents cannot be saved as '\.pomdp'"):
        save(team, tmp_path / "team.pomdp")
    with pytest.raises(InputError, match="cannot be written"):
        save(tiger, tmp_path / "nowhere" / "tiger.pomdp")
    with pytest.raises(InputError, match="have the name 'a b'"):
        random_tables(1, 1, (1,), (1,), ("a b",))
    assert tiger.tables == load(tmp_path / "tiger.pomdp").tables
    assert tiger.tables != team.tables
    with pytest.raises(InputError, match="discount=0"):
        TeamPOMDP(tiger.tables, 0.0)


def test_the_cost_of_the_base_policy_is_the_same_by_sparse_factors(monkeypatch):
    from seriatim.formats import _team_pomdp

    rng = np.random.default_rng(0)
    moves = np.eye(30)[rng.integers(0, 30, (3, 30))].mean(axis=0)
    stage = rng.normal(size=30)
    dense = _team_pomdp._solved(moves, stage, 0.9)
    monkeypatch.setattr(_team_pomdp, "MANY_STATES", 1)
    monkeypatch.setattr(_team_pomdp, "SPARSE", 0.5)
    np.testing.assert_allclose(_team_pomdp._solved(moves, stage, 0.9), dense, atol=1e-12)
    np.testing.assert_allclose(dense, stage + 0.9 * moves @ dense, atol=1e-12)
