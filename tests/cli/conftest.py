"""The command line as a user meets it: arguments in; exit status, standard output and standard error out."""

import contextlib
import io
import re
import textwrap
from typing import NamedTuple

import pytest

import seriatim as st
from seriatim.cli import _jax, _progress, main
from seriatim.testing._report import Report

# A team counts down from `start`, and luck adds to the count again. The heuristic lets only the first agent work.
COUNTDOWN = """
    import jax
    import jax.numpy as jnp
    import seriatim as st
    from typing import Literal

    def first_works(state, key):
        return jnp.array([1, 0], jnp.int32)

    def all_work(state, key):
        return jnp.array([1, 1], jnp.int32)

    def work_of(model):
        return lambda state, key: jnp.full(model.num_agents, 1, jnp.int32)

    @st.record
    class Countdown:
        start: int = st.static(default=3)
        luck: float = 0.2
        discount: float = 0.9
        mood: Literal["calm", "wild"] = st.static(default="calm")
        num_agents: int = st.static(default=2)
        num_controls: int = st.static(default=2)

        def initial_state(self, key):
            return jnp.int32(self.start)

        def control_mask(self, state):
            return jnp.ones((self.num_agents, self.num_controls), bool)

        def sample_disturbance(self, key):
            return jax.random.uniform(key)

        def transition(self, state, control, disturbance):
            after = state - jnp.sum(control) + (disturbance < self.luck)
            return st.Transition(after.astype(jnp.int32), 1.0 * state, after <= 0)

        def base_policy(self):
            return first_works

        def text(self, state):
            return "*" * int(state)

        def draw(self, state):
            return '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>'

    ready = Countdown(start=2)

    def make(start: int = 4, luck=0.5):
        return Countdown(start=start, luck=luck)
"""


class Result(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture(autouse=True, scope="module")
def _keep_nothing():
    """Leave this process's compiler and the user's cache folder alone, and write no lines that depend on the clock."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_progress, "PAUSE", 3600.0)
        patch.delenv("COLUMNS", raising=False)
        patch.setattr(_jax, "keep_compiled_programs", lambda: None)
        yield


@pytest.fixture(scope="module")
def seriatim(_keep_nothing):
    def run(*arguments):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main([str(argument) for argument in arguments])
        return Result(status, out.getvalue(), err.getvalue())

    return run


@pytest.fixture(scope="module")
def write_in():
    """Write the model file into a folder, with some of its text replaced."""

    def write(folder, *changes):
        text = textwrap.dedent(COUNTDOWN)
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (folder / "countdown.py").write_text(text)
        return folder / "countdown.py"

    return write


@pytest.fixture
def write(write_in, tmp_path):
    return lambda *changes: write_in(tmp_path, *changes)


@pytest.fixture
def write_text(tmp_path):
    """Write another model file."""

    def write(text):
        (tmp_path / "model.py").write_text(textwrap.dedent(text))
        return tmp_path / "model.py"

    return write


@pytest.fixture
def model_unchecked(monkeypatch):
    """Take models for lawful. Checks take longer than all that follows; they are met where they are the subject."""
    monkeypatch.setattr(st, "check_model", lambda *_, **__: Report(()))


@pytest.fixture
def unchecked(monkeypatch, model_unchecked):
    """Take models and policies for lawful."""
    monkeypatch.setattr(st, "check_policy", lambda *_, **__: Report(()))


def refused(result, pattern):
    """Assert that a mistake is one sentence on standard error, status 2, and nothing else."""
    lines = [line for line in result.err.splitlines() if line.strip()]
    assert result.status == 2, result
    assert len(lines) == 1, result.err
    assert lines[0].startswith("seriatim: ")
    assert "Traceback" not in result.err
    assert re.search(pattern, lines[0]), lines[0]


@pytest.fixture(name="refused")
def _refused():
    return refused
