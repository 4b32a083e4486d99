"""Whoever does the work, the results are the same: threads, devices, and processes that are killed."""

import os
import re
import signal
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st
from seriatim.parallel import Devices, Local, Ray, over_keys
from seriatim.parallel._ray import PATIENCE, _require_an_answer

RAY = Ray(workers=2)
BACKENDS = [Local(1), Local(3), Devices(), RAY]


@pytest.fixture(autouse=True, scope="module")
def workers_compile_alike():
    """Processes compile as this one does, or their results would differ by rounding."""
    os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
    yield
    del os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"]


@st.record
class Scale:
    """What is shared: an array, a constant, a key."""

    by: jax.Array
    key: jax.Array
    shift: float = st.static(default=1.0)


SCALE = Scale(jnp.float32(3.0), jax.random.key(9))
KEYS = jax.random.split(jax.random.key(0), 11)
INPUTS = {"x": jnp.arange(11.0), "y": jnp.ones((11, 2), jnp.int32)}


def work(shared, inputs, keys):
    noise = jax.vmap(jax.random.normal)(keys) + jax.random.normal(shared.key)
    return {"z": shared.by * inputs["x"] + shared.shift + noise, "y": inputs["y"], "key": keys}


def numbers(tree):
    return [
        np.asarray(jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x)
        for x in jax.tree.leaves(tree)
    ]


@pytest.mark.parametrize(
    ("on", "part"),
    [
        pytest.param(on, part, marks=pytest.mark.slow if on is RAY and part != 4 else [])
        for on in BACKENDS
        for part in (1, 4, 11, 50)
    ],
    ids=str,
)
def test_results_are_those_of_one_call_in_the_order_of_the_keys(on, part):
    counted = []
    found = over_keys(work, KEYS, shared=SCALE, inputs=INPUTS, part=part, on=on, progress=lambda *n: counted.append(n))
    for one, other in zip(numbers(found), numbers(work(SCALE, INPUTS, KEYS)), strict=True):
        np.testing.assert_array_equal(one, other)
    assert counted[-1] == (11, 11)
    assert [done for done, _ in counted] == sorted({done for done, _ in counted})


MODEL = st.problems.SpidersAndFlies(2, 2, 5, 5, fly_behaviour="wander")
BASE = MODEL.base_policy()
PLANNER = st.OneAtATimeRollout(MODEL, BASE, st.Simulation(horizon=5, num_samples=4))


@pytest.mark.parametrize("on", [Local(2), pytest.param(RAY, marks=pytest.mark.slow)], ids=str)
def test_decisions_are_the_same_bit_for_bit(on):
    keys = jax.random.split(jax.random.key(1), 10)
    states = jax.jit(jax.vmap(MODEL.initial_state))(keys)
    for one, other in zip(
        jax.tree.leaves(st.decide_many(PLANNER, states, keys)),
        jax.tree.leaves(st.decide_many(PLANNER, states, keys, on=on)),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("policy", "on"),
    [(BASE, Local(2)), *(pytest.param(PLANNER, on, marks=pytest.mark.slow) for on in (Local(2), RAY))],
    ids=["base", "planner, cores", "planner, Ray"],
)
def test_episodes_are_the_same_bit_for_bit(policy, on):
    alone = st.evaluate(MODEL, policy, jax.random.key(1), episodes=30, horizon=6)
    shared = st.evaluate(MODEL, policy, jax.random.key(1), episodes=30, horizon=6, on=on)
    np.testing.assert_array_equal(alone.costs, shared.costs)
    np.testing.assert_array_equal(alone.stages, shared.stages)
    assert alone.mean == shared.mean


def wrong(shared, inputs, keys):
    raise st.InputError("this part is wrong; give another.")


def broken(shared, inputs, keys):
    raise ZeroDivisionError("nothing to divide by")


@pytest.mark.parametrize("on", BACKENDS, ids=str)
def test_errors_arrive_as_they_were_raised(on):
    with pytest.raises(st.InputError, match=r"^this part is wrong; give another\.$"):
        over_keys(wrong, KEYS, part=4, on=on)
    with pytest.raises(ZeroDivisionError, match="nothing to divide by"):
        over_keys(broken, KEYS, part=4, on=on)


def dying(shared, inputs, keys):
    """Die in every part whose first input is even, so often; say in files how often each part was begun."""
    folder, deaths = shared
    first = int(inputs[0])
    begun = len(list(Path(folder).glob(f"{first}-*")))
    (Path(folder) / f"{first}-{begun}").touch()
    if first % 2 == 0 and begun < int(deaths):
        os.kill(os.getpid(), signal.SIGKILL)
    return inputs + jax.vmap(jax.random.uniform)(keys)


@pytest.mark.parametrize(
    ("deaths", "ends"), [(1, [3, 6]), pytest.param(2, [3, 6, 9, 11], marks=pytest.mark.slow)], ids=["once", "twice"]
)
def test_parts_of_workers_that_are_killed_are_done_again_and_counted_once(tmp_path, deaths, ends):
    keys, inputs, shared = KEYS[: ends[-1]], jnp.arange(float(ends[-1])), (str(tmp_path), deaths)
    counted = []
    found = over_keys(dying, keys, shared=shared, inputs=inputs, part=3, on=RAY, progress=lambda *n: counted.append(n))
    np.testing.assert_array_equal(found, inputs + jax.vmap(jax.random.uniform)(keys))
    assert [done for done, _ in counted] == ends
    assert len(list(tmp_path.glob("0-*"))) == deaths + 1
    assert len(list(tmp_path.glob("3-*"))) == 1


def slow(shared, inputs, keys):
    (Path(shared) / f"{os.getpid()}-{int(inputs[0])}").touch()
    time.sleep(0.05)
    return inputs * 2


def test_no_more_parts_are_made_than_are_worked_on(tmp_path):
    """Inputs are cut when their turn has come: while the first is worked on, few others exist."""
    made = []

    def given(number):
        made.append(number)
        return jnp.full(2, float(number)), KEYS[:2]

    done = 0
    for _ in RAY.run(slow, str(tmp_path), given, 12):
        done += 1
        assert len(made) <= done + 2 * 2
    assert done == 12


@pytest.mark.parametrize(
    "address", ["127.0.0.1:1", "ray://127.0.0.1:1", "no.such.host.invalid:6379", "127.0.0.1:99999"]
)
def test_a_cluster_that_is_not_there_is_said_at_once(address):
    began = time.monotonic()
    with pytest.raises(st.InputError, match=re.escape(f"Ray at {address} cannot be reached (")) as caught:
        _require_an_answer(address)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - began < 2 * PATIENCE


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: over_keys(work, KEYS, part=0), "part=0"),
        (lambda: over_keys(work, KEYS[:0]), "no keys"),
        (lambda: over_keys(work, KEYS, inputs=jnp.zeros(3)), "3, 11|11, 3"),
        (lambda: Local(0), "workers=0"),
        (lambda: Ray(workers=0), "workers=0"),
    ],
)
def test_mistakes_are_one_sentence(call, said):
    with pytest.raises(st.InputError, match=said):
        call()
