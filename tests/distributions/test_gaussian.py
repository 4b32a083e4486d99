"""Gaussians as functions of mean, standard deviation and noise. False-alarm budget of this file: 1e-6."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from goodness_of_fit import assert_no_alarm
from jax.test_util import check_grads
from scipy import stats

import seriatim as st

BUDGET = 1e-6
gaussian, log_density = st.distributions.gaussian, st.distributions.gaussian_log_density


def test_the_distribution():
    mean, std = jnp.array([0.0, 100.0, -3.0]), jnp.array([1.0, 0.5, 10.0])
    drawn = np.asarray(gaussian(jnp.broadcast_to(mean, (50_000, 3)), std, jax.random.key(0)), float)
    assert_no_alarm([stats.kstest(drawn[:, i], "norm", (mean[i], std[i])).pvalue for i in range(3)], BUDGET)


def test_derivatives_are_one_and_the_noise():
    key, mean, std = jax.random.key(1), jnp.array([1.0, 2.0]), jnp.array([0.5, 3.0])
    noise = gaussian(jnp.zeros(2), jnp.ones(2), key)
    by_mean, by_std = jax.jacobian(gaussian, argnums=(0, 1))(mean, std, key)
    np.testing.assert_array_equal(by_mean, np.eye(2))
    np.testing.assert_array_equal(by_std, np.diag(noise))


def test_bfloat16_is_a_type_of_the_result_not_of_the_noise():
    drawn = gaussian(jnp.bfloat16(1), jnp.bfloat16(2), jax.random.key(2))
    assert drawn.dtype == jnp.bfloat16
    assert drawn == gaussian(1.0, 2.0, jax.random.key(2)).astype(jnp.bfloat16)


def test_shapes_broadcast_and_zero_spread_is_the_mean():
    assert gaussian(jnp.zeros((3, 1)), jnp.ones(2), jax.random.key(3)).shape == (3, 2)
    assert gaussian(4, 0, jax.random.key(3)) == 4


def test_the_density_is_scipys(double_precision):
    point, mean, std = np.linspace(-2, 2, 5), 0.3, np.array([[0.8], [2.0]])
    np.testing.assert_allclose(log_density(point, mean, std), stats.norm.logpdf(point, mean, std), rtol=1e-12)
    check_grads(lambda *given: log_density(*given).sum(), (jnp.asarray(point), jnp.asarray(mean), jnp.asarray(std)), 2)


def test_the_density_of_a_very_small_spread():
    # 3e-20 squared is no float32.
    assert np.isclose(log_density(jnp.float32(0), 0.0, 3e-20), stats.norm.logpdf(0, 0, 3e-20), rtol=1e-6)


@pytest.mark.parametrize("std", [-1.0, np.nan, np.array([1.0, -0.5])])
def test_a_negative_spread_is_refused(std):
    with pytest.raises(st.InputError, match="give numbers from 0 up"):
        gaussian(0.0, std, jax.random.key(0))
    with pytest.raises(st.InputError, match="give numbers above 0"):
        log_density(0.0, 0.0, std)


def test_a_density_needs_a_spread():
    with pytest.raises(st.InputError, match="std=0 among the standard deviations: give numbers above 0"):
        log_density(0.0, 0.0, 0.0)
