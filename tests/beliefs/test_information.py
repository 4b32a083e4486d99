"""Each agent its own information: a shared belief when all is heard, nothing but one's own when nothing is."""

import itertools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st
from seriatim.beliefs import ExactAgentFilter, IndependentPlanning, InformationModel
from seriatim.formats import TeamPOMDP, TeamTables

LISTEN, LEFT, RIGHT = 0, 1, 2
DATA = Path(__file__).parents[2] / "../shared/data/dpomdp"


def team(agents, seed=0):
    """Two states, two controls and two observations an agent, at random."""
    rng = np.random.default_rng(seed)
    a = o = 2**agents
    return TeamPOMDP(
        TeamTables(
            transition=rng.dirichlet(np.ones(2), (a, 2)),
            observation=rng.dirichlet(np.ones(o), (a, 2)),
            cost=rng.uniform(size=(a, 2, 1)).repeat(2, axis=2),
            start=np.array([0.3, 0.7]),
            states=("x", "y"),
            actions=(("u", "v"),) * agents,
            observations=(("p", "q"),) * agents,
            agents=tuple(f"agent-{i}" for i in range(agents)),
        ),
        discount=0.9,
    )


@st.record
class Threshold:
    """A policy of beliefs: every agent chooses its second control where the first state is unlikely."""

    num_agents: int = st.static()
    at: float = 0.45

    def __call__(self, info, key):
        return jnp.full(self.num_agents, info[0] < self.at, jnp.int32)


MODEL = team(2)
EXACT = st.beliefs.ExactFilter(MODEL)
FILTER = ExactAgentFilter(EXACT, Threshold(2))
SILENT, SHARED = InformationModel(MODEL, FILTER, 0.0), InformationModel(MODEL, FILTER, 1.0)
NOTHING = jnp.zeros(2)
learn = jax.jit(SILENT.learnt)


def test_where_all_is_heard_the_belief_is_shared():
    policy = IndependentPlanning(Threshold(2), FILTER)
    hidden = st.beliefs.HiddenModel(MODEL, EXACT)
    key = jax.random.key(3)
    apart = st.simulate(SHARED, policy, key, horizon=12)
    together = st.simulate(hidden, st.beliefs.on_belief(Threshold(2)), key, horizon=12)
    assert np.array_equal(apart.controls, together.controls)
    assert np.array_equal(apart.states.state, together.states.state)
    for agent in range(2):
        np.testing.assert_allclose(apart.states.known[:, agent], together.states.belief, atol=1e-6)


def test_one_agent_needs_no_messages():
    model = team(1)
    exact = st.beliefs.ExactFilter(model)
    own = ExactAgentFilter(exact, Threshold(1))
    key = jax.random.key(4)
    apart = st.simulate(InformationModel(model, own, 0.0), IndependentPlanning(Threshold(1), own), key, horizon=12)
    hidden = st.beliefs.HiddenModel(model, exact)
    together = st.simulate(hidden, st.beliefs.on_belief(Threshold(1)), key, horizon=12)
    np.testing.assert_allclose(apart.states.known[:, 0], together.states.belief, atol=1e-6)
    assert np.array_equal(apart.controls, together.controls)


def bayes(belief, agent, control, seen, guess):
    """One agent's belief by enumeration of what the other may have seen, its control guessed."""
    joint = [guess, guess]
    joint[agent] = control
    number = 2 * joint[0] + joint[1]
    tables = MODEL.tables
    likelihood = np.zeros(2)
    for both in itertools.product(range(2), repeat=2):
        if both[agent] == seen:
            likelihood += tables.observation[number, :, 2 * both[0] + both[1]]
    after = likelihood * (belief @ tables.transition[number])
    return after / after.sum()


@pytest.mark.parametrize("agent", [0, 1])
def test_an_agent_marginalises_what_others_saw_and_guesses_what_they_did(agent):
    belief = np.array([0.4, 0.6])
    known = jnp.asarray(np.tile(belief, (2, 1)), float)
    for control, seen in itertools.product(range(2), repeat=2):
        learnt = learn(known, np.full(2, control), np.full(2, seen), np.eye(2, dtype=bool), NOTHING)
        expected = bayes(belief, agent, control, seen, guess=1)
        np.testing.assert_allclose(learnt[agent], expected, atol=1e-6)


def test_what_others_did_and_saw_does_not_matter_where_nothing_is_heard():
    policy, start = IndependentPlanning(Threshold(2), FILTER), FILTER.initial(jax.random.key(0))
    heard = SILENT.heard(jnp.int32(0), jnp.zeros((2, 2)))
    assert np.array_equal(heard, np.eye(2, dtype=bool))

    def plan(controls, observations):
        known = start
        for u, o in zip(controls, observations, strict=True):
            known = learn(known, np.array(u), np.array(o), heard, NOTHING)
        return known[0], policy.of_known(known, jax.random.key(0))[0]

    mine = [(1, 0), (0, 1), (0, 0)]
    found = [
        plan([(mine[t][0], others[t]) for t in range(3)], [(mine[t][1], others[t]) for t in range(3)])
        for others in [(0, 0, 0), (1, 0, 1), (1, 1, 1)]
    ]
    for belief, control in found[1:]:
        assert np.array_equal(belief, found[0][0])
        assert control == found[0][1]


def test_messages_arrive_by_chance_and_more_of_them_at_a_higher_rate():
    draws = jax.jit(jax.vmap(SILENT.sample_disturbance))(jax.random.split(jax.random.key(0), 4000)).messages
    half, most = (
        np.asarray(jax.jit(jax.vmap(InformationModel(MODEL, FILTER, rho).heard, (None, 0)))(0, draws))
        for rho in (0.5, 0.9)
    )
    assert (half <= most).all()
    # Five standard errors of a share of 8000.
    assert abs(half[:, 0, 1].mean() / 2 + half[:, 1, 0].mean() / 2 - 0.5) < 5 * np.sqrt(0.25 / 8000)


def test_out_of_reach_nothing_is_heard():
    one_way = InformationModel(MODEL, FILTER, 1.0, in_reach=lambda state: jnp.array([[True, False], [True, True]]))
    assert one_way.heard(jnp.int32(0), jnp.zeros((2, 2))).tolist() == [[True, False], [True, True]]


def brute_force(horizon, belief):
    """The least cost of a team that shares everything, by recursion."""
    if horizon == 0:
        return 0.0
    tables, least = MODEL.tables, np.inf
    for u in range(4):
        cost = belief @ tables.cost[u, :, 0]
        for o in range(4):
            joint = tables.observation[u, :, o] * (belief @ tables.transition[u])
            cost += MODEL.discount * joint.sum() * brute_force(horizon - 1, joint / joint.sum())
        least = min(least, cost)
    return least


def test_the_centralised_value_is_that_of_enumeration():
    for horizon in (1, 2, 3):
        found = st.beliefs.centralised_value(MODEL, horizon)
        assert abs(found - brute_force(horizon, MODEL.tables.start)) < 1e-6


@pytest.mark.parametrize(
    ("model", "stages"),
    [
        (SILENT, 2),
        pytest.param(SILENT, 4, marks=pytest.mark.slow),
        pytest.param(SHARED, 4, marks=pytest.mark.slow),
    ],
    ids=["quick", "nothing heard", "all heard"],
)
def test_exact_values_of_own_plans_are_those_of_simulation(model, stages):
    policy = IndependentPlanning(Threshold(2), FILTER)
    exact = st.beliefs.decentralised_value(model, policy, stages)
    found = st.evaluate(model, policy, jax.random.key(1), episodes=10_000, horizon=stages)
    assert abs(found.mean - exact) < 5 * found.standard_error
    assert exact > st.beliefs.centralised_value(MODEL, stages) - 1e-6


@pytest.mark.parametrize("completion", ["most-likely", "sampled"])
def test_completions_are_states(completion):
    @st.record
    class OfState:
        def __call__(self, info, key):
            return jnp.array([info, 1 - info])

    policy = IndependentPlanning(OfState(), FILTER, completion, 5)
    known = jnp.array([[1.0, 0.0], [1.0, 0.0]])
    assert policy.of_known(known, jax.random.key(0)).tolist() == [0, 1]
    assert policy.of_known(known[:, ::-1], jax.random.key(0)).tolist() == [1, 0]


@pytest.mark.skipif(not DATA.is_dir(), reason="problem files are not beside the project")
@pytest.mark.parametrize(("stages", "published"), [(2, -4.0), pytest.param(3, 5.1908, marks=pytest.mark.slow)])
def test_tiger_is_played_as_well_as_two_agents_can(stages, published):
    model = st.formats.load(DATA / "tiger.dpomdp")
    exact, base = st.beliefs.ExactFilter(model), model.base_policy()
    own, imagined = ExactAgentFilter(exact, base), st.beliefs.BeliefModel(model, exact)
    plans = [
        IndependentPlanning(
            st.SignallingRollout(imagined, base, simulation=st.Simulation(horizon=k, expectation="exact")), own
        )
        for k in range(stages, 0, -1)
    ]
    found = st.beliefs.decentralised_value(InformationModel(model, own, 0.0), plans, stages)
    assert abs(found + published) < 1e-3  # the published optimum, as a cost
    assert found > st.beliefs.centralised_value(model, stages) - 1e-6


def test_mistakes_are_one_sentence(without_type_checks):
    mistakes = [
        lambda: InformationModel(MODEL, FILTER, 1.5),
        lambda: InformationModel(MODEL, FILTER, in_reach=3),
        lambda: InformationModel(st.problems.SpidersOnALine(), FILTER),
        lambda: ExactAgentFilter(EXACT, None),
        lambda: IndependentPlanning(None, FILTER),
        lambda: IndependentPlanning(Threshold(2), FILTER, "guess"),
        lambda: IndependentPlanning(Threshold(2), FILTER, "sampled", 0),
        lambda: st.beliefs.centralised_value(MODEL, 0),
        lambda: st.beliefs.decentralised_value(SHARED, [Threshold(2)], 2),
        lambda: st.beliefs.decentralised_value(InformationModel(MODEL, FILTER, 0.5), Threshold(2), 2),
    ]
    for mistake in mistakes:
        with pytest.raises(st.InputError) as found:
            without_type_checks(mistake)
        assert "\n" not in str(found.value)
        assert str(found.value).endswith(".")
