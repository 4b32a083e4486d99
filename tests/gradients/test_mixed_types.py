"""Parameters of half precision have gradients under strict promotion of types too."""

import jax
import jax.numpy as jnp
import pytest

from seriatim import gradients


def squares(choices):
    return jnp.sum(choices**2)


@pytest.mark.parametrize("estimator", [*gradients.ESTIMATORS.values(), gradients.estimator("exact")])
def test_types_that_differ_are_the_librarys_to_bring_together(estimator):
    """Rules of promotion speak while a program is written; so nothing needs to be compiled."""
    logits, key = jnp.zeros((2, 3), jnp.bfloat16), jax.random.key(0)
    with jax.numpy_dtype_promotion("strict"):
        _, gradient = jax.eval_shape(lambda x: estimator(squares, x, key), logits)
    assert (gradient.shape, gradient.dtype) == (logits.shape, logits.dtype)
