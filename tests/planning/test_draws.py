"""Samples sorted by what they cost the base control, in blocks and chunks: another order, and nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st
from seriatim.planning import _draws, _lanes
from seriatim.planning._draws import draws_of, in_order

SAMPLES = 24
SIMULATION = st.Simulation(horizon=30, num_samples=SAMPLES)


def team():
    # Costs are whole numbers, so their sums are exact in any order.
    return st.problems.SpidersAndFlies(spiders=3, flies=3, width=6, height=6, fly_behaviour="wander")


def some_states(model, count=4):
    keys = jax.random.split(jax.random.key(1), count)
    return jax.vmap(model.initial_state)(keys), keys


def decide(planner, states, keys):
    """Decide at all states together, compiled anew whatever was compiled before."""
    return jax.jit(jax.vmap(lambda state, key: planner._decide(state, key)))(states, keys)


@pytest.mark.parametrize("samples", [1, 8, 16, 24, 31])
def test_an_order_loses_no_sample_and_takes_what_belongs_to_it_along(samples):
    simulation = st.Simulation(horizon=5, num_samples=samples)
    draws = draws_of(team(), simulation, jax.random.key(0), beforehand=True)
    order = jax.random.permutation(jax.random.key(2), samples)
    cut = in_order(draws, order)
    blocks, block = cut.policy_keys.shape
    assert blocks * block == samples
    assert block <= _draws.BLOCK
    for k, sample in enumerate(order):
        at = k // block, k % block
        assert cut.policy_keys[at] == draws.policy_keys[0, sample]
        assert cut.disturbance_keys[at] == draws.disturbance_keys[0, sample]
        assert np.array_equal(cut.ahead.moves[at[0], :, :, at[1]], draws.ahead.moves[0, :, :, sample])


@pytest.mark.parametrize("schedule", ["sequential", "speculative"])
@pytest.mark.parametrize("beforehand", [True, False])
def test_sorting_changes_nothing_that_is_decided(schedule, beforehand, monkeypatch):
    model = team()
    states, keys = some_states(model)
    planner = st.OneAtATimeRollout(model, model.base_policy(), SIMULATION, schedule=schedule)
    if not beforehand:
        monkeypatch.setattr(_draws, "AHEAD_BYTES", 0)
    found = decide(planner, states, keys)
    monkeypatch.setattr(_draws, "ENOUGH", SAMPLES + 1)
    plain = decide(planner, states, keys)
    for field in ("control", "base_control", "q_factors", "improvement", "num_trajectories"):
        assert np.array_equal(getattr(found, field), getattr(plain, field)), field
    np.testing.assert_allclose(found.standard_error, plain.standard_error, rtol=1e-5)
    np.testing.assert_allclose(found.q_errors, plain.q_errors, rtol=1e-5)
    assert np.any(found.improvement > 0)


@pytest.mark.parametrize("chunk", [1, 2**11, 2**30], ids=["one part", "some parts", "all parts"])
def test_what_is_simulated_together_changes_nothing(chunk, monkeypatch):
    model = team()
    states, keys = some_states(model)
    planner = st.OneAtATimeRollout(model, model.base_policy(), SIMULATION, schedule="sequential")
    expected = jax.tree.map(
        lambda *each: jnp.stack(each),
        *[planner.decide(jax.tree.map(lambda leaf, k=k: leaf[k], states), keys[k]) for k in range(len(keys))],
    )
    monkeypatch.setattr(_lanes, "CHUNK", chunk)
    found = decide(planner, states, keys)
    assert all(
        np.array_equal(one, other) for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True)
    )


@pytest.mark.parametrize("kind", ["standard", "one at a time", "signalling"])
def test_a_planner_that_is_called_gives_the_control_it_decides(kind):
    model = team()
    make = {"standard": st.StandardRollout, "one at a time": st.OneAtATimeRollout, "signalling": st.SignallingRollout}
    planner = make[kind](model, model.base_policy(), simulation=SIMULATION)
    states, keys = some_states(model)
    for k, key in enumerate(keys):
        state = jax.tree.map(lambda leaf, k=k: leaf[k], states)
        assert np.array_equal(planner(state, key), planner.decide(state, key).control)
