"""The experiment with half digits: its likelihood, its gradients and its budgets are what they are said to be.

Judged by enumeration of two choices of three: nine joint choices.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import _half_digits as half_digits
from benchmarks import _half_digits_training as training
from seriatim import gradients
from seriatim.gradients._evaluations import count_evaluations

KEY = jax.random.key(0)
CONTESTANTS = training.contestants(100)
UNBIASED = [name for name, each in CONTESTANTS.items() if each.estimator.unbiased]


@pytest.fixture(scope="module")
def model():
    """Networks of four pixels, with logits and surprises that differ more than those of a fresh start."""
    small = half_digits.predictor(jax.random.key(3), pixels=4, variables=2, categories=3, hidden=3)
    return jax.tree.map(lambda leaf: 2 * leaf, small)


@pytest.fixture(scope="module")
def digits():
    upper, lower = jnp.array([[1.0, 0, 1, 1], [0, 1, 0, 0]]), jnp.array([[0.0, 1, 1, 0], [1, 1, 0, 1]])
    return half_digits.Halves(upper, lower)


@pytest.fixture(scope="module")
def exact(model, digits):
    """The loss and its gradient, by enumeration."""
    return jax.jit(
        lambda: loss_and_gradient(training.Contestant(gradients.estimator("exact"), 9), {}, model, digits, KEY)
    )()


def loss_and_gradient(contestant, settings, model, digits, key):
    def loss(model):
        return training.batch_loss(contestant, model, digits, jax.random.split(key, 2), settings)

    value, slopes = jax.value_and_grad(loss)(model)
    return value, jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(slopes)])


def test_the_likelihood_is_that_of_enumeration(model, digits):
    """The mean of p(lower | z) over samples is within 5.5 errors of p(lower | upper): a false alarm in 10^7 seeds."""
    number = 10_000
    one = jax.tree.map(lambda part: part[:1], digits)
    probabilities, likelihoods = enumerated(model, one.upper[0], one.lower[0])
    truth = probabilities @ likelihoods
    error = np.sqrt(probabilities @ (likelihoods - truth) ** 2 / number)
    assert error > 1e-4 * truth  # choices matter, or there is nothing to test
    estimate = jax.jit(functools.partial(half_digits.negative_log_likelihood, num_samples=number))
    found = estimate(model, one, KEY)
    assert abs(np.exp(-float(found)) - truth) <= 5.5 * error + 1e-6


def enumerated(model, upper, lower):
    """Return probability of each joint choice, and of the lower half given it."""
    return tuple(np.asarray(each, np.float64) for each in jax.jit(joint_choices)(model, upper, lower))


def joint_choices(model, upper, lower):
    logits = jax.nn.log_softmax(model.logits(upper))
    joint = [(i, j) for i in range(3) for j in range(3)]
    choices = jax.nn.one_hot(jnp.array(joint), 3)
    probabilities = jnp.array([jnp.exp(logits[0, i] + logits[1, j]) for i, j in joint])
    log_odds = jax.vmap(model.log_odds)(choices)
    pixels = jax.nn.sigmoid(jnp.where(lower == 1, log_odds, -log_odds))
    return probabilities, jnp.prod(pixels, axis=1)


def test_the_loss_bounds_the_likelihood_from_above(model, digits, exact):
    loss, _ = exact
    both = [enumerated(model, upper, lower) for upper, lower in zip(digits.upper, digits.lower, strict=True)]
    assert float(loss) == pytest.approx(np.mean([-p @ np.log(x) for p, x in both]), rel=1e-5)
    assert float(loss) > np.mean([-np.log(p @ x) for p, x in both])


# At every test one that compares values and one that learns its settings.
QUICK = ("leave-one-out, 2", "REBAR, learned")


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in UNBIASED]
)
def test_gradients_of_both_networks_are_those_of_enumeration(name, model, digits, exact):
    """All components within 5.5 errors of the exact gradient: a false alarm in 10^5 seeds, for all contestants."""
    contestant, repeats = CONTESTANTS[name], 4_000
    settings = contestant.settings(contestant.start)
    run = jax.jit(jax.vmap(lambda key: loss_and_gradient(contestant, settings, model, digits, key)[1]))
    found = np.asarray(run(jax.random.split(KEY, repeats)), np.float64)
    error = found.std(axis=0) / np.sqrt(repeats)
    assert (np.abs(found.mean(axis=0) - np.asarray(exact[1])) <= 5.5 * error + 1e-5).all()


@pytest.mark.parametrize("name", CONTESTANTS)
def test_budgets_count_what_is_evaluated(name):
    contestant = CONTESTANTS[name]
    estimator = functools.partial(contestant.estimator, **contestant.settings(contestant.start))
    counted = count_evaluations(estimator, jnp.zeros((8, 10)), KEY)
    assert counted == contestant.evaluations


def test_temperatures_fall_from_one_to_a_half_in_the_middle():
    contestant = CONTESTANTS["Gumbel-softmax, annealed"]
    state, temperatures = contestant.start, []
    for _ in range(60):
        temperatures.append(float(contestant.settings(state)["temperature"]))
        state = contestant.following(state, jnp.zeros(()), dict)
    assert temperatures[0] == 1
    assert temperatures[25] == pytest.approx(0.5**0.5, rel=1e-4)
    assert temperatures[50:] == pytest.approx([0.5] * 10, rel=1e-4)


def test_learned_settings_descend_the_variance():
    contestant = CONTESTANTS["REBAR, learned"]
    slopes = {"log_temperature": jnp.array(3.0), "scale": jnp.array(-2.0)}
    learned = contestant.settings(contestant.following(contestant.start, jnp.zeros(()), lambda: slopes))
    assert float(learned["log_temperature"]) == pytest.approx(-0.01, rel=1e-3)
    assert float(learned["scale"]) == pytest.approx(1.01, rel=1e-3)


def test_training_keeps_the_start_and_moves_by_its_rate():
    pixels = jnp.ones((3, half_digits.PIXELS))
    key, contestant = jax.random.key(5), CONTESTANTS["straight-through"]
    digits = half_digits.Halves(pixels, pixels)
    run = jax.jit(jax.vmap(lambda rate: training.train(contestant, digits, rate, key, updates=4, every=2)))
    kept = run(jnp.array([0.0, 1e-2])).encoder[0].weight
    start = half_digits.predictor(jax.random.split(key)[0]).encoder[0].weight
    assert kept.shape == (2, 3, *start.shape)
    np.testing.assert_allclose(kept[0], jnp.broadcast_to(start, (3, *start.shape)), rtol=1e-6)
    np.testing.assert_allclose(kept[1, 0], start, rtol=1e-6)
    steps = jnp.abs(jnp.diff(kept[1], axis=0)).max(axis=(1, 2))
    assert ((steps > 0) & (steps <= 2.1e-2)).all()  # two updates of Adam, each of the rate at most


def test_the_digits_are_split_into_three():
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    parts = half_digits.load()
    assert [part.upper.shape for part in parts] == [(1197, 32), (300, 32), (300, 32)]
    from sklearn.datasets import load_digits

    expected = {tuple((image >= 8).ravel()) for image in load_digits().images}
    both = np.concatenate([np.concatenate([part.upper, part.lower], axis=1) for part in parts])
    assert {tuple(row.astype(bool)) for row in both} == expected
