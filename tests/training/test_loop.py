"""Training that was stopped, in whatever way, and resumed is the training that never stopped, bit for bit."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pyarrow.dataset
import pytest

import seriatim as st
from seriatim.testing import count_compilations
from seriatim.training import Diverged, Run, runs_in, train

STEPS, EVERY = 23, 5


@st.record
class Descent:
    """Stochastic descent of |x|^2 with momentum: a trainer in ten lines. `breaks_at` makes a step go wrong."""

    rate: float = 0.1
    breaks_at: int = -1

    def init(self, key):
        x = jnp.ones(3)
        return {"step": jnp.int32(0), "key": key, "x": x, "optimiser": self.optimiser.init(x)}

    @property
    def optimiser(self):
        return optax.sgd(self.rate, momentum=0.9)

    def step(self, state):
        noise = jax.random.normal(jax.random.fold_in(state["key"], state["step"]), (3,))
        gradient = 2 * state["x"] + noise
        gradient = jnp.where(state["step"] == self.breaks_at, jnp.nan, gradient)
        change, optimiser = self.optimiser.update(gradient, state["optimiser"])
        cost = jnp.sum(state["x"] ** 2)
        after = {"step": state["step"] + 1, "key": state["key"], "x": state["x"] + change, "optimiser": optimiser}
        return after, {"cost": cost, "cost_error": jnp.abs(noise[0])}


def leaves(state):
    return [
        np.asarray(jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x)
        for x in jax.tree.leaves(state)
    ]


def assert_same(one, other):
    assert all(a.tobytes() == b.tobytes() for a, b in zip(leaves(one), leaves(other), strict=True))


KEY = jax.random.key(3)


def new_run(folder):
    return Run.create(folder, {"kind": "descent", "seed": 3})


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    run = new_run(tmp_path_factory.mktemp("runs") / "unbroken")
    return train(Descent(), KEY, steps=STEPS, run=run, checkpoint_every=EVERY), run


def assert_is_the_unbroken(run, found, unbroken):
    whole, its_run = unbroken
    assert found.finished
    assert_same(found.state, whole.state)
    assert_same(run.restore(Descent().init(KEY)), whole.state)
    for name in ("step", "cost", "cost_error"):
        assert np.array_equal(run.metrics()[name], its_run.metrics()[name]), name
    assert np.all(np.diff(run.metrics()["seconds"]) >= 0)
    assert run.status == {"state": "finished", "step": STEPS}
    assert checkpoints(run) == checkpoints(its_run)


def checkpoints(run):
    """The files themselves: which are kept, and every byte of them."""
    return {path.name: path.read_bytes() for path in (run.path / "checkpoints").iterdir()}


def test_a_loop_makes_the_steps_that_the_trainer_makes(unbroken):
    state, costs, step = Descent().init(KEY), [], jax.jit(Descent().step)
    for _ in range(STEPS):
        state, metrics = step(state)
        costs.append(float(metrics["cost"]))
    assert np.allclose(state["x"], unbroken[0].state["x"], rtol=1e-6)
    assert np.allclose(unbroken[0].metrics["cost"], costs, rtol=1e-6)
    assert unbroken[0].metrics["step"].tolist() == list(range(1, STEPS + 1))


@pytest.mark.parametrize("stops", [[1], [5], [7, 8, 16], [22]])
def test_resumed_after_any_step(tmp_path, unbroken, stops):
    run = new_run(tmp_path / "r")
    for stop in stops:
        # Stopped by asking for fewer steps: as by Ctrl-C, with a checkpoint where it stands.
        train(Descent(), KEY, steps=stop, run=run, checkpoint_every=EVERY, resume=True)
    found = train(Descent(), KEY, steps=STEPS, run=run, checkpoint_every=EVERY, resume=True)
    assert_is_the_unbroken(run, found, unbroken)


def test_interrupted_by_a_signal_nothing_is_lost(tmp_path, unbroken, caplog):
    run, handler = new_run(tmp_path / "r"), signal.getsignal(signal.SIGINT)
    seen = []

    def interrupt(done, steps, means):
        seen.append(done)
        assert steps == STEPS
        if len(seen) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    found = train(Descent(), KEY, steps=STEPS, run=run, checkpoint_every=EVERY, progress=interrupt)
    assert found.interrupted
    assert not found.finished
    assert caplog.messages == [
        "seriatim: stopping after the steps under way; once more stops at once, at the last checkpoint."
    ]
    assert found.step == seen[-1] == run.steps[-1]
    assert run.status["state"] == "interrupted"
    assert signal.getsignal(signal.SIGINT) is handler
    again = train(Descent(), KEY, steps=STEPS, run=run, checkpoint_every=EVERY, resume=True)
    assert_is_the_unbroken(run, again, unbroken)


@contextlib.contextmanager
def killed_at(fatal, monkeypatch):
    """Die at the `fatal`-th time that a file would appear."""
    replaced, replace = [], os.replace

    class Killed(BaseException):
        pass

    def dying(source, target):
        replaced.append(target)
        if len(replaced) == fatal:
            raise Killed
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", dying)
        with pytest.raises(Killed):
            yield


@pytest.mark.parametrize("fatal", [3, 5, 6, 7, 9])
def test_killed_in_the_middle_of_any_write(tmp_path, unbroken, monkeypatch, fatal):
    """Files appear by `os.replace` alone: a process that dies at one of them, before or after, is all that can be."""
    run = new_run(tmp_path / "r")
    with killed_at(fatal, monkeypatch):
        train(Descent(), KEY, steps=STEPS, run=run, checkpoint_every=EVERY)
    (run.path / "metrics" / ".00000005.parquet.abc.tmp").write_bytes(b"half")
    again = train(Descent(), KEY, steps=STEPS, run=run, checkpoint_every=EVERY, resume=True)
    assert_is_the_unbroken(run, again, unbroken)
    assert not list(run.path.rglob("*.tmp"))


@pytest.mark.parametrize("fatal", [1, 2, 3])
def test_killed_while_the_run_was_made_it_is_made_anew(tmp_path, monkeypatch, fatal):
    with killed_at(fatal, monkeypatch):
        new_run(tmp_path / "r")
    (tmp_path / "r" / ".config.json.abc.tmp").write_bytes(b"half")
    assert Run(tmp_path / "r").is_blank
    run = new_run(tmp_path / "r")
    assert not run.is_blank
    train(Descent(), KEY, steps=1, run=run)
    assert not list(run.path.rglob("*.tmp"))


SLOW = """
    import sys, time
    sys.path.insert(0, {tests!r})
    import jax
    jax.config.update("jax_disable_most_optimizations", True)  # the same program as in this process
    from test_loop import Descent, KEY, EVERY
    from seriatim.training import Run, train
    run = Run.create({place!r}, {{"kind": "descent"}})
    train(Descent(), KEY, steps=10**9, run=run, checkpoint_every=EVERY, progress=lambda *_: time.sleep(0.02))
"""


def test_a_process_that_is_killed_outright(tmp_path, unbroken):
    place = tmp_path / "r"
    program = textwrap.dedent(SLOW).format(tests=os.path.dirname(__file__), place=str(place))
    process = subprocess.Popen([sys.executable, "-c", program])
    try:
        run = Run(place)
        while len(run.steps) < 2:
            assert process.poll() is None
            time.sleep(0.05)
        assert Run.open(place).status["state"] == "running"
        with pytest.raises(st.InputError, match="is being written to by another process"):
            train(Descent(), KEY, steps=STEPS, run=run, resume=True)
    finally:
        process.kill()
        process.wait()
    assert run.status["state"] == "killed"
    reached = run.steps[-1]
    beyond = train(Descent(), KEY, steps=reached + 3, run=run, checkpoint_every=EVERY, resume=True)
    whole = train(Descent(), KEY, steps=reached + 3)
    assert_same(beyond.state, whole.state)
    assert run.metrics()["step"].tolist() == list(range(1, reached + 4))


def test_what_is_no_number_ends_it_and_the_last_good_state_is_kept(tmp_path, unbroken):
    run = new_run(tmp_path / "r")
    first = r"state\['optimiser'\]\[0\]\.trace became infinite or no number at step 13; the state before it is kept"
    with pytest.raises(Diverged, match=first) as error:
        train(Descent(breaks_at=12), KEY, steps=STEPS, run=run, checkpoint_every=EVERY)
    assert error.value.step == 12
    good = train(Descent(), KEY, steps=12)
    assert_same(error.value.state, good.state)
    assert_same(run.restore(Descent().init(KEY)), good.state)
    assert run.status["state"] == "failed"
    assert len(run.metrics()["cost"]) == 12


@st.record
class Pair:
    """A trainer from two functions."""

    start: object = st.static()
    move: object = st.static()

    def init(self, key):
        return self.start()

    def step(self, state):
        return self.move(state)


@pytest.mark.parametrize(
    ("move", "sentence"),
    [
        (
            lambda s: ({"x": jnp.append(s["x"], 1.0)}, {}),
            r"state\['x'\] is float32\[2\] before a step and float32\[3\]",
        ),
        (lambda s: ({"x": s["x"] > 0}, {}), r"state\['x'\] is float32\[2\] before a step and bool\[2\] after it"),
        (lambda s: ({"y": s["x"]}, {}), r"state\['x'\] is float32\[2\] before a step and missing after it"),
        (lambda s: (s, {"cost": s["x"]}), r"metric cost is float32\[2\]; let the trainer's step return single numbers"),
        (lambda s: (s, {"step": s["x"][0]}), r"metric step has a column of its own; .* under other names"),
    ],
)
def test_a_trainer_whose_steps_do_not_fit_is_told_where(move, sentence):
    with pytest.raises(st.InputError, match=sentence):
        train(Pair(lambda: {"x": jnp.ones(2)}, move), KEY, steps=2)


def test_a_run_whose_trainer_fails_says_so_and_was_not_killed(tmp_path):
    run = new_run(tmp_path / "r")
    with pytest.raises(ZeroDivisionError):
        train(Descent(), KEY, steps=3, run=run, progress=lambda *_: 1 / 0)
    assert run.status == {"state": "failed", "step": 0, "reason": "division by zero"}


def test_what_is_no_run_and_what_json_cannot_say_is_refused(tmp_path, without_type_checks):
    with pytest.raises(st.InputError, match="run='runs/x' is no run; give"):
        without_type_checks(lambda: train(Descent(), KEY, steps=3, run="runs/x"))
    with pytest.raises(st.InputError, match=r"steps=2\.5: give a whole number from 1 up"):
        without_type_checks(lambda: train(Descent(), KEY, steps=2.5))
    with pytest.raises(st.InputError, match="cannot be written as JSON"):
        Run.create(tmp_path / "new", {"policy": train})
    assert not (tmp_path / "new").exists()


def test_metrics_of_any_type_are_kept(tmp_path):
    def move(state):
        number = jnp.float32(1.5)
        return state + 1, {kind: number.astype(kind) for kind in ("bfloat16", "float16", "float32", "int8", "bool")}

    run = new_run(tmp_path / "r")
    train(Pair(lambda: jnp.int32(0), move), KEY, steps=3, run=run)
    assert {name: column[0] for name, column in run.metrics().items() if name not in ("step", "seconds")} == {
        "bfloat16": 1.5,
        "float16": 1.5,
        "float32": 1.5,
        "int8": 1,
        "bool": True,
    }
    assert int(run.restore(jnp.int32(0))) == 3


def test_time_is_up(tmp_path):
    found = train(Descent(), KEY, steps=10**9, max_seconds=0.3)
    assert not found.finished
    assert not found.interrupted
    assert 0 < found.step < 10**9


def test_metrics_are_a_table_that_any_reader_opens(unbroken):
    _, run = unbroken
    table = pyarrow.dataset.dataset(run.path / "metrics", format="parquet").to_table()
    assert table.num_rows == STEPS
    assert set(table.column_names) == {"step", "seconds", "cost", "cost_error"}


def test_the_last_checkpoints_and_the_best_are_kept(tmp_path):
    @st.record
    class Rising:
        """The cost is least between steps 5 and 10."""

        def init(self, key):
            return {"step": jnp.int32(0)}

        def step(self, state):
            return {"step": state["step"] + 1}, {"cost": jnp.abs(state["step"] - 7.0)}

    run = new_run(tmp_path / "r")
    train(Rising(), KEY, steps=40, run=run, checkpoint_every=5)
    assert run.steps == [10, 30, 35, 40]
    assert run.best == 10
    assert int(run.restore({"step": jnp.int32(0)}, "best")["step"]) == 10
    assert int(run.restore({"step": jnp.int32(0)}, 35)["step"]) == 35
    with pytest.raises(st.InputError, match="has no checkpoint after 5 steps; it has 10, 30, 35, 40"):
        run.restore({"step": jnp.int32(0)}, 5)


@st.record
class Spiky:
    """The cost of one step is by far the least, and that of its block of ten is not."""

    def init(self, key):
        return {"step": 0}

    def step(self, state):
        spike = jnp.where(state["step"] == 15, -20.0, 0.0)
        return {"step": state["step"] + 1}, {"cost": spike + jnp.abs(state["step"] - 24.0)}


def test_what_is_kept_and_the_best_do_not_depend_on_stops(tmp_path):
    whole, parts = new_run(tmp_path / "whole"), new_run(tmp_path / "parts")
    train(Spiky(), KEY, steps=55, run=whole, checkpoint_every=10)
    for stop in (6, 16, 18, 33, 55):
        train(Spiky(), KEY, steps=stop, run=parts, checkpoint_every=10, resume=True)
        assert parts.steps[-1] == stop
    assert whole.steps == [30, 40, 50, 55]
    assert checkpoints(whole) == checkpoints(parts)
    assert whole.best == parts.best == 30


def test_one_program_for_all_blocks_and_checkpoints(tmp_path):
    """Also for a state that begins as Python numbers; another program might differ in a rounding."""
    train(Spiky(), KEY, steps=1)
    with count_compilations() as compiled:
        for every in (10, 3):
            run = new_run(tmp_path / str(every))
            train(Spiky(), KEY, steps=7, run=run, checkpoint_every=every)
            train(Spiky(), KEY, steps=23, run=run, checkpoint_every=every, resume=True)
    assert compiled == []


def test_a_full_disk_is_a_sentence_and_loses_nothing(tmp_path, unbroken, monkeypatch):
    run, real, writes = new_run(tmp_path / "r"), os.fsync, []

    def full(handle):
        writes.append(handle)
        if len(writes) > 8:
            raise OSError(28, "No space left on device")
        real(handle)

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        sentence = r"cannot be written \(No space left on device\); the checkpoint after 5 steps is kept"
        with pytest.raises(st.InputError, match=sentence):
            train(Descent(), KEY, steps=STEPS, run=run, checkpoint_every=EVERY)
    again = train(Descent(), KEY, steps=STEPS, run=run, checkpoint_every=EVERY, resume=True)
    assert_is_the_unbroken(run, again, unbroken)


def test_a_damaged_checkpoint_is_removed_and_the_one_before_serves(tmp_path, unbroken):
    run = new_run(tmp_path / "r")
    train(Descent(), KEY, steps=12, run=run, checkpoint_every=EVERY)
    last = run.path / "checkpoints" / "00000012.safetensors"
    last.write_bytes(last.read_bytes()[:-7])
    with pytest.raises(st.InputError, match=r"00000012.safetensors is damaged, or no checkpoint .* or remove it"):
        train(Descent(), KEY, steps=STEPS, run=run, checkpoint_every=EVERY, resume=True)
    last.unlink()
    again = train(Descent(), KEY, steps=STEPS, run=run, checkpoint_every=EVERY, resume=True)
    assert_is_the_unbroken(run, again, unbroken)


def test_damaged_metrics_are_a_sentence_that_names_the_file(tmp_path):
    run = new_run(tmp_path / "r")
    train(Descent(), KEY, steps=10, run=run, checkpoint_every=EVERY)
    file = run.path / "metrics" / "00000005.parquet"
    content, whole, refused = file.read_bytes(), run.metrics()["cost"].tolist(), 0
    for place in range(0, len(content), 7):
        file.write_bytes(content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :])
        try:
            found = run.metrics()
        except st.InputError:
            refused += 1
        else:  # what says nothing about the numbers, such as the writer's name
            assert found["cost"].tolist() == whole
    assert refused
    file.write_bytes(content[:50])
    with pytest.raises(
        st.InputError, match=r"00000005.parquet is damaged, or no metrics of a run \(.*\); remove it to read the others"
    ):
        run.metrics()


def test_files_of_others_are_let_be(tmp_path):
    run = new_run(tmp_path / "r")
    train(Descent(), KEY, steps=5, run=run, checkpoint_every=EVERY)
    for name in ("._00000009.safetensors", "00000005 copy.safetensors"):
        (run.path / "checkpoints" / name).write_bytes(b"")
    train(Descent(), KEY, steps=10, run=run, checkpoint_every=EVERY, resume=True)
    assert run.steps == [5, 10]
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "config.json").write_text("{}")
    assert [found.name for found in runs_in(tmp_path)] == ["r"]
    with pytest.raises(st.InputError, match="is no run, for it has no checkpoints"):
        Run.open(tmp_path / "weights")


def test_directories_are_not_overwritten(tmp_path, unbroken):
    _, run = unbroken
    with pytest.raises(st.InputError, match="is a run already; resume it"):
        new_run(run.path)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(st.InputError, match="is not empty"):
        new_run(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(st.InputError, match=r"cannot be made a run \(Not a directory\)"):
        new_run(tmp_path / "notes.txt" / "run")
    with pytest.raises(st.InputError, match=r"has a checkpoint after 23 steps; give resume=True"):
        train(Descent(), KEY, steps=STEPS, run=run)
    assert run.metrics()["step"].tolist() == list(range(1, STEPS + 1))
    with pytest.raises(st.InputError, match="is no run"):
        Run.open(tmp_path)
    assert [found.name for found in runs_in(run.path.parent)] == ["unbroken"]


def test_another_setting_is_refused(tmp_path, unbroken):
    _, run = unbroken
    with pytest.raises(st.InputError, match="it was written by another setting"):
        run.restore({"step": jnp.int32(0)})
    with pytest.raises(st.InputError, match="steps=0: give a whole number from 1 up"):
        train(Descent(), KEY, steps=0)
    with pytest.raises(st.InputError, match="max_seconds=0: give a number above 0"):
        train(Descent(), KEY, steps=1, max_seconds=0)
