"""The laws of filters and of observed models catch what they are for."""

import dataclasses
import sys
from pathlib import Path

import jax.numpy as jnp
import pytest

import seriatim as st

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
from tiger import Tiger

EXACT = st.beliefs.ExactFilter(Tiger())
PARTICLES = st.beliefs.ParticleFilter(Tiger(), num_particles=5)


@pytest.mark.parametrize("filter", [EXACT, PARTICLES], ids=["exact", "particles"])
def test_our_filters_are_lawful(filter):
    report = st.check_filter(filter)
    assert report.ok, report
    assert "impossible observations" in report.findings[-1].message


def mine(**methods):
    """An exact filter with some methods replaced."""
    changed = type("Mine", (), {})()
    for name in ("initial", "sample_disturbance", "sample_state", "most_likely", "update", "likelihood", "support"):
        setattr(changed, name, getattr(EXACT, name))
    changed.model = EXACT.model
    for name, method in methods.items():
        setattr(changed, name, method)
    return changed


BROKEN = {
    "no update": ({"update": None}, "Mine has no method update"),
    "another shape": ({"update": lambda b, u, o, w: b[:1]}, r"Mine\.update is float32\[1\], where float32\[2\]"),
    "two likelihoods": ({"likelihood": lambda b, u, o, w: jnp.ones(2)}, r"likelihood returned shape \(2,\)"),
    "another state": ({"most_likely": lambda b: b}, r"Mine\.most_likely is float32\[2\], where int32\[\]"),
    "no distribution": ({"update": lambda b, u, o, w: b * 2}, "sum to 2; non-negative numbers that sum to 1"),
    "no number": ({"update": lambda b, u, o, w: b * jnp.nan}, "a belief with NaN"),
    "no probability": ({"likelihood": lambda b, u, o, w: jnp.float32(2)}, "likelihood of what was seen is 2.0"),
    "all impossible": ({"likelihood": lambda b, u, o, w: jnp.float32(0)}, "192 of 192 observations for impossible"),
}


@pytest.mark.parametrize(("methods", "message"), BROKEN.values(), ids=BROKEN)
def test_each_law_catches_its_fault(methods, message):
    with pytest.raises(st.InputError, match=message):
        st.check_filter(mine(**methods)).raise_if_broken()


@st.record
class Lying(Tiger):
    """A tiger that is heard less well than its likelihood says."""

    def observation(self, state, control, disturbance):
        return Tiger.observation(dataclasses.replace(self, hearing=0.7), state, control, disturbance)


@st.record
class Deaf(Tiger):
    """A tiger whose likelihoods sum to a half."""

    def observation_likelihood(self, observation, state, control):
        return Tiger.observation_likelihood(self, observation, state, control) / 2


@st.record
class Unlisted(Tiger):
    """A tiger that is heard behind a third door."""

    def observation(self, state, control, disturbance):
        return Tiger.observation(self, state, control, disturbance) * 2


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Lying(), "times of 2000, where observation_likelihood expects"),
        (Deaf(), "with sum 0.5; non-negative numbers that sum to 1"),
        (Unlisted(), "not among observations|above 0 and at most 1"),
    ],
)
def test_observed_laws_catch_what_does_not_add_up(model, message):
    with pytest.raises(st.InputError, match=message):
        st.check_model(model).raise_if_broken()
