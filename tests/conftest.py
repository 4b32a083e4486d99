"""Every test runs with shapes and types checked at run time: the annotations are laws too."""

import gc
import os
import time
from pathlib import Path

import hypothesis
import jaxlib

# The older of XLA's two ways to write fused loops compiles three times as fast. Compilers that do not know a flag give
# up, so it is given to those that are known to know it.
if jaxlib.__version__.startswith("0.10."):
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_use_fusion_emitters=false"

import jax
import jaxtyping
import pytest

import seriatim

jax.config.update("jax_platforms", "cpu")
# Most tests compile for seconds and compute for milliseconds.
jax.config.update("jax_disable_most_optimizations", True)
# Traces are millions of small objects that live long: looking for garbage as often as usual takes a tenth of the time.
gc.set_threshold(100_000, 50, 100)
# Examples of a property: a few in `make test`, always the same; many in `make test-all`, others each time.
hypothesis.settings.register_profile("fast", max_examples=10, deadline=None, derandomize=True)
hypothesis.settings.register_profile("thorough", max_examples=100, deadline=None)
# A fast test computes for at most 3 s on an idle core; on a busy one it may take twice as long. 0 allows any time.
LIMIT = float(os.environ.get("SERIATIM_TEST_SECONDS", "6"))
# Lanes are made of small objects, thousands to a program, without shapes to check. Bounds are functions of few numbers,
# called hundreds of thousands of times: there, checks were three quarters of the time.
UNCHECKED = ("seriatim.lanes.", "seriatim.beliefs.solvers._bounds", "seriatim.beliefs.solvers._sawtooth")
ROOT = Path(seriatim.__path__[0])
MODULES = [".".join((ROOT.name, *path.relative_to(ROOT).with_suffix("").parts)) for path in ROOT.rglob("*.py")]
PACKAGES = [name for name in MODULES if not name.startswith(UNCHECKED)]
jaxtyping.install_import_hook(PACKAGES, "beartype.beartype")


def pytest_configure(config):
    everything = config.getoption("markexpr") != "not slow"
    hypothesis.settings.load_profile("thorough" if everything else "fast")


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    """Fail a test that takes long and does not say so. Processor time counts, which other work disturbs least."""
    start = time.process_time()
    result = yield
    seconds = time.process_time() - start
    if LIMIT and seconds > LIMIT and pyfuncitem.get_closest_marker("slow") is None:
        pytest.fail(f"{seconds:.1f} s of processor time: make it shorter, or mark it slow and keep a quick witness.")
    return result


@pytest.fixture
def optimised():
    """Compile what the test needs with all optimisations: for those that compute longer than they compile."""
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture
def without_type_checks():
    """Call a function as a user would who has no type checker: wrong arguments reach our own checks."""

    def call(function):
        jaxtyping.config.update("jaxtyping_disable", True)
        try:
            return function()
        finally:
            jaxtyping.config.update("jaxtyping_disable", False)

    return call


# A compiled program takes a few of the 65,530 pieces of memory that Linux lets a process have; the suite has thousands
# of programs, and the one too many is a segmentation fault.
MOST_PIECES = 30_000


@pytest.fixture(autouse=True, scope="module")
def programs_are_forgotten_before_there_are_too_many():
    yield
    pieces = Path("/proc/self/maps")
    if pieces.exists() and len(pieces.read_bytes().splitlines()) > MOST_PIECES:
        jax.clear_caches()
