"""Temperatures and their schedules."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st

d = st.distributions
LOGITS, KEY = jnp.zeros(3), jax.random.key(0)
USES = {
    "soft": lambda temperature: d.gumbel_softmax(LOGITS, KEY, temperature),
    "hard": lambda temperature: d.gumbel_softmax(LOGITS, KEY, temperature, hard=True),
    "log": lambda temperature: d.gumbel_log_softmax(LOGITS, KEY, temperature),
    "density": lambda temperature: d.log_density(LOGITS, LOGITS, temperature),
    "floor": lambda temperature: d.temperature_schedule(lambda step: step, temperature),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize("temperature", [0, 0.0, -1.0, np.nan, np.inf, 1e-45, jnp.float32(-2), np.float64(0)])
def test_what_is_not_positive_is_refused_in_one_sentence(use, temperature, without_type_checks):
    with pytest.raises(st.InputError, match=r"^(temperature|floor)=.*: give a finite number above 0") as caught:
        without_type_checks(lambda: use(temperature))
    assert str(caught.value).count(". ") == 0


def test_one_temperature_for_one_row(without_type_checks):
    with pytest.raises(st.InputError, match=r"shape \(2,\); give one number; map over several with jax.vmap"):
        without_type_checks(lambda: d.gumbel_softmax(LOGITS, KEY, jnp.ones(2)))
    several = jax.vmap(d.gumbel_softmax, in_axes=(None, None, 0))(LOGITS, KEY, jnp.array([0.5, 2.0]))
    np.testing.assert_array_equal(several[1], d.gumbel_softmax(LOGITS, KEY, 2))


def test_a_traced_temperature_is_taken_as_it_is():
    traced = jax.jit(lambda temperature: d.gumbel_softmax(LOGITS, KEY, temperature))
    np.testing.assert_allclose(traced(0.5), d.gumbel_softmax(LOGITS, KEY, 0.5), rtol=1e-6)
    traced(0.0)  # no exception: the value cannot be read


def test_a_schedule_does_not_fall_below_its_floor():
    schedule = jax.jit(d.temperature_schedule(lambda step: 1 - step / 10, floor=0.25))
    np.testing.assert_allclose([schedule(step) for step in (0, 5, 10, 100)], [1, 0.5, 0.25, 0.25])


def test_a_schedule_must_be_a_function(without_type_checks):
    with pytest.raises(st.InputError, match="schedule=None cannot be called; give a function"):
        without_type_checks(lambda: d.temperature_schedule(None, floor=0.1))


def test_optax_schedules_serve():
    optax = pytest.importorskip("optax", reason="optax is not installed")
    steps = jnp.arange(0, 3000, 100)
    jangs = d.temperature_schedule(optax.exponential_decay(1.0, 1, math.exp(-1e-3)), floor=0.5)
    np.testing.assert_allclose(jax.vmap(jangs)(steps), np.maximum(0.5, np.exp(-1e-3 * np.asarray(steps))), rtol=1e-4)
    # A cosine ends at zero, where no relaxed choice is defined.
    cosine = d.temperature_schedule(optax.cosine_decay_schedule(1.0, 100), floor=0.1)
    assert cosine(1000) == jnp.float32(0.1)
