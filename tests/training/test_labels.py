"""Where labels come from, how sure they are, and what networks are fitted to."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

import seriatim as st
from seriatim.networks import clusters, partitioned, policy_classifier, value_network
from seriatim.training import Fitting, visited
from seriatim.training._fit import fit, loss_of
from seriatim.training._fit_networks import classifier_loss
from seriatim.training._labels import Labels, confidence, costs_to_go, labels_of

CHAIN = 6
EPISODES = 600


@st.record
class Chain:
    """A walk from 0 to the end, one place a stage: costs are its places, so all that happens is known."""

    num_agents = 1
    num_controls = 2
    discount = 0.9

    def initial_state(self, key):
        return jnp.int32(0)

    def control_mask(self, state):
        return jnp.ones((1, 2), bool)

    def sample_disturbance(self, key):
        return jnp.zeros(())

    def transition(self, state, control, disturbance):
        return st.Transition(state + 1, state.astype(float), state + 1 == CHAIN)


def still(info, key):
    return jnp.zeros(1, jnp.int32)


def test_every_stage_of_an_episode_is_as_likely_and_costs_are_those_from_there():
    states, costs = costs_to_go(Chain(), still, jax.random.split(jax.random.key(0), EPISODES), 50)
    exact = [sum(0.9 ** (t - s) * t for t in range(s, CHAIN)) for s in range(CHAIN)]
    np.testing.assert_allclose(costs, np.array(exact)[np.asarray(states)], rtol=1e-5)
    counts = np.bincount(states, minlength=CHAIN)
    # One false alarm in a million runs.
    assert scipy.stats.chisquare(counts).pvalue > 1e-6


def test_an_episode_is_cut_at_the_horizon():
    states = visited(Chain(), still, jax.random.split(jax.random.key(0), 50), 3, 0.0)
    assert set(np.asarray(states).tolist()) == {0, 1, 2}


@st.record
class Fenced:
    """A walk on which every joint control that may not be chosen leads beyond 100."""

    num_agents = 2
    num_controls = 3
    discount = 1.0

    def initial_state(self, key):
        return jnp.int32(0)

    def control_mask(self, state):
        return jnp.array([[True, True, False], [True, False, True]])

    def feasible(self, state, control):
        return control[0] + control[1] != 3

    def sample_disturbance(self, key):
        return jnp.zeros(())

    def transition(self, state, control, disturbance):
        admissible = jnp.all(self.control_mask(state)[jnp.arange(2), control])
        strayed = jnp.any(control != 0)
        after = state + 1 + 10 * strayed.astype(jnp.int32)
        return st.Transition(jnp.where(admissible & self.feasible(state, control), after, 1000), jnp.zeros(()), False)


def test_who_strays_keeps_to_what_is_admissible_and_feasible():
    def still(info, key):
        return jnp.zeros(2, jnp.int32)

    states = np.asarray(visited(Fenced(), still, jax.random.split(jax.random.key(0), 300), 4, 1.0))
    assert states.max() < 1000
    # Some strayed, and some drew the control that they would have chosen anyway.
    assert states.max() > 10
    assert (states % 10 == states).any()


def labelled(q, errors, chosen):
    q = jnp.asarray(q, float)
    decision = st.Decision(
        control=jnp.asarray(chosen, jnp.int32),
        base_control=jnp.asarray(chosen, jnp.int32),
        q_factors=q,
        q_errors=jnp.asarray(errors, float),
        improvement=jnp.zeros(1),
        standard_error=jnp.zeros(1),
        num_q_factors=jnp.zeros(1, jnp.int32),
        num_simulations=jnp.zeros(1, jnp.int32),
        num_passes=jnp.zeros(1, jnp.int32),
        num_trajectories=jnp.zeros(1, jnp.int32),
    )
    return labels_of(jnp.zeros(1, jnp.int32), decision)


INF = float("inf")


@pytest.mark.parametrize(
    ("q", "errors", "chosen", "sure"),
    [
        # Two standard errors apart: 2 Phi(2) - 1.
        ([1.0, 3.0, 9.0], [0.0, 1.0, 1.0], 0, 2 * scipy.stats.norm.cdf(2) - 1),
        # The other way round: the chosen one is the one that was compared.
        ([3.0, 1.0, INF], [0.0, 1.0, np.nan], 1, 2 * scipy.stats.norm.cdf(2) - 1),
        # Exact Q-factors: a difference is certain, a tie is not.
        ([1.0, 1.5, INF], [0.0, 0.0, 0.0], 0, 1.0),
        ([1.0, 1.0, 2.0], [0.0, 0.0, 0.0], 0, 0.0),
        # Nothing to choose from.
        ([1.0, INF, INF], [0.0, np.nan, np.nan], 0, 0.0),
    ],
)
def test_confidence_is_the_chance_that_samples_tell_the_best_two_apart(q, errors, chosen, sure):
    labels = labelled([[q]], [[errors]], [[chosen]])
    np.testing.assert_allclose(confidence(labels), [[sure]], atol=1e-6)


@pytest.mark.parametrize("schedule", [st.InTurn(), pytest.param(st.Speculative(window=2), marks=pytest.mark.slow)])
def test_errors_of_q_factors_are_those_of_paired_differences(schedule):
    """By brute force: the same samples, drawn by the engine itself."""
    from seriatim.planning._decision import planner_keys
    from seriatim.simulation import q_samples

    model = st.problems.random_team(2, states=6, agents=2, controls=3, masked=0.0)
    simulation = st.Simulation(horizon=4, num_samples=16)
    state, key = jnp.int32(1), jax.random.key(3)
    base = model.base_policy()
    decision = st.OneAtATimeRollout(model, base, simulation, schedule=schedule).decide(state, key)
    sampled = jax.jit(lambda every: q_samples(model, (base,), simulation, state, every, planner_keys(key).simulation))
    control = np.array(decision.base_control)
    for agent in range(2):
        every = np.array([[u if i == agent else control[i] for i in range(2)] for u in range(3)], np.int32)
        samples = np.asarray(sampled(every))
        expected = (samples[control[agent]] - samples).std(axis=1, ddof=1) / np.sqrt(16)
        np.testing.assert_allclose(decision.q_errors[agent], expected, rtol=1e-4, atol=1e-6)
        control[agent] = int(decision.control[agent])


def squares(weights, rows):
    x, y = rows
    return (x @ weights - y) ** 2


def test_fitting_is_least_squares_of_the_rows_that_count():
    """Rows without a chance may hold anything: what is no number would spoil everything it touched."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3)).astype(np.float32)
    y = x @ np.array([1.0, -2.0, 0.5], np.float32) + rng.normal(size=200).astype(np.float32) * 0.1
    y[::2] = np.nan
    chance = jnp.asarray(np.arange(200) % 2, float)
    fitting = Fitting(passes=300, batch=50, learning_rate=0.1, weight_decay=0.0)
    found, loss = fit(loss_of(squares), jnp.zeros(3), (x, y), chance, jax.random.key(0), fitting)
    best = np.linalg.lstsq(x[1::2], y[1::2], rcond=None)[0]
    np.testing.assert_allclose(found, best, atol=5e-3)
    assert 0 < float(loss) < 0.02


def test_nothing_is_fitted_to_no_rows():
    rows = np.full((4, 3), np.nan, np.float32), np.full(4, np.nan, np.float32)
    found, _ = fit(loss_of(squares), jnp.ones(3), rows, jnp.zeros(4), jax.random.key(0), Fitting())
    np.testing.assert_array_equal(found, jnp.ones(3))


def test_soft_targets_are_the_softmax_of_costs_and_forbidden_controls_get_nothing():
    model = st.problems.random_team(2, states=4, agents=1, controls=3, masked=0.0)
    policy = policy_classifier(model, jax.random.key(0), hidden=(8,))
    labels = labelled([[[1.0, 2.0, INF]]], [[[0.0, 0.5, np.nan]]], [[0]])
    logits = jax.jit(lambda: policy.logits(jnp.int32(0), policy.blank())[0][0])()
    log_p = scipy.special.log_softmax(logits)
    p = np.exp(-np.array([0.0, 1.0]) / 0.5)
    p /= p.sum()
    weight = 0.1 + 0.9 * (2 * scipy.stats.norm.cdf(2) - 1)
    loss_at = jax.jit(lambda temperature: classifier_loss(policy, temperature, policy.parameters, labels))
    loss = loss_at(0.5)
    np.testing.assert_allclose(loss[0], -weight * (p[0] * log_p[0] + p[1] * log_p[1]), rtol=1e-5)
    hard = loss_at(0.0)
    np.testing.assert_allclose(hard[0], -weight * log_p[0], rtol=1e-5)


HUNT = st.problems.SpidersAndFlies(3, 4, 6, 6, fly_behaviour="wander")


def test_the_order_of_entities_and_those_absent_make_no_difference():
    policy = policy_classifier(HUNT, jax.random.key(0), hidden=(8,), entities=8)
    value = value_network(HUNT, jax.random.key(1), hidden=(8,), entities=8)
    state = HUNT.initial_state(jax.random.key(2))
    state = st.problems.Hunt(state.spiders, state.flies, state.alive.at[1].set(False), None)
    order = jnp.array([2, 0, 3, 1])
    other = st.problems.Hunt(state.spiders, state.flies[order], state.alive[order], None)
    gone = st.problems.Hunt(state.spiders, state.flies.at[1].set(5), state.alive, None)
    answers = jax.jit(lambda state: (policy.logits(state, policy.blank())[0], value(state)))
    logits, cost = answers(state)
    for same in (other, gone):
        found, also = answers(same)
        np.testing.assert_allclose(found, logits, atol=1e-5)
        np.testing.assert_allclose(also, cost, atol=1e-5)


def test_the_order_of_agents_makes_no_difference_to_the_value():
    value = value_network(Sums(), jax.random.key(1), hidden=(8,))
    state = jnp.array([0.3, -1.0, 2.0])
    np.testing.assert_allclose(value(state), value(state[::-1]), atol=1e-6)


@st.record
class Sums:
    """Three agents, each of whom has a number."""

    num_agents = 3
    num_controls = 2
    discount = 1.0

    def initial_state(self, key):
        return jax.random.normal(key, (3,))

    def control_mask(self, state):
        return jnp.ones((3, 2), bool)

    def sample_disturbance(self, key):
        return jnp.zeros(())

    def transition(self, state, control, disturbance):
        return st.Transition(state, jnp.zeros(()), False)

    def features(self, state, agent):
        return state[agent][None]


@pytest.mark.parametrize(
    "map_", [None, "type octile\nheight 4\nwidth 4\nmap\n....\n.@@.\n.@..\n....\n"], ids=["open", "walls"]
)
def test_a_hunt_is_told_by_paths_and_ranks(map_, tmp_path):
    """Beside distances and ranks counted one by one."""
    place = {}
    if map_:
        (tmp_path / "small.map").write_text(map_)
        place = {"map": str(tmp_path / "small.map")}
    model = st.problems.SpidersAndFlies(3, 3, 4, 4, **place)
    state = model.initial_state(jax.random.key(4))
    told_to = jax.jit(model.features)
    distance = np.asarray(jax.jit(model.terrain.course)(state.spiders, state.flies)) // 8
    for agent in range(3):
        told = told_to(state, jnp.int32(agent))
        rival = [min(distance[k, j] for k in range(3) if k != agent) for j in range(3)]
        rank = [sum((distance[k, j], k) < (distance[agent, j], agent) for k in range(3)) for j in range(3)]
        np.testing.assert_allclose(told.entities[:, 0], distance[agent])
        np.testing.assert_allclose(told.entities[:, 6], np.clip(rival - distance[agent], -8, 8))
        np.testing.assert_allclose(told.entities[:, 7], rank)
        np.testing.assert_allclose(told.entities[:, 8], np.array(rank) == 0)
        np.testing.assert_allclose(told.entities[:, 9], distance[agent] == distance[agent].min())


def test_networks_of_your_own_serve_policy_and_value(without_type_checks):
    linear = eqx.nn.Linear(1, 2, key=jax.random.key(0))
    policy = policy_classifier(Sums(), jax.random.key(0), network=linear)
    state = jnp.array([0.3, -1.0, 2.0])
    expected = jax.vmap(linear)(state[:, None])
    np.testing.assert_allclose(policy.logits(state, policy.blank())[0], expected)
    value = value_network(Sums(), jax.random.key(0), network=lambda told: jnp.sum(told))
    np.testing.assert_allclose(value(state), state.sum())
    with pytest.raises(st.InputError, match=r"returns shape \(3,\)"):
        without_type_checks(lambda: value_network(Sums(), jax.random.key(0), network=lambda told: told[:, 0]))
    with pytest.raises(st.InputError, match="cannot be called"):
        value_network(Sums(), jax.random.key(0), network=lambda told: told @ jnp.ones(7))


@pytest.mark.parametrize(("told", "said"), [(0.5, r"\[\(\)\]"), (jnp.ones((2, 3)), r"\[\(2, 3\)\]")])
def test_features_that_are_no_vectors_are_refused(told, said, without_type_checks):
    @st.record
    class Odd(Sums):
        def features(self, state, agent):
            return jnp.asarray(told)

    for make in (policy_classifier, value_network):
        with pytest.raises(st.InputError, match=f"what an agent is told has shapes {said}; give one array"):
            without_type_checks(lambda make=make: make(Odd(), jax.random.key(0)))


def test_clusters_part_states_that_lie_apart():
    near = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32) * 0.1
    states = jnp.asarray(np.concatenate([near, near + 5.0]))
    region = clusters(Sums(), states, 2, jax.random.key(1))
    found = jax.jit(jax.vmap(region))(states)
    assert len(set(np.asarray(found[:40]).tolist())) == 1
    assert len(set(np.asarray(found[40:]).tolist())) == 1
    assert found[0] != found[-1]
    policy = partitioned(policy_classifier(Sums(), jax.random.key(0), hidden=(4,)), region, 2)
    assert policy(states[0], jax.random.key(0)).shape == (3,)
    with pytest.raises(st.InputError, match="num_regions=100"):
        clusters(Sums(), states, 100, jax.random.key(1))
    with pytest.raises(st.InputError, match="region returns"):
        partitioned(policy_classifier(Sums(), jax.random.key(0)), lambda state: state, 2)


def test_labels_keep_only_what_is_finite():
    labels = labelled([[[1.0, 2.0, INF]]], [[[0.0, 0.5, np.nan]]], [[0]])
    assert isinstance(labels, Labels)
    assert all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(labels))
    np.testing.assert_array_equal(labels.compared, [[[True, True, False]]])
