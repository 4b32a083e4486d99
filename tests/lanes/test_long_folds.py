"""Reductions over thousands of numbers are left to JAX: written as folds, their programs would have as many pieces."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from seriatim.lanes import lanes
from seriatim.lanes._interpret import LONGEST_FOLD

REDUCTIONS = {
    "argmax": jnp.argmax,
    "argmin": jnp.argmin,
    "max": jnp.max,
    "any": lambda x: jnp.any(x > 0.99),
    "whole numbers": lambda x: jnp.sum((x * 100).astype(jnp.int32)),
}


@pytest.mark.parametrize("reduce", REDUCTIONS.values(), ids=REDUCTIONS)
def test_a_program_does_not_grow_with_what_it_reduces(reduce):
    length = LONGEST_FOLD + 1
    program = jax.make_jaxpr(lanes(reduce, (-1,)))(jax.ShapeDtypeStruct((length, 16), jnp.float32))
    assert len(str(program)) < 4000
    numbers = jnp.asarray(np.random.default_rng(0).random((length, 3), np.float32))
    assert lanes(reduce, (-1,))(numbers).tolist() == [reduce(column).tolist() for column in numbers.T]
