"""No NaN: every function, its first and its second derivatives, at every corner of the promised ranges.

Types float32, bfloat16, float64; logits of 1e4 of either sign, equal, masked, all masked; temperatures 1e-3 to 1e3.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st

d = st.distributions
INF = np.inf
ROWS = np.array(
    [
        [0, 0, 0, 0],
        [1e4, -1e4, 1e4, 9984],
        [1e4, -1e4, -INF, 0],
        [-1e4, -1e4, -1e4, -1e4],
        [1e-30, -1e-30, 0, 1],
        [-INF, 1e4, -INF, -INF],
        [-INF, -1e4, -INF, 1e4],
        [-INF, -INF, -INF, -INF],
    ]
)
TEMPERATURES = [1e-3, 0.5, 1e3]


def everything(row_and_temperature, key):
    """All functions of a row and a temperature, as one vector."""
    logits, temperature = row_and_temperature[:4], row_and_temperature[4]
    relaxed = d.gumbel_softmax(logits, key, temperature)
    hard = d.gumbel_softmax(logits, key, temperature, hard=True)
    log_point = d.gumbel_log_softmax(logits, key, temperature)
    parts = [
        relaxed,
        relaxed**2,
        hard**2,
        log_point,
        d.gumbels(logits, key),
        d.conditional_gumbels(logits, jnp.int32(1), key),
        jax.nn.softmax(jnp.where(jnp.isneginf(logits), 0, d.conditional_gumbels(logits, jnp.int32(3), key))),
        d.log_density(log_point, logits, temperature)[None],
        d.log_density(jnp.log(jnp.array([0.1, 0.2, 0.3, 0.4])), logits, temperature)[None],
        jnp.stack([d.log_probability(logits, index) for index in (-1, 0, 1, 2, 3)]),
        d.entropy(logits)[None],
    ]
    return jnp.concatenate([part.astype(jnp.promote_types(part.dtype, jnp.float32)) for part in parts])


@pytest.mark.parametrize(
    "kind", [jnp.float32, *(pytest.param(kind, marks=pytest.mark.slow) for kind in (jnp.bfloat16, jnp.float64))]
)
def test_no_value_and_no_derivative_is_nan(kind, double_precision):
    def value_and_derivatives(given, key):
        both = everything, jax.jacrev(everything), jax.jacfwd(jax.jacrev(everything))
        return [derivative(given, key) for derivative in both]

    over_cases = jax.jit(jax.vmap(value_and_derivatives, in_axes=(0, None)))
    cases = np.array([[*row, temperature] for row in ROWS for temperature in TEMPERATURES])
    for seed in range(3):
        value, first, second = over_cases(jnp.array(cases, kind), jax.random.key(seed))
        assert not np.isnan(value).any()
        assert not np.isposinf(value).any()
        assert np.isfinite(np.asarray(first, float)).all()
        assert np.isfinite(np.asarray(second, float)).all()
        by_inputs = np.moveaxis(np.asarray(first, float), -1, 1)
        np.testing.assert_array_equal(by_inputs[np.isneginf(cases)], 0)


@pytest.mark.parametrize("temperature", [1e-30, 1e30])
def test_values_stay_sound_far_beyond_the_promised_temperatures(temperature):
    logits = jnp.array([[1e4, -1e4, 0.0], [0.0, 1.0, -jnp.inf]])
    relaxed = d.gumbel_softmax(logits, jax.random.key(0), temperature)
    np.testing.assert_allclose(relaxed.sum(axis=1), 1, rtol=1e-6)


def test_a_nan_is_not_taken_for_a_mask():
    assert np.isnan(d.gumbel_softmax(jnp.array([jnp.nan, 0.0]), jax.random.key(0), 1.0)).all()
    assert np.isnan(d.entropy(jnp.array([jnp.nan, 0.0])))
