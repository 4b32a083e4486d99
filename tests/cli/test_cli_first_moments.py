"""Ctrl-C while the command is still being imported is Ctrl-C: a word, status 130, and no traceback."""

import subprocess
import sys
import textwrap

INTERRUPTED = """
    import importlib.abc, signal, sys

    class Interrupts(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path, target=None):
            if name == MODULE:
                signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.meta_path.insert(0, Interrupts())
    sys.argv = ["seriatim", "--help"]
    from seriatim.cli import main
    sys.exit(main())
"""


def test_ctrl_c_while_the_command_is_imported_stops_it():
    for module in ("seriatim.cli._main", "click", "seriatim.cli._options"):
        program = textwrap.dedent(INTERRUPTED).replace("MODULE", repr(module))
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (130, "", "seriatim: stopped.\n"), module


def test_the_door_of_the_command_line_is_light():
    """What is imported before Ctrl-C is heard is next to nothing."""
    program = "import sys, seriatim.cli; print(*sorted(m for m in sys.modules if m.split('.')[0] in ('click', 'jax')))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == ""
