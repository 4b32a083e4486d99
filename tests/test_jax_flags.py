"""The flags with which people debug JAX: leak checks, strict promotion of types, a stop at nan."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st
from seriatim._compile import jit, unknown, unless_mapped
from seriatim.planning._choice import gain

ROOT = Path(__file__).parents[1]
FLAGS = {
    "JAX_CHECK_TRACER_LEAKS": jax.checking_leaks,
    "JAX_NUMPY_DTYPE_PROMOTION": lambda: jax.numpy_dtype_promotion("strict"),
    "JAX_DEBUG_NANS": lambda: jax.debug_nans(True),
}


@pytest.fixture(scope="module")
def small():
    model = st.problems.random_team(0, states=4, agents=2, controls=2, discount=0.9, termination=0.3)
    return st.OneAtATimeRollout(model, model.base_policy(), st.Simulation(horizon=2, num_samples=2))


@pytest.mark.parametrize("flag", ["JAX_CHECK_TRACER_LEAKS", "JAX_NUMPY_DTYPE_PROMOTION"])
def test_decisions_are_written_under_a_flag(small, flag):
    """Both flags speak while a program is written; so nothing needs to be compiled."""
    keys = jax.random.split(jax.random.key(0), 2)
    states = jax.vmap(small.model.initial_state)(keys)
    with FLAGS[flag]():
        # One state is written on the way to many.
        jax.eval_shape(lambda p, s, k: jax.vmap(p._decide)(s, k), small, states, keys)


def test_what_is_not_known_is_no_nan_where_nan_stops_programs():
    assert np.isnan(unknown())
    with jax.debug_nans(True):
        assert unknown() == np.inf
        _, error = gain(jnp.ones(1), jnp.zeros((2, 1)))
        assert np.isinf(error).all()


def test_what_is_not_known_is_no_nan_in_a_batch_either():
    """JAX maps the programs of a batch with that flag off, whatever the user has set."""

    def not_known(x):
        return jnp.full_like(x, unknown())

    batch = jax.vmap(jax.jit(lambda x: unless_mapped(not_known, not_known)(x)))
    with jax.debug_nans(True):
        assert np.isinf(batch(jnp.zeros(2))).all()


def test_programs_are_written_anew_where_nan_stops_programs():
    """A program that was written before the flag was set holds nan for what is not known."""
    told = jit(lambda x: x + unknown())
    x = np.float32(1)
    assert np.isnan(told(x))
    with jax.debug_nans(True):
        assert np.isinf(told(x))
    assert np.isnan(told(x))


# Files whose tests are quick, of every part that runs programs.
QUICK = [
    "tests/planning/test_idle_agents.py",
    "tests/planning/test_explained.py",
    "tests/beliefs/test_tree_search.py",
    "tests/beliefs/test_factored_filter.py",
    "tests/evaluation",
    "tests/exact/test_solvers.py",
    "tests/training/test_labels.py",
    "tests/training/test_policy_gradient.py",
    "tests/distributions/test_arguments.py",
]
VALUES = {"JAX_CHECK_TRACER_LEAKS": "1", "JAX_NUMPY_DTYPE_PROMOTION": "strict", "JAX_DEBUG_NANS": "1"}


@pytest.mark.slow
@pytest.mark.parametrize("flag", FLAGS)
def test_the_quick_tests_pass_under_a_flag(flag):
    environment = {**os.environ, flag: VALUES[flag], "SERIATIM_TEST_SECONDS": "0"}  # checks take their time
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-m", "not slow", "-p", "no:cacheprovider", *QUICK]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
