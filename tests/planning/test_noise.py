"""Samples sorted by what they cost the base control, in blocks and chunks: another order, and nothing else."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st
from seriatim.simulation import _futures, _noise
from seriatim.simulation._noise import noise_of, reordered

SAMPLES = 24
SIMULATION = st.Simulation(horizon=30, num_samples=SAMPLES)


@functools.cache
def team():
    # Costs are whole numbers, so their sums are exact in any order.
    return st.problems.SpidersAndFlies(spiders=3, flies=3, width=6, height=6, fly_behaviour="wander")


@functools.cache
def some_states(count=4):
    keys = jax.random.split(jax.random.key(1), count)
    return jax.jit(jax.vmap(team().initial_state))(keys), keys


def at(states, k):
    return jax.tree.map(lambda leaf: np.asarray(leaf)[k], states)


def stacked(decisions):
    return jax.tree.map(lambda *each: np.stack(each), *decisions)


def decide(planner, states, keys):
    """Decide at all states together, compiled anew whatever was compiled before."""
    return jax.jit(jax.vmap(lambda state, key: planner._decide(state, key)))(states, keys)


def decide_each(planner, states, keys):
    """Decide at the states one by one, compiled anew whatever was compiled before."""
    alone = jax.jit(lambda state, key: planner._decide(state, key))
    return stacked([alone(at(states, k), key) for k, key in enumerate(keys)])


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize("samples", [slow(1), slow(8), slow(16), 24, 31])
def test_an_order_loses_no_sample_and_takes_what_belongs_to_it_along(samples):
    simulation = st.Simulation(horizon=5, num_samples=samples)
    noise = noise_of(team(), simulation, jax.random.key(0), beforehand=True)
    order = np.random.default_rng(2).permutation(samples)
    cut = reordered(noise, jnp.asarray(order))
    blocks, block = cut.policy_keys.shape
    assert blocks * block == samples
    assert block <= _noise.BLOCK
    assert np.array_equal(words(cut.policy_keys).reshape(samples, -1), words(noise.policy_keys)[0, order])
    assert np.array_equal(words(cut.disturbance_keys).reshape(samples, -1), words(noise.disturbance_keys)[0, order])
    moves, all_moves = np.asarray(cut.ahead.moves), np.asarray(noise.ahead.moves)
    for k, sample in enumerate(order):
        assert np.array_equal(moves[k // block, :, :, k % block], all_moves[0, :, :, sample])


def words(keys):
    return np.asarray(jax.random.key_data(keys))


@pytest.mark.parametrize(
    ("schedule", "beforehand", "decide"),
    [
        (st.InTurn(), True, decide_each),
        *(
            slow(schedule, ahead, decide)
            for schedule in (st.InTurn(), st.Speculative(window=3))
            for ahead in (True, False)
        ),
    ],
)
def test_sorting_changes_nothing_that_is_decided(schedule, beforehand, decide, monkeypatch):
    model = team()
    states, keys = some_states()
    planner = st.OneAtATimeRollout(model, model.base_policy(), SIMULATION, schedule=schedule)
    if not beforehand:
        monkeypatch.setattr(_noise, "AHEAD_BYTES", 0)
    found = decide(planner, states, keys)
    monkeypatch.setattr(_noise, "ENOUGH", SAMPLES + 1)
    plain = decide(planner, states, keys)
    for field in ("control", "base_control", "q_factors", "improvement", "num_trajectories"):
        assert np.array_equal(getattr(found, field), getattr(plain, field)), field
    np.testing.assert_allclose(found.standard_error, plain.standard_error, rtol=1e-5)
    np.testing.assert_allclose(found.q_errors, plain.q_errors, rtol=1e-5)
    assert np.any(found.improvement > 0)


@functools.cache
def decided_alone():
    states, keys = some_states()
    planner = st.OneAtATimeRollout(team(), team().base_policy(), SIMULATION, schedule=st.InTurn())
    return stacked([planner.decide(at(states, k), key) for k, key in enumerate(keys)])


@pytest.mark.parametrize(
    "chunk",
    [pytest.param(1, id="one part", marks=pytest.mark.slow), pytest.param(2**11, id="some parts"), slow(2**30)],
)
def test_what_is_simulated_together_changes_nothing(chunk, monkeypatch):
    model = team()
    states, keys = some_states()
    planner = st.OneAtATimeRollout(model, model.base_policy(), SIMULATION, schedule=st.InTurn())
    expected = decided_alone()
    monkeypatch.setattr(_futures, "CHUNK", chunk)
    found = decide(planner, states, keys)
    assert all(
        np.array_equal(one, other) for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True)
    )


@pytest.mark.parametrize("kind", [slow("standard"), "one at a time", slow("signalling")])
def test_a_planner_that_is_called_gives_the_control_it_decides(kind):
    model = team()
    make = {"standard": st.StandardRollout, "one at a time": st.OneAtATimeRollout, "signalling": st.SignallingRollout}
    options = {"schedule": st.InTurn()} if kind == "one at a time" else {}
    planner = make[kind](model, model.base_policy(), simulation=SIMULATION, **options)
    states, keys = some_states()
    for k, key in enumerate(keys):
        state = at(states, k)
        assert np.array_equal(planner(state, key), planner.decide(state, key).control)
