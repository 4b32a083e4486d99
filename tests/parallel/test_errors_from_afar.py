"""An error in a worker arrives as it was raised, or with its type, its text and its traceback; never as a lost worker.

Most tests call the worker's own function, without Ray: what it returns is what Ray would carry.
"""

import sys
import threading
import time
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st
from seriatim._errors import in_words, users_frame
from seriatim.parallel import Ray, RemoteError, _ray, _worker, over_keys

cloudpickle = pytest.importorskip("ray.cloudpickle")
KEYS = np.arange(2)


class NeedsTwo(Exception):
    """Cannot be unpickled: pickle gives `__init__` the one argument that is kept."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


class SaysMore(Exception):
    """Can be unpickled, and then says something else."""

    def __init__(self, text="nothing"):
        super().__init__(f"saw {text}")


class Locked(Exception):
    """Cannot be pickled."""

    def __init__(self):
        super().__init__("locked")
        self.lock = threading.Lock()


def leaves(shared, inputs, keys):
    sys.exit(3)


def branches(shared, inputs, keys):
    return jax.jit(lambda x: 1 if x > 0 else 2)(jnp.ones(()))


def divides(shared, inputs, keys):
    return 1 / 0


def mistaken(shared, inputs, keys):
    raise st.InputError("x=3: give 4.")


def needs_two(shared, inputs, keys):
    raise NeedsTwo(1, 2)


def says_more(shared, inputs, keys):
    raise SaysMore("much")


def locked(shared, inputs, keys):
    raise Locked


AS_RAISED = [
    (leaves, SystemExit, "3"),
    (divides, ZeroDivisionError, "division by zero"),
    (mistaken, st.InputError, "x=3"),
]
IN_WORDS = [
    (needs_two, "NeedsTwo: 1 and 2"),
    (says_more, "SaysMore: saw much"),
    (locked, "Locked: locked"),
    (branches, "TracerBoolConversionError: Attempted boolean conversion of traced array"),
]


def raised_by(function, monkeypatch):
    """What arrives when a worker was given this function."""
    monkeypatch.setitem(_worker._UNPACKED, "reference", (function, None, {}))
    failure = _worker.work(["reference"], [(None, KEYS)])
    return cloudpickle.loads(cloudpickle.dumps(failure)).unpacked(cloudpickle.loads)


@pytest.mark.parametrize(("function", "kind", "said"), AS_RAISED)
def test_an_error_that_can_be_sent_arrives_as_it_was_raised(function, kind, said, monkeypatch):
    error = raised_by(function, monkeypatch)
    assert type(error) is kind
    assert said in str(error)


@pytest.mark.parametrize(("function", "said"), IN_WORDS)
def test_an_error_that_cannot_be_sent_arrives_with_its_type_and_its_text(function, said, monkeypatch):
    error = raised_by(function, monkeypatch)
    assert type(error) is RemoteError
    assert str(error).startswith(said)


@pytest.mark.parametrize("function", [each[0] for each in AS_RAISED + IN_WORDS])
def test_an_error_says_where_in_the_users_code_it_came_from(function, monkeypatch):
    error = raised_by(function, monkeypatch)
    assert f"in {function.__name__}" in str(error.__cause__)
    assert "Traceback (most recent call last)" in str(error.__cause__)
    assert users_frame(error).filename == __file__
    assert f"{__name__.rpartition('.')[2]}.py, line {users_frame(error).lineno})" in in_words(error)


LOCK = threading.Lock()


@pytest.mark.parametrize("shared", [LOCK, {"x": [LOCK]}, lambda lock=LOCK: lock])
def test_what_cannot_be_sent_is_refused_in_a_sentence(shared):
    with pytest.raises(st.InputError) as caught:
        _ray._packed(SimpleNamespace(cloudpickle=cloudpickle), divides, shared)
    assert "divides, or what is shared with it, cannot be sent to other processes (cannot pickle" in str(caught.value)
    assert "\n" not in str(caught.value)


class FakeRay:
    """As much of a connected Ray as is asked where it is connected to."""

    def __init__(self, address, job="01"):
        self.context = SimpleNamespace(gcs_address=address, get_job_id=lambda: job)

    def get_runtime_context(self):
        return self.context


HERE = FakeRay("10.0.0.1:6379")


@pytest.mark.parametrize(
    ("started", "address", "used"),
    [
        ([("10.0.0.1:6379 01", None)], None, None),
        ([("10.0.0.1:6379 01", None)], "10.0.0.2:6379", "this machine"),
        ([("10.0.0.1:6379 01", None)], "auto", "this machine"),
        ([("10.0.0.1:6379 01", "ray://a:1")], "ray://a:1", None),
        ([("10.0.0.1:6379 01", "ray://a:1")], None, "ray://a:1"),
        # The program has called ray.init itself; what was started here before is gone.
        ([("10.0.0.9:6379 01", "ray://a:1")], None, None),
        ([], "auto", None),
        ([], "10.0.0.1:6379", None),
        ([], "10.0.0.2:6379", "10.0.0.1:6379, by its own ray.init,"),
        ([], "ray://10.0.0.1:10001", "10.0.0.1:6379, by its own ray.init,"),
    ],
)
def test_another_cluster_than_the_one_that_is_connected_is_refused(started, address, used, monkeypatch):
    monkeypatch.setattr(_ray, "_STARTED", started)
    if used is None:
        _ray._require_the_same(HERE, address)
        return
    with pytest.raises(st.InputError) as caught:
        _ray._require_the_same(HERE, address)
    assert f"Ray(address={address!r}): this process works with Ray at {used} already" in str(caught.value)


@pytest.mark.slow
def test_errors_arrive_through_ray_at_once():
    ray, keys = Ray(workers=2), jax.random.split(jax.random.key(0), 6)
    over_keys(lambda shared, inputs, keys: keys, keys, part=2, on=ray)  # workers are there
    began = time.monotonic()
    for function, kind, said in [*AS_RAISED, *((function, RemoteError, said) for function, said in IN_WORDS)]:
        with pytest.raises(kind, match=said):
            over_keys(function, keys, part=2, on=ray)
    assert time.monotonic() - began < 60
    lock = threading.Lock()
    with pytest.raises(st.InputError, match="cannot be sent to other processes"):
        over_keys(lambda shared, inputs, keys: lock, keys, part=2, on=ray)
    with pytest.raises(st.InputError, match="this process works with Ray at this machine already"):
        over_keys(divides, keys, part=2, on=Ray(address="127.0.0.1:1"))
