"""Many states at once: each decided as if alone, whoever does the work."""

import os
import subprocess
import sys

import jax
import numpy as np
import pytest

import seriatim as st
from seriatim.planning import _many

MODEL = st.problems.SpidersAndFlies(spiders=2, flies=2, width=4, height=3)
PLANNER = st.OneAtATimeRollout(MODEL, MODEL.base_policy(), st.Simulation(horizon=20), schedule=st.InTurn())
KEYS = jax.random.split(jax.random.key(0), 11)
STATES = jax.jit(jax.vmap(MODEL.initial_state))(KEYS)


@pytest.mark.parametrize("workers", [3, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2, 20))])
def test_the_number_of_workers_makes_no_difference(workers, monkeypatch):
    monkeypatch.setattr(_many, "FEWEST", 1)
    many = st.decide_many(PLANNER, STATES, KEYS, on=st.parallel.Local(workers))
    for i, key in enumerate(KEYS):
        one = PLANNER.decide(jax.tree.map(lambda leaf, i=i: np.asarray(leaf)[i], STATES), key)
        np.testing.assert_array_equal(many.control[i], one.control)
        np.testing.assert_array_equal(many.q_factors[i], one.q_factors)
        np.testing.assert_array_equal(many.improvement[i], one.improvement)


def test_parts_bound_what_is_decided_at_once_and_compile_once(monkeypatch):
    sizes = []
    whole = _many._decide_many
    monkeypatch.setattr(_many, "STATES_AT_ONCE", 4)
    monkeypatch.setattr(_many, "_decide_many", lambda p, s, k: sizes.append(k.shape[0]) or whole(p, s, k))
    assert st.decide_many(PLANNER, STATES, KEYS).control.shape == (11, 2)
    assert set(sizes) == {4}


def test_inside_a_compiled_function_it_is_one_program():
    four = jax.tree.map(lambda leaf: leaf[:4], (STATES, KEYS))
    traced = jax.jit(lambda states, keys: st.decide_many(PLANNER, states, keys).control)(*four)
    np.testing.assert_array_equal(traced, st.decide_many(PLANNER, *four).control)


@pytest.mark.parametrize(
    ("planner", "states", "keys", "sentence"),
    [
        (PLANNER, STATES, KEYS[:4], "lengths 4, 11"),
        (PLANNER, STATES, KEYS[0], "keys is a single key; give a stack of n random keys"),
        (PLANNER, (STATES, 1), KEYS, "lengths none, 11"),
        (PLANNER, jax.tree.map(lambda leaf: leaf[:0], STATES), KEYS[:0], "no states and no keys"),
        (PLANNER, STATES, list(KEYS), "keys is a list; give a stack"),
        (PLANNER, STATES, 3, "keys is 3; give a stack"),
        (
            PLANNER,
            jax.tree.map(lambda leaf: leaf[:2], STATES),
            jax.random.PRNGKey(0),
            r"keys is an array of shape \(2,\) and type uint32",
        ),
        (PLANNER.base, STATES, KEYS, "has no method decide"),
    ],
)
def test_mistakes_are_refused(planner, states, keys, sentence, without_type_checks):
    with pytest.raises(st.InputError, match=sentence):
        without_type_checks(lambda: st.decide_many(planner, states, keys))


SCRIPT = """
import jax, numpy as np, seriatim as st
from tests.planning import test_many as t
from seriatim.planning import _many
_many.FEWEST = 1
assert len(jax.local_devices()) == 3
many = st.decide_many(t.PLANNER, t.STATES, t.KEYS)
print(many.control.tolist())
"""


@pytest.mark.slow
def test_several_devices_share_the_work():
    """In a process of its own, since the number of devices is fixed when JAX starts."""
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=3"}
    seen = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == str(st.decide_many(PLANNER, STATES, KEYS).control.tolist())
