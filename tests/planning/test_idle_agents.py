"""An agent with one admissible control costs no simulation, and changes nothing by that."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st
from seriatim._record import with_fields


@pytest.mark.parametrize("speculate", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_turns_without_a_choice_are_not_simulated_and_not_counted(speculate):
    model = st.problems.SpidersAndFlies(spiders=2, flies=2, width=6, height=6, max_spiders=4)
    planner, plan = st.OneAtATimeRollout, st.Simulation(horizon=8)
    rollout = planner(model, model.base_policy(), plan, schedule=st.InTurn())
    every = planner(model, model.base_policy(), plan, schedule=st.Speculative(window=99))
    keys = jax.random.split(jax.random.key(0), 3)
    states = jax.jit(jax.vmap(model.initial_state))(keys)
    # The teams of a batch may differ: nobody at work, all, the two of the start.
    states = with_fields(states, active=jnp.array([[False] * 4, [True] * 4, [True, True, False, False]]))
    many = st.decide_many(rollout, states, keys)
    np.testing.assert_array_equal(many.num_simulations, [1, 17, 9])
    np.testing.assert_array_equal(many.num_passes, [1, 5, 3])
    for i in range(3):
        state = jax.tree.map(lambda leaf, i=i: np.asarray(leaf)[i], states)
        alone = rollout.decide(state, keys[i])
        assert jax.tree.all(jax.tree.map(lambda a, b, i=i: np.array_equal(a, b[i], equal_nan=True), alone, many))
        if speculate:
            other = every.decide(state, keys[i])
            np.testing.assert_array_equal(alone.control, other.control)
            np.testing.assert_array_equal(alone.q_factors, other.q_factors)
