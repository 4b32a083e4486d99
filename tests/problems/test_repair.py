"""The repair problem is what its stage says, its beliefs are Bayes' rule, and its rollout beats its heuristic."""

import itertools
from xml.etree import ElementTree

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st
from seriatim.problems import DamageForever, Repair, RepairState
from seriatim.problems.repair._beliefs import NearestDamage
from seriatim.problems.repair._model import Inspection
from seriatim.problems.repair._sites import graph32

SMALL = Repair(
    robots=2,
    layout="line",
    width=3,
    gamma=(0.3, 0.2),
    costs=(0.0, 1.0, 5.0),
    prior=((0.5, 0.3, 0.2), (0.2, 0.2, 0.6), (1.0, 0.0, 0.0)),
    starts=(0, 1),
)


def test_the_graph_is_the_published_one():
    edges = graph32()
    degrees = np.bincount(np.array(edges).ravel())
    assert (len(edges), len(degrees), degrees.max()) == (48, 32, 4)
    assert (0, 1) in edges
    assert (30, 31) in edges  # AE-AF


@pytest.mark.parametrize("layout", ["graph32", "line", "grid", ((0, 1), (1, 2), (2, 0), (2, 3))], ids=str)
def test_first_steps_lead_nearer_by_the_least_control(layout):
    model = Repair(layout=layout, width=4, height=3)
    neighbours, distance, step = (np.asarray(table) for table in model.sites)
    for here, goal in itertools.product(range(model.num_sites), repeat=2):
        if here == goal:
            assert distance[here, goal] == step[here, goal] == 0
            continue
        ways = [k for k in range(1, model.num_controls) if distance[neighbours[here, k], goal] < distance[here, goal]]
        assert step[here, goal] == ways[0]
        assert distance[neighbours[here, ways[0]], goal] == distance[here, goal] - 1


def test_a_stage_pays_repairs_worsens_and_moves():
    state = RepairState(jnp.array([0, 2]), jnp.array([1, 0, 1]))
    worsen = jnp.array([0.1, 0.1, 0.1])  # below every gamma
    after = SMALL.transition(state, jnp.array([0, 1]), worsen)
    assert after.state.positions.tolist() == [0, 1]
    assert after.state.levels.tolist() == [0, 1, 2]
    assert float(after.cost) == 2.0
    calm = SMALL.transition(state, jnp.array([1, 1]), jnp.array([0.9, 0.9, 0.9]))
    assert calm.state.levels.tolist() == [1, 0, 1]
    assert SMALL.observation(calm.state, jnp.array([1, 1]), worsen).level.tolist() == [1, 1]


@pytest.mark.parametrize(
    "check",
    [
        pytest.param(lambda model: st.check_filter(st.beliefs.FactoredFilter(model)), id="of filters"),
        pytest.param(st.check_model, id="of models", marks=pytest.mark.slow),
        pytest.param(lambda model: st.check_model(model.belief_model()), id="of beliefs", marks=pytest.mark.slow),
        pytest.param(lambda model: st.check_model(model, quick=True), id="of models, quickly"),
    ],
)
def test_the_laws_hold(check):
    report = check(Repair(robots=2, layout="grid", width=3, height=2))
    assert report.ok, str(report)


def joint_bayes(belief, positions, control, seen, levels=3):
    """Bayes' rule over the joint levels of all sites, by loops; `seen` maps sites to levels."""
    grow = (*SMALL.gamma, 0.0)
    after = dict.fromkeys(belief, 0.0)
    staying = {site for site, u in zip(positions, control, strict=True) if u == 0}
    for levels_now, weight in belief.items():
        for worse in itertools.product((0, 1), repeat=3):
            chance, new = weight, []
            for site, (level, up) in enumerate(zip(levels_now, worse, strict=True)):
                chance *= grow[level] if up else 1 - grow[level]
                new.append(0 if site in staying else level + up)
            if chance:
                after[tuple(new)] += chance
    kept = {x: p for x, p in after.items() if all(x[site] == level for site, level in seen.items())}
    total = sum(kept.values())
    return {x: kept.get(x, 0.0) / total for x in belief}


def test_the_filter_is_bayes_rule_over_all_levels_at_once():
    filter = st.beliefs.FactoredFilter(SMALL)
    state, belief = SMALL.initial_state(jax.random.key(3)), filter.initial(jax.random.key(3))
    joint = {
        x: float(np.prod([SMALL.prior[site][level] for site, level in enumerate(x)]))
        for x in itertools.product(range(3), repeat=3)
    }
    rng = np.random.default_rng(0)
    step, seen, update = jax.jit(SMALL.transition), jax.jit(SMALL.observation), jax.jit(filter.update)
    mask_of, draw_of = jax.jit(SMALL.control_mask), jax.jit(SMALL.sample_disturbance)
    for stage in range(12):
        mask = np.asarray(mask_of(state))
        control = [int(rng.choice(np.flatnonzero(row))) for row in mask]
        before = np.asarray(state.positions).tolist()
        draw = draw_of(jax.random.key(stage))
        state = step(state, np.array(control), draw).state
        told = seen(state, np.array(control), draw)
        belief = update(belief, np.array(control), told)
        sites, levels = np.asarray(told.site) - 1, np.asarray(told.level) - 1
        joint = joint_bayes(joint, before, control, dict(zip(sites.tolist(), levels.tolist(), strict=True)))
        marginal = np.zeros((3, 3))
        for x, p in joint.items():
            for site, level in enumerate(x):
                marginal[site, level] += p
        np.testing.assert_allclose(belief.sites, marginal, atol=1e-5)
        assert belief.known.tolist() == state.positions.tolist()


def test_the_problem_over_beliefs_is_that_of_the_filter():
    """Whatever level is drawn, the next belief is the filter's; and it is drawn as often as it is likely."""
    model = SMALL.belief_model()
    belief = st.beliefs.FactoredBelief(
        jnp.array([0, 2]), jnp.array([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8], [0.6, 0.4, 0.0]])
    )
    control = jnp.array([1, 0])  # to site 1; repair site 2
    draws = (jnp.arange(1000) + 0.5) / 1000
    after = jax.jit(jax.vmap(lambda u: model.transition(belief, control, jnp.full(3, u))))(draws)
    grow = np.array([0.3, 0.2, 0.0])
    row = np.array([0.1, 0.1, 0.8])
    likely = row - row * grow + np.append(0, (row * grow)[:-1])
    np.testing.assert_allclose(after.state.sites[:, 1].mean(axis=0), likely, atol=2e-3)
    levels = np.asarray(after.state.sites[:, 1].argmax(axis=1))
    for level in range(3):
        told = Inspection(jnp.array([2, 3]), jnp.array([level + 1, 1]))
        expected = model.filter.update(belief, control, told)
        mine = jax.tree.map(lambda leaf, level=level: leaf[np.flatnonzero(levels == level)[0]], after.state)
        np.testing.assert_allclose(mine.sites, expected.sites, atol=1e-6)
        assert mine.known.tolist() == expected.known.tolist()
    costs = belief.sites @ jnp.array(SMALL.costs)
    np.testing.assert_allclose(after.cost, costs.sum(), rtol=1e-6)
    assert float(DamageForever(SMALL)(belief)) == pytest.approx(float(costs.sum()) / 0.05, rel=1e-5)


def test_what_a_robot_says_that_is_not_heard_changes_nothing():
    """Zeros: the sites are predicted, and it is taken to be where its control leads."""
    filter = st.beliefs.FactoredFilter(SMALL)
    belief = filter.initial(jax.random.key(0))
    told = Inspection(jnp.array([1, 0]), jnp.array([2, 0]))
    after = filter.update(belief, jnp.array([0, 2]), told)
    assert after.known.tolist() == [0, 2]
    np.testing.assert_allclose(after.sites[0], [1, 0, 0], atol=1e-6)  # repaired: what was told is impossible
    np.testing.assert_allclose(after.sites[2], [0.7, 0.3, 0.0], atol=1e-6)


def test_the_heuristic_is_the_published_one():
    model = Repair(robots=3)
    policy = NearestDamage(model)
    neighbours, distance, _ = (np.asarray(table) for table in model.sites)
    rng = np.random.default_rng(1)
    ask = jax.jit(policy)
    for _ in range(40):
        sound = rng.random(32) < 0.8
        sites = np.where(sound[:, None], np.eye(5)[0], rng.dirichlet(np.ones(5), 32))
        positions = rng.integers(32, size=3)
        chosen = ask(
            st.beliefs.FactoredBelief(jnp.asarray(positions), jnp.asarray(sites, jnp.float32)), jax.random.key(0)
        )
        for here, control in zip(positions.tolist(), np.asarray(chosen).tolist(), strict=True):
            if not sound[here] or sound.all():
                assert control == 0
                continue
            goal = min((int(distance[here, site]), site) for site in np.flatnonzero(~sound).tolist())[1]
            assert distance[neighbours[here, control], goal] == distance[here, goal] - 1


def beliefs_and_planner(world):
    model = world.belief_model()
    simulation = st.Simulation(horizon=6, num_samples=4, terminal_cost=DamageForever(world))
    return model, st.OneAtATimeRollout(model, model.base_policy(), simulation, schedule=st.InTurn())


def test_one_at_a_time_costs_less_than_the_heuristic_on_a_line():
    """By more than five standard errors of paired differences."""
    model, planner = beliefs_and_planner(Repair(robots=2, layout="line", width=5))
    gains = []
    for seed in range(60):
        base, rollout = (
            st.simulate(model, policy, jax.random.key(seed), horizon=20).cost
            for policy in (model.base_policy(), planner)
        )
        gains.append(float(base - rollout))
    assert np.mean(gains) > 5 * np.std(gains, ddof=1) / np.sqrt(60)


@pytest.mark.slow
def test_one_at_a_time_costs_less_than_the_heuristic():
    """By more than five standard errors of paired differences."""
    model, planner = beliefs_and_planner(Repair(robots=2, layout="grid", width=4, height=3))
    policies = {"base": model.base_policy(), "rollout": planner}
    row = st.compare(model, policies, jax.random.key(0), episodes=20, horizon=40).rows["rollout"]
    assert row.difference.mean < -5 * row.difference.standard_error


def test_the_heuristic_of_a_hidden_problem_refuses_its_states(without_type_checks):
    for world in (SMALL, st.problems.RockSample()):
        with pytest.raises(st.InputError, match=r"a policy of beliefs, and was given a R\w+State; plan and play"):
            without_type_checks(
                lambda world=world: st.evaluate(world, world.base_policy(), jax.random.key(0), episodes=1, horizon=2)
            )


def test_it_draws_itself():
    model = Repair(robots=2)
    state = model.initial_state(jax.random.key(0))
    belief = model.belief_model().initial_state(jax.random.key(0))
    assert len(set(model.plan.cells)) == 32
    for picture in (model.draw(state), model.belief_model().draw(belief)):
        names = [element.tag.rpartition("}")[2] for element in ElementTree.fromstring(picture).iter()]
        assert names.count("circle") == 2 or len(set(state.positions.tolist())) == 1
        assert names.count("rect") == 32 + 2  # the paper, and the border
    assert len(model.text(state).splitlines()) == model.plan.height
    assert Repair(layout="line").plan.height == 1


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"robots": 0}, "robots=0"),
        ({"layout": "ring"}, "layout='ring'"),
        ({"layout": ()}, "layout=()"),
        ({"layout": ((0, 1), (2, 3))}, "Site 2 cannot be reached"),
        ({"layout": ((0, 0),)}, r"edge \(0, 0\)"),
        ({"gamma": (0.1, 0.2, 0.3, 1.5)}, "gamma"),
        ({"costs": (0.0, 1.0)}, "one cost more"),
        ({"prior": (0.5, 0.5)}, "a distribution of 5 levels"),
        ({"prior": (0.5, 0.5, 0.5, 0.0, 0.0)}, "sums"),
        ({"prior": (float("nan"), 0.0, 0.0, 0.0, 0.0)}, "sums"),
        ({"layout": ((0, 1, 2),)}, "an edge joins two sites"),
        ({"starts": (0, 1)}, "a site for each of 4"),
        ({"starts": (0, 1, 2, 99)}, "from 0 to 31"),
        ({"discount": 1.0}, "discount=1.0"),
    ],
)
def test_mistakes_are_one_sentence(fields, said, without_type_checks):
    with pytest.raises(st.InputError, match=said) as caught:
        without_type_checks(lambda: Repair(**fields))
    assert "\n" not in str(caught.value)
