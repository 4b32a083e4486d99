"""What is no logits, no index, no mask: one sentence with what was seen and what to give."""

import jax
import jax.numpy as jnp
import pytest

import seriatim as st

d = st.distributions
KEY, ROW = jax.random.key(0), jnp.zeros(3)


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        (lambda: d.gumbel_max("abc", KEY), "logits are str, which is no array of numbers"),
        (lambda: d.gumbel_max(None, KEY), "logits are NoneType, which is no array of numbers"),
        (lambda: d.masked(ROW, jnp.array([True, False])), r"logits \(3,\), mask \(2,\)"),
        (lambda: d.log_density(jnp.zeros(4), ROW, 0.5), r"log_point \(4,\), logits \(3,\)"),
        (lambda: d.log_probability(jnp.zeros((4, 3)), jnp.zeros(2, int)), r"logits \(4,\), index \(2,\)"),
        (lambda: d.conditional_gumbels(jnp.zeros((4, 3)), jnp.zeros(2, int), KEY), r"logits \(4,\), index \(2,\)"),
        (lambda: d.gaussian(jnp.zeros(2), jnp.ones(3), KEY), r"mean \(2,\), std \(3,\)"),
        (lambda: d.gaussian_log_density(0.0, jnp.zeros(2), jnp.ones(3)), r"mean \(2,\), std \(3,\)"),
        (lambda: d.straight_through(jnp.zeros(2), ROW), r"hard is float32\[2\] and soft is float32\[3\]; give two"),
        (lambda: d.straight_through(jnp.zeros(3, int), ROW), r"hard is int32\[3\] and soft is float32\[3\]; give two"),
        (lambda: d.gumbel_softmax(ROW, KEY, "warm"), "temperature=warm: give a finite number above 0"),
        (lambda: d.gumbel_softmax(ROW, KEY, None), "temperature=None: give a finite number above 0"),
        (lambda: d.gumbel_top_k(ROW, KEY, 1.5), "k=1.5: give a constant whole number from 1 to the 3"),
    ],
)
def test_mistakes_are_named(mistake, said, without_type_checks):
    with pytest.raises(st.InputError, match=said):
        without_type_checks(mistake)
