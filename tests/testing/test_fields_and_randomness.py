"""`check_model` traces as planners do, and finds randomness that is not the disturbance's."""

import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st
from seriatim.testing._purity import generator_moved_by, require_pure
from seriatim.testing._report import Broken

RNG = np.random.default_rng(0)


@st.record
class Fleet:
    """Vehicles stand somewhere; the team pays for those that are away."""

    vehicles: int = 8
    far: float = 3.0
    table: tuple = (1.0, 2.0)
    discount: float = 0.9
    num_agents: int = st.static(default=2)
    num_controls: int = st.static(default=2)

    def initial_state(self, key):
        return jnp.zeros(8)

    def control_mask(self, state):
        return jnp.ones((2, 2), bool)

    def sample_disturbance(self, key):
        return jax.random.uniform(key)

    def transition(self, state, control, disturbance):
        return st.Transition(state + disturbance, jnp.sum(state) * 1.0, state[0] > self.far)


def fleet(**methods):
    return st.record(type("Mine", (Fleet,), methods))()


def first_failure(model):
    report = st.check_model(model, quick=True)
    assert not report.ok, str(report)
    return report.failures[0].message


def moves(make):
    return fleet(transition=lambda self, x, u, w: st.Transition(x, jnp.asarray(make(self, x), float), False))


def test_a_lawful_fleet_is_lawful():
    report = st.check_model(fleet(), quick=True)
    assert report.ok, str(report)
    assert "fields are data" in str(report)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (moves(lambda self, x: jnp.sum(jnp.arange(self.vehicles))), ("field vehicles as a size", "default=8")),
        (moves(lambda self, x: sum(range(self.vehicles))), ("field vehicles as a size", "default=8")),
        (moves(lambda self, x: 1 if self.far > 2 else 2), ("field far as a condition", "far: float", "default=3.0")),
        (
            moves(lambda self, x: jnp.zeros(self.vehicles)[0] if self.far > 2 else 2),
            ("vehicles and far as a condition", "vehicles: int"),
        ),
        (moves(lambda self, x: jnp.zeros(int(self.table[1]))[0]), ("field table[1] as a size",)),
        (
            fleet(initial_state=lambda self, key: jnp.zeros(self.vehicles)),
            ("initial_state uses the field vehicles as a size", "default=8"),
        ),
    ],
)
def test_a_field_that_must_be_a_constant_is_named_with_its_line(model, words):
    message = first_failure(model)
    assert all(word in message for word in words), message
    assert "test_fields_and_randomness.py, line" in message


def test_what_depends_on_the_state_is_told_apart_and_has_a_line():
    decides = first_failure(moves(lambda self, x: 1.0 if x[0] > 1 else 2.0))
    assert "decides on the value of an array in plain Python" in decides
    size = first_failure(moves(lambda self, x: jnp.sum(jnp.arange(x[0]))))
    assert "uses the value of an array as a size" in size
    assert "decides" not in size
    assert all("test_fields_and_randomness.py, line" in message for message in (decides, size))


IMPURE = {
    "numpy, seen": (lambda self, x: np.random.rand(), "draws from numpy.random"),
    "numpy, as small as rounding": (lambda self, x: 1e-9 * np.random.rand(), "draws from numpy.random"),
    "a coin": (lambda self, x: x[0] if np.random.rand() < 0.5 else x[0] + 0.0, "draws from numpy.random"),
    "python": (lambda self, x: 1e-9 * random.random(), "draws from random"),
    "a generator of its own": (lambda self, x: 1e-9 * RNG.random(), "another result for the same arguments"),
}


@pytest.mark.parametrize("case", IMPURE)
def test_randomness_in_plain_python_is_found_and_named(case):
    make, words = IMPURE[case]
    message = first_failure(moves(make))
    assert "Mine.transition gave another result for the same arguments" in message
    assert "randomness must come from the disturbance alone" in message
    assert words in message
    # Whatever else goes wrong with it is no fault of the library's.
    assert "please report it" not in str(st.check_model(moves(make)))


@pytest.mark.parametrize("method", ["initial_state", "control_mask", "sample_disturbance"])
def test_it_is_found_in_every_method(method):
    whole = getattr(Fleet, method)

    def drawn(self, *given):
        return whole(self, *given) if np.random.rand() < 2 else None

    def random_too(self, *given):
        noise = 0 * jnp.float32(np.random.rand())
        return jax.tree.map(lambda leaf: (leaf + noise).astype(leaf.dtype), whole(self, *given))

    assert st.check_model(fleet(**{method: drawn}), quick=True).ok  # it draws, and nothing depends on it
    assert f"Mine.{method} gave another result for the same arguments when traced again" in first_failure(
        fleet(**{method: random_too})
    )


def test_what_is_seeded_inside_is_pure():
    require_pure("f", lambda x: x + np.random.default_rng(3).random(), jnp.zeros(()), source="the key")

    def reseeded(x):
        np.random.seed(3)
        return x * np.random.rand()

    require_pure("f", reseeded, jnp.zeros(()), source="the key")


def test_programs_are_compared_inside_branches_and_loops():
    def looped(x):
        return jax.lax.fori_loop(0, 3, lambda i, y: y + 1e-9 * np.random.rand(), x)

    def branched(x):
        return jax.lax.cond(x > 0, lambda y: y, lambda y: y + 1e-9 * np.random.rand(), x)

    for function in (looped, branched):
        with pytest.raises(Broken, match=r"draws from numpy\.random"):
            require_pure("f", function, jnp.zeros(()), source="the key")
    require_pure("f", lambda x: jax.lax.fori_loop(0, 3, lambda i, y: jnp.where(y > 0, y, -y), x), 1.0, source="the key")


def test_a_generator_that_moved_is_named():
    assert generator_moved_by(lambda: 3) == (3, "")
    assert generator_moved_by(np.random.rand)[1] == "numpy.random"
    assert generator_moved_by(random.random)[1] == "random"


def test_a_policy_that_draws_is_named():
    def wild(state, key):
        return jnp.array([0, 0]) + (np.random.rand() < 2e-9)

    def coin(state, key):
        return jnp.array([0, 0 if np.random.rand() < 0.5 else 1])

    assert "draws from numpy.random" in st.check_policy(fleet(), coin).failures[0].message
    assert st.check_policy(fleet(), wild).findings[1].passed
