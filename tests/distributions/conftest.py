"""Fixtures of the tests of distributions."""

import jax
import pytest


@pytest.fixture
def double_precision():
    """Compute in float64: for finite differences and quadrature."""
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)
