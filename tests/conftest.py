"""Every test runs with shapes and types checked at run time: the annotations are laws too."""

import os
import pkgutil

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
# Lanes are made of small objects, thousands to a program, without shapes to check.
PACKAGES = [f"seriatim.{module.name}" for module in pkgutil.iter_modules(seriatim.__path__) if module.name != "lanes"]
jaxtyping.install_import_hook(PACKAGES, "beartype.beartype")


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
