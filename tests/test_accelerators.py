"""On accelerators decisions come from other programs (`jax.vmap`, full windows), and are the same.

No accelerator is needed: one is claimed to be the default, and the CPU is asked for with `jax.default_device`.
"""

import jax
import numpy as np
import pytest

import seriatim as st
from seriatim._platform import on_cpu
from seriatim.lanes import _map_lanes
from seriatim.problems import SpidersAndFlies


@pytest.fixture
def claimed(monkeypatch):
    """Claim that the default device is a GPU."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")


def test_the_device_asked_for_counts(claimed):
    assert not on_cpu()
    for device in (jax.devices("cpu")[0], "cpu"):
        with jax.default_device(device):
            assert on_cpu()


def test_decisions_are_those_of_a_cpu(claimed, monkeypatch):
    transformed = []
    lanes = _map_lanes.lanes
    monkeypatch.setattr(
        _map_lanes, "lanes", lambda function, axes: transformed.append(function) or lanes(function, axes)
    )
    model = SpidersAndFlies(spiders=3, flies=2, width=6, height=5)
    planner = st.OneAtATimeRollout(model, model.base_policy(), st.Simulation(horizon=12))
    key = jax.random.key(3)
    state = model.initial_state(key)
    accelerated = planner.decide(state, key)
    assert not transformed
    with jax.default_device(jax.devices("cpu")[0]):
        usual = planner.decide(state, key)
    assert transformed
    assert int(accelerated.num_passes) <= int(usual.num_passes)
    for name in ("control", "base_control", "q_factors", "q_errors", "improvement", "num_q_factors"):
        np.testing.assert_array_equal(getattr(accelerated, name), getattr(usual, name), err_msg=name)
