"""Ctrl-C at any moment: the command says that it stopped, and the process ends by status 130, never by a fault."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from seriatim.cli._interruptions import listening


@pytest.fixture(autouse=True)
def ctrl_c_is_heard():
    """Shells start what runs in the background with Ctrl-C ignored, and so do what they start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Swallows:
    """Python swallows what is raised when an object is deleted, as in other functions that C code calls."""

    def __del__(self):
        signal.raise_signal(signal.SIGINT)


def test_an_interruption_that_was_swallowed_is_raised_again():
    hook = sys.unraisablehook
    with listening() as interruptions:
        del [Swallows()][0]
        with pytest.raises(KeyboardInterrupt):
            time.sleep(5)
    assert len(interruptions.heard) == 2
    assert sys.unraisablehook is hook
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interruption_keeps_what_was_interrupted_alive_though_somebody_caught_it():
    """XLA may still be compiling what the interrupted function held."""
    alive = []

    class Program:
        def __del__(self):
            alive.clear()

    def compiles():
        program = Program()
        alive.append(True)
        signal.raise_signal(signal.SIGINT)
        return program

    with listening() as interruptions:
        with contextlib.suppress(KeyboardInterrupt):
            compiles()
        assert alive
    del interruptions.heard[:]
    assert not alive


def test_what_else_the_program_does_at_ctrl_c_is_let_be():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as `nohup` and scripts do
    try:
        with listening() as interruptions:
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert not interruptions.heard


def ended(script, **surroundings):
    """How a process ends, whose own command line this is."""
    given = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONFAULTHANDLER": "1", "XLA_FLAGS": "", **surroundings}
    program = [sys.executable, "-c", textwrap.dedent(script)]
    return subprocess.run(program, capture_output=True, text=True, env=given, timeout=600)


def test_a_process_that_was_interrupted_ends_without_tidying_up():
    done = ended("""
        import atexit, os, signal, sys
        import click
        from seriatim.cli import _main, main

        @click.command()
        def wait():
            print("said")
            signal.raise_signal(signal.SIGINT)

        _main.commands.add_command(wait)
        atexit.register(os.abort)  # as a library that crashes at the end
        sys.argv = ["seriatim", "wait"]
        sys.exit(main())
    """)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "said\n", "seriatim: stopped.")


INTERRUPTED = """
    import os, signal, sys
    # After so many seconds of work, not of waiting for a core.
    signal.signal(signal.SIGPROF, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    signal.setitimer(signal.ITIMER_PROF, float(os.environ["AT"]))
    from seriatim.cli import main
    sys.argv = ["seriatim", "compare", "spiders-and-flies", "--episodes", "2000"]
    sys.exit(main())
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers of Unix")
def test_a_comparison_that_is_interrupted_at_any_moment_ends_well(tmp_path):
    moments = random.Random(0)
    for _ in range(12):
        # Nothing is kept between them, so that they compile for most of the time.
        at, place = moments.uniform(1.5, 8), str(tmp_path / "nowhere")
        done = ended(INTERRUPTED, AT=str(at), XDG_CACHE_HOME=place, JAX_ENABLE_COMPILATION_CACHE="false")
        # A process that has finished already, or is just starting, says so in its own way.
        assert done.returncode == 130, (at, done.returncode, done.stderr[-2000:])
        assert "seriatim: stopped." in done.stderr


STORM = """
    import os, random, signal, sys
    import click
    import jax
    import seriatim as st
    from seriatim.cli import _main, main

    jax.config.update("jax_disable_most_optimizations", True)
    signal.signal(signal.SIGPROF, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    moments = random.Random(1)

    def work(i):  # each compiles another program
        model = st.problems.SpidersAndFlies(2, 2, 4, 4 + i)
        planner = st.OneAtATimeRollout(model, model.base_policy(), st.Simulation(horizon=5, num_samples=2))
        st.evaluate(model, planner, jax.random.key(0), episodes=20, horizon=10)

    @click.command()
    def storm():
        for i in range(25):
            try:
                signal.setitimer(signal.ITIMER_PROF, moments.uniform(0.05, 1.5))
                work(i)
                signal.setitimer(signal.ITIMER_PROF, 0)
            except KeyboardInterrupt:
                pass
        raise KeyboardInterrupt

    _main.commands.add_command(storm)
    sys.argv = ["seriatim", "storm"]
    sys.exit(main())
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers of Unix")
def test_many_interruptions_of_compilers_do_no_harm():
    """A process that did the same and ended as Python does ended by a segmentation fault."""
    done = ended(STORM)
    assert done.returncode == 130, (done.returncode, done.stderr[-2000:])
