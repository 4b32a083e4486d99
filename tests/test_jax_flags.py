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
from seriatim._compile import jit, unknown
from seriatim._mapping import unless_mapped
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

    batch = jax.vmap(jax.jit(lambda x: unless_mapped(not_known, not_known, like=lambda x: x)(x)))
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


# A part of the quick tests, since all take too long: of every part of the library that writes programs, those that send
# most of it through JAX. The comment says what each group reaches; `tests/problems/test_strict_types.py` has the
# methods of every problem.
QUICK = [
    # Planning: turns of one state and of a batch, all kinds of planners, budgets of time, refusals.
    "tests/planning/test_idle_agents.py",
    "tests/planning/test_planners.py::test_a_planner_that_is_called_gives_the_control_it_decides",
    "tests/planning/test_explained.py::test_a_raw_key_is_a_key",
    "tests/planning/test_explained.py::test_a_state_of_another_size_is_decided_if_the_model_can_work_with_it",
    # Beliefs: particles, exact and factored filters, the search tree, a belief as a state.
    "tests/beliefs/test_tree_search.py",
    "tests/beliefs/test_factored_filter.py",
    # Evaluation and lanes: episodes side by side, lanes filled again, what is refused, decisions against the clock.
    "tests/evaluation/test_evaluate.py::test_every_episode_is_played_once_in_whatever_lane",
    "tests/evaluation/test_evaluate.py::test_differences_are_paired",
    "tests/evaluation/test_evaluate.py::test_inadmissible_controls_and_infinite_costs_are_refused",
    "tests/evaluation/test_deadlines.py",
    # Exact: every solver.
    "tests/exact/test_solvers.py::test_all_solvers_find_the_best_of_all_policies",
    # Training: labels from rollout, fits, trajectories with hard and with soft controls, the worth of controls.
    "tests/training/test_labels.py::test_every_stage_of_an_episode_is_as_likely_and_costs_are_those_from_there",
    "tests/training/test_labels.py::test_who_strays_keeps_to_what_is_admissible_and_feasible",
    "tests/training/test_labels.py::test_fitting_is_least_squares_of_the_rows_that_count",
    "tests/training/test_labels.py::test_nothing_is_fitted_to_no_rows",
    "tests/training/test_policy_gradient.py::test_controls_are_worth_what_the_changed_trajectory_costs",
    "tests/training/test_policy_gradient.py::test_training_lowers_the_cost",
    # Choices and their gradients.
    "tests/distributions/test_arguments.py",
    "tests/gradients/test_mixed_types.py",
]
VALUES = {"JAX_CHECK_TRACER_LEAKS": "1", "JAX_NUMPY_DTYPE_PROMOTION": "strict", "JAX_DEBUG_NANS": "1"}


@pytest.mark.slow
@pytest.mark.parametrize("flag", FLAGS)
def test_the_quick_tests_pass_under_a_flag(flag):
    environment = {**os.environ, flag: VALUES[flag], "SERIATIM_TEST_SECONDS": "0"}  # checks take their time
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-m", "not slow", "-p", "no:cacheprovider", *QUICK]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
