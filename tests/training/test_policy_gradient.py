"""The mean of an estimate is the gradient of the expected cost, found by dynamic programming; and what a step promises.

False alarms: with a correct estimator every component's error is normal with its standard error. There are fewer than
1000 components in this file, each allowed 5.5 standard errors: a correct library fails once in 25,000 seeds.
"""

import dataclasses
import functools
import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from watched import expected_cost, watched

import seriatim as st
from seriatim.gradients._list import CHOICES
from seriatim.networks import WithMemory, decentralised_policy, network_policy
from seriatim.simulation._stage import streams
from seriatim.training import PolicyGradient
from seriatim.training._counterfactual_costs import counterfactual_costs
from seriatim.training._policy_gradient import TRAJECTORY_ESTIMATORS
from seriatim.training._trajectories import log_probabilities, logits_of, played, relaxed

SIGMAS = 5.5
HORIZON = 3


class Constant(eqx.Module):
    """A network that sees nothing: the same logits whatever is observed."""

    logits: jax.Array

    def __call__(self, observation):
        return self.logits


def hunting(**fields):
    small = {"spiders": 2, "flies": 2, "width": 7, "height": 7, "vision": 2, "cost": "flies"}
    return st.problems.SpidersAndFlies(**small | fields)


HUNT = hunting(fly_behaviour="wander", discount=0.9)


@functools.cache
def hunters(memory=0):
    """A policy of the hunt, made once for all tests."""
    return decentralised_policy(HUNT, jax.random.key(1), hidden=(8,), memory=memory)


@functools.cache
def seeing(shared):
    """A policy of the watched team, far enough from where all controls are alike, and the gradient of its cost."""
    policy = decentralised_policy(watched(), jax.random.key(1), hidden=(4,), shared=shared)
    policy = dataclasses.replace(policy, parameters=jax.tree.map(lambda leaf: 3 * leaf, policy.parameters))
    cost = lambda p: expected_cost(dataclasses.replace(policy, parameters=p), HORIZON)  # noqa: E731
    return policy, flat(jax.jit(jax.grad(cost))(policy.parameters))


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


def estimates(trainer, count, baseline=None):
    """Gradients of independent batches, `[count, parameters]`."""
    started = trainer.init(jax.random.key(0))
    if baseline is not None:
        started = dataclasses.replace(started, baseline=baseline)

    def one(key):
        return trainer.gradient(dataclasses.replace(started, key=key))[0]

    found = jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(7), count))
    return np.concatenate([np.reshape(leaf, (count, -1)) for leaf in jax.tree.leaves(found)], axis=1)


def assert_mean_is(found, truth):
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    off = np.abs(found.mean(axis=0) - truth)
    assert (off <= SIGMAS * error + 1e-6).all(), (off, error)
    # Otherwise nothing was tested.
    assert np.linalg.norm(truth) > 3 * np.linalg.norm(error)


@pytest.mark.parametrize(
    ("estimator", "shared"),
    [
        ("score-function", True),
        ("leave-one-out", True),
        pytest.param("score-function", False, marks=pytest.mark.slow),
        pytest.param("leave-one-out", False, marks=pytest.mark.slow),
    ],
    ids=lambda value: {True: "shared", False: "separate"}.get(value, value),
)
def test_score_functions_are_unbiased(estimator, shared):
    policy, exact = seeing(shared)
    trainer = PolicyGradient(policy, estimator, batch=32, horizon=HORIZON)
    baseline = dataclasses.replace(
        trainer.init(jax.random.key(0)).baseline, total=jnp.ones(HORIZON), weight=jnp.ones(())
    )
    assert_mean_is(estimates(trainer, 2000, baseline), exact)


def test_straight_through_is_unbiased_for_policies_that_see_nothing():
    """Its hunt is the multilinear extension in the controls of all stages, and these do not depend on the state."""
    model = hunting(spiders=2, starts=((3, 3), (3, 4)), fly_cells=((3, 2), (2, 4)))
    logits = jnp.array([0.3, 0.1, -0.4, 0.8, -0.2])
    policy = network_policy(model, Constant(logits))
    trainer = PolicyGradient(policy, "straight-through", batch=16, horizon=HORIZON)
    plans = jnp.array(list(itertools.product(range(5), repeat=2 * HORIZON))).reshape(-1, HORIZON, 2)
    start = model.initial_state(jax.random.key(0))
    nothing = model.sample_disturbance(jax.random.key(0))

    def cost(plan):
        def stage(carry, control):
            state, ended = carry
            after = model.transition(state, control, nothing)
            return (after.state, ended | after.done), jnp.where(ended, 0.0, after.cost)

        return jnp.sum(jax.lax.scan(stage, (start, jnp.array(False)), plan)[1])

    def expected(x):
        return jnp.sum(jnp.exp(jnp.sum(jax.nn.log_softmax(x)[plans], (1, 2))) * jax.vmap(cost)(plans))

    exact = jax.jit(jax.grad(expected))(logits)
    assert_mean_is(estimates(trainer, 800), np.asarray(exact))


def test_straight_through_is_taken_where_there_is_no_relaxed_model():
    PolicyGradient(seeing(True)[0], "straight-through")


@pytest.mark.slow
def test_straight_through_needs_no_relaxed_model():
    """A random team, seen by nobody: the gradient of its expected cost, by dynamic programming, is met on average."""
    model = watched(masked=0.0)
    logits = jnp.array([0.3, -0.4, 0.6])
    policy = network_policy(model, Constant(logits))
    exact = jax.jit(jax.grad(lambda x: expected_cost(network_policy(model, Constant(x)), HORIZON)))(logits)
    trainer = PolicyGradient(policy, "straight-through", batch=16, horizon=HORIZON)
    assert_mean_is(estimates(trainer, 2000), np.asarray(exact))


def test_controls_are_worth_what_the_changed_trajectory_costs():
    """By brute force: every stage, agent and control, simulated alone."""
    model = watched(seed=4)
    keys = jax.vmap(streams)(jax.random.split(jax.random.key(1), 3))
    policy = decentralised_policy(model, jax.random.key(2), hidden=(4,))
    controls = jax.vmap(lambda keys: played(policy, keys, 4))(keys).controls
    found = jax.jit(lambda controls: counterfactual_costs(model, keys, controls))(controls)

    def play(keys, plan, changed_at):
        def stage(now, t):
            state, ended, total = now
            mask = model.control_mask(state)
            fits = mask[jnp.arange(2), plan[t]] | (t == changed_at)
            control = jnp.where(fits, plan[t], jnp.argmax(mask, axis=1))
            after = model.transition(state, control, model.sample_disturbance(jax.random.fold_in(keys.disturbance, t)))
            total += jnp.where(ended | (t < changed_at), 0.0, 0.9 ** t.astype(float) * after.cost)
            return (after.state, ended | after.done, total), None

        start = model.initial_state(keys.start), jnp.array(False), jnp.zeros(())
        return jax.lax.scan(stage, start, jnp.arange(4))[0][2]

    every = np.array(list(itertools.product(range(3), range(4), range(2), range(3))))
    trajectory, t, agent, control = every.T
    plans = np.array(controls)[trajectory]
    plans[np.arange(len(every)), t, agent] = control
    own = jax.tree.map(lambda leaf: leaf[trajectory], keys)
    np.testing.assert_allclose(found[*every.T], jax.jit(jax.vmap(play))(own, plans, t), atol=1e-5)


def test_relaxed_gradients_are_derivatives_at_fixed_noise():
    rng, single = np.random.default_rng(0), hunters(3)
    with jax.enable_x64(True):
        policy = jax.tree.map(lambda leaf: leaf.astype(float) if eqx.is_inexact_array(leaf) else leaf, single)
        # What standardises the observations is not trained.
        fixed = lambda network: (network.encoder.centre, network.encoder.spread)  # noqa: E731
        normal = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape), policy.parameters)
        way = eqx.tree_at(fixed, normal, jax.tree.map(np.zeros_like, fixed(normal)))

        @jax.jit
        @jax.value_and_grad
        def along(size):
            parameters = jax.tree.map(lambda leaf, w: leaf + size * w, policy.parameters, way)
            trained = dataclasses.replace(policy, parameters=parameters)
            choices = lambda logits, key: st.distributions.gumbel_softmax(logits, key, 0.7)  # noqa: E731
            return relaxed(trained, choices, streams(jax.random.key(3)), 5, through_observations=True).cost

        (before, _), (_, slope), (after, _) = (along(np.float64(size)) for size in (-1e-5, 0, 1e-5))
        assert abs(slope) > 1e-3
        assert np.isclose(slope, (after - before) / 2e-5, rtol=1e-5)


@pytest.mark.parametrize("memory", [pytest.param(0, marks=pytest.mark.slow), 5])
def test_a_trajectory_is_the_episode_of_its_key(memory):
    policy = hunters(memory)
    around = WithMemory(HUNT, policy) if memory else HUNT
    episode = st.simulate(around, policy, jax.random.key(5), horizon=12)

    @jax.jit
    def found(key):
        seen = played(policy, streams(key), 12)
        state = jax.tree.map(lambda leaf: leaf[:-1], episode.states)
        logits = jax.vmap(lambda s: policy.logits(*policy.split(s))[0])(state)
        chances = st.distributions.log_probability(logits, seen.controls).sum(axis=1)
        return seen, seen.cost_to_go, chances, log_probabilities(logits_of(policy, seen), seen)

    seen, cost_to_go, chances, learned = found(jax.random.key(5))
    assert np.array_equal(np.where(seen.playing[:, None], seen.controls, -1), episode.controls)
    assert np.allclose(seen.costs, 0.9 ** np.arange(12) * episode.costs)
    assert np.isclose(cost_to_go[0], episode.cost)
    assert bool(seen.ended) == bool(episode.terminated)
    # What is learned from are the chances the controls were drawn by.
    assert np.allclose(learned, np.where(seen.playing, chances, 0), atol=1e-5)


def test_hard_relaxed_trajectories_are_episodes_too():
    policy = hunters()
    hard = lambda logits, key: st.distributions.gumbel_softmax(logits, key, 0.5, hard=True)  # noqa: E731
    one = jax.jit(lambda key: relaxed(policy, hard, streams(key), 12, through_observations=False).cost)
    for seed in range(3):
        episode = st.simulate(HUNT, policy, jax.random.key(seed), horizon=12)
        assert np.isclose(one(jax.random.key(seed)), episode.cost, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ["straight-through", "straight-through-gumbel-softmax"])
def test_what_controls_are_worth_is_the_derivative_of_the_relaxed_trajectory(estimator):
    """Two ways to one gradient: played and weighed, or differentiated whole with what agents see held fixed."""
    policy = hunters(3)
    trainer = PolicyGradient(policy, estimator, batch=6, horizon=5)
    draw = functools.partial(CHOICES[estimator], **trainer._settings(jnp.int32(0)))

    def whole(parameters):
        trained = dataclasses.replace(policy, parameters=parameters)
        keys = jax.random.split(jax.random.fold_in(jax.random.key(3), 0), 6)
        one = lambda key: relaxed(trained, draw, streams(key), 5, through_observations=False).cost  # noqa: E731
        return jnp.mean(jax.vmap(one)(keys))

    found, _, metrics = jax.jit(trainer.gradient)(trainer.init(jax.random.key(3)))
    value, expected = jax.jit(jax.value_and_grad(whole))(policy.parameters)
    assert np.linalg.norm(flat(expected)) > 0.01
    assert np.allclose(flat(found), flat(expected), atol=1e-4 * np.linalg.norm(flat(expected)))
    assert np.isclose(metrics["cost"], value, rtol=1e-5)


@functools.cache
def one_step():
    """Return the metrics of a trainer's first step, and what that step has seen."""
    trainer = PolicyGradient(hunters(), "leave-one-out", batch=12, num_samples=3, horizon=4)
    state = trainer.init(jax.random.key(0))

    @jax.jit
    def step(state):
        return trainer.step(state)[1], trainer._groups(trainer.policy, jax.random.fold_in(state.key, 0), 3)

    return step(state)


def test_a_group_has_one_start_and_the_same_disturbances():
    _, seen = one_step()
    first = np.asarray(seen.observations)[:, :, 0]
    assert (first == first[:, :1]).all()
    assert not (first == first[:1]).all()
    controls = np.asarray(seen.controls)
    assert not (controls == controls[:, :1]).all()


def test_every_metric_is_named_and_errors_are_of_groups():
    metrics, seen = one_step()
    assert set(metrics) == {"cost", "cost_error", "unfinished", "entropy", "gradient_norm"}
    of_group = np.asarray(seen.costs).sum(axis=2).mean(axis=1)
    assert np.isclose(metrics["cost"], of_group.mean(), rtol=1e-5)
    assert np.isclose(metrics["cost_error"], of_group.std(ddof=1) / 2, rtol=1e-4)


# One of each family at every test.
OTHERS = ("score-function", "straight-through-gumbel-softmax", "gumbel-rao")


@pytest.mark.parametrize(
    "estimator",
    [pytest.param(name, marks=pytest.mark.slow) if name in OTHERS else name for name in TRAJECTORY_ESTIMATORS],
)
def test_training_lowers_the_cost(estimator):
    """One spider, one fly beside it: the best policy is to step onto it at once, at no cost."""
    model = hunting(spiders=1, flies=1, width=3, height=1, starts=((0, 1),), fly_cells=((0, 2),), vision=None)
    policy = decentralised_policy(model, jax.random.key(1), hidden=(8,))
    trainer = PolicyGradient(policy, estimator, batch=16, horizon=6, learning_rate=0.05)
    state = trainer.init(jax.random.key(2))
    state, metrics = jax.jit(lambda state: jax.lax.scan(lambda s, _: trainer.step(s), state, None, length=60))(state)
    assert metrics["cost"][0] > 0.5
    # A policy that is right nine times in ten has a mean cost of 1/9, and costs 6 at most.
    assert np.mean(metrics["cost"][-10:]) < 0.3
    assert int(state.step) == 60


MISTAKES = {
    "estimator='rebar' does not serve trajectories": {"estimator": "rebar"},
    "differentiates the model, and Watched takes no soft controls": {"estimator": "gumbel-softmax"},
    "with through_observations differentiates the model": {"estimator": "gumbel-rao", "through_observations": True},
    "batch=0: give a whole number from 1 up": {"batch": 0},
    "batch=10, num_samples=4: leave-one-out plays groups": {"batch": 10},
    "learning_rate=-1.0: give a finite number above 0": {"learning_rate": -1.0},
    "decay=1.0: give a number from 0 to below 1": {"decay": 1.0},
    "horizon=1.5: give a whole number from 1 up": {"horizon": 1.5},
    "batch='many': give a whole number from 1 up": {"batch": "many", "estimator": "score-function"},
    "temperature=None: give a finite number above 0": {"temperature": None},
    "entropy=nan: give a finite number from 0 up": {"entropy": float("nan")},
    "optimiser='adam': give a transformation of Optax": {"optimiser": "adam"},
    "policy is a Watched, which has no parameters to train": {"policy": watched()},
}


@pytest.mark.parametrize("sentence", MISTAKES)
def test_mistakes_are_answered_in_a_sentence(sentence, without_type_checks):
    policy, _ = seeing(True)
    with pytest.raises(st.InputError, match=sentence.replace("(", r"\(")):
        without_type_checks(lambda: PolicyGradient(**{"policy": policy, **MISTAKES[sentence]}))


def test_a_model_that_takes_no_soft_controls_as_set_says_so_before_a_run_is_made():
    policy = decentralised_policy(hunting(collisions=False), jax.random.key(0), hidden=(4,))
    with pytest.raises(st.InputError, match="collisions"):
        PolicyGradient(policy, "gumbel-softmax")
    PolicyGradient(policy, "straight-through")
