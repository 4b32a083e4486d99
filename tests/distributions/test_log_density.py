"""Densities of the relaxed categorical, and the categorical's log-probability and entropy. Nothing here is random."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from goodness_of_fit import softmax
from jax.test_util import check_grads
from scipy import integrate, stats

import seriatim as st

log_density = st.distributions.log_density
pytestmark = pytest.mark.usefixtures("double_precision")


def by_integration(log_ratios, logits, temperature):
    """Density of the log-ratios to the last entry: T^(n-1) times that of n Gumbels with such differences, at any level.

    (z_1, ..., z_n) = level + T * log-ratios; the level is integrated out. No formula of Maddison's is used.
    """
    places = temperature * np.append(log_ratios, 0) - np.asarray(logits)

    def joint(level):
        return np.exp(stats.gumbel_r.logpdf(places + level).sum())

    middle = np.log(np.exp(-places).mean())
    total, _ = integrate.quad(joint, middle - 20, middle + 40, points=[middle], epsabs=0, epsrel=1e-11, limit=200)
    return (len(logits) - 1) * np.log(temperature) + np.log(total)


@pytest.mark.parametrize("logits", [[0.0, 1.0], [0.5, -1.0, 2.0], [0.0, 0.0, 1.0, -1.0]])
@pytest.mark.parametrize("temperature", [0.1, 1.0, 4.0])
def test_the_density_by_an_independent_derivation(logits, temperature):
    for log_ratios in np.random.default_rng(0).normal(size=(3, len(logits) - 1)) / temperature:
        point = jax.nn.log_softmax(jnp.append(log_ratios, 0))
        found = log_density(point, jnp.array(logits), temperature)
        np.testing.assert_allclose(found, by_integration(log_ratios, logits, temperature), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("temperature", [1e-3, 0.5, 1e3])
def test_two_categories_are_scipys_logistic(temperature):
    points = jax.nn.log_softmax(jnp.stack([jnp.linspace(-3, 3, 7) / temperature, jnp.zeros(7)], axis=-1))
    ratios = np.linspace(-3, 3, 7) / temperature
    judge = stats.logistic.logpdf(ratios, loc=(1.5 - 0.2) / temperature, scale=1 / temperature)
    found = log_density(points, jnp.broadcast_to(jnp.array([1.5, 0.2]), (7, 2)), temperature)
    np.testing.assert_allclose(found, judge, rtol=1e-10)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_it_integrates_to_one_over_three_categories(temperature):
    ratios = jnp.linspace(-40, 40, 801) / temperature
    first, second = jnp.meshgrid(ratios, ratios)
    points = jnp.stack([first, second, jnp.zeros_like(first)], axis=-1)
    density = jnp.exp(log_density(points, jnp.broadcast_to(jnp.array([0.5, -1.0, 0.0]), points.shape), temperature))
    # The trapezium rule converges exponentially for analytic functions that vanish at both ends.
    assert np.isclose(density.sum() * (ratios[1] - ratios[0]) ** 2, 1, rtol=1e-9)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_density_of_the_point_itself_integrates_to_one(temperature):
    @jax.jit
    def concrete(first):
        point = jnp.log(jnp.stack([first, 1 - first]))
        return jnp.exp(log_density(point, jnp.array([0.7, 0.0]), temperature) - point.sum())

    total, _ = integrate.quad(lambda first: float(concrete(first)), 0, 1, epsrel=1e-8)
    assert np.isclose(total, 1, rtol=1e-6)


def test_it_integrates_to_one_over_two_categories():
    for temperature in (1e-3, 1.0, 1e3):
        ratios = jnp.linspace(-60, 60, 2001) / temperature
        points = jnp.stack([ratios, jnp.zeros_like(ratios)], axis=-1)
        density = jnp.exp(log_density(points, jnp.broadcast_to(jnp.array([1.0, -2.0]), points.shape), temperature))
        assert np.isclose(density.sum() * (ratios[1] - ratios[0]), 1, rtol=1e-9)


def test_the_inadmissible_do_not_count():
    logits, point = jnp.array([0.3, -jnp.inf, 1.0, -0.5]), jnp.log(jnp.array([0.2, 0.0, 0.5, 0.3]))
    admissible = np.array([0, 2, 3])
    np.testing.assert_allclose(log_density(point, logits, 0.7), log_density(point[admissible], logits[admissible], 0.7))
    outside = jnp.log(jnp.array([[0.2, 0.1, 0.4, 0.3], [0.0, 0.0, 0.5, 0.5]]))
    np.testing.assert_array_equal(log_density(outside, jnp.stack([logits, logits]), 0.7), [-jnp.inf, -jnp.inf])
    assert log_density(jnp.full(3, -jnp.inf), jnp.full(3, -jnp.inf), 0.7) == 0
    assert log_density(jnp.zeros(1), jnp.ones(1), 0.7) == 0


def test_derivatives_of_densities_by_finite_differences():
    point, logits = jnp.log(jnp.array([0.2, 0.5, 0.3])), jnp.array([0.5, -1.0, 0.2])
    for function in (log_density, lambda x, y, _: st.distributions.log_probability(x, 1) * st.distributions.entropy(y)):
        check_grads(jax.jit(function), (point, logits, 0.7), order=2)


def test_log_probability_and_entropy():
    logits = np.array([[0.0, 1.0, -2.0], [1e4, -1e4, 1e4], [0.0, -np.inf, 1.0], [-np.inf, -np.inf, 3.0]])
    p = softmax(logits)
    for index in range(3):
        found = st.distributions.log_probability(logits, np.full(4, index))
        with np.errstate(divide="ignore"):
            judge = np.where((p[:, index] == 0) & np.isfinite(logits[:, index]), -2e4 - np.log(2), np.log(p[:, index]))
        np.testing.assert_allclose(found, judge, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(st.distributions.entropy(logits), stats.entropy(p, axis=1), atol=1e-15)
    np.testing.assert_allclose(st.distributions.entropy(np.zeros(7, int)), np.log(7))


def test_the_score_is_one_hot_less_probabilities():
    logits = jnp.array([0.0, 1.0, -jnp.inf, -2.0])
    score = jax.grad(lambda given: st.distributions.log_probability(given, 1))(logits)
    np.testing.assert_allclose(score, np.array([0, 1, 0, 0]) - softmax(logits), rtol=1e-12)
    nothing = jax.grad(lambda given: jnp.nan_to_num(st.distributions.log_probability(given, 2)))(logits)
    np.testing.assert_array_equal(nothing, 0)


@pytest.mark.parametrize("index", [-1, 3, 100])
def test_categories_that_do_not_exist_are_impossible(index):
    assert st.distributions.log_probability(jnp.zeros(3), index) == -jnp.inf


def test_making_no_choice_is_certain_where_there_is_none():
    nothing = jnp.full((2, 3), -jnp.inf)
    np.testing.assert_array_equal(st.distributions.log_probability(nothing, jnp.array([-1, 0])), [0, -jnp.inf])
    np.testing.assert_array_equal(st.distributions.entropy(nothing), 0)
