"""What surrogates are made of: values of the function, one-hot samples, and terms that have only a derivative."""

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from jaxtyping import Array, Float, Int

from seriatim import distributions
from seriatim._errors import InputError
from seriatim.gradients._estimator import Function, Logits, Scalar
from seriatim.model import Key


def value_at(function: Function, choices: Float[Array, "..."]) -> Scalar:
    """Return `function(choices)`, which must be one number."""
    value = jnp.asarray(function(choices))
    if value.shape != ():
        raise InputError(
            f"function returned an array of shape {value.shape} for choices of shape {choices.shape}; "
            "return one number, such as the sum or the mean."
        )
    return value.astype(jnp.result_type(value, choices))


def values_at(function: Function, choices: Float[Array, "n *variables c"]) -> Float[Array, " n"]:
    """Return the function at each of `n` choices."""
    return jax.vmap(lambda one: value_at(function, one))(choices)


def one_hot(index: Int[Array, "*variables"], logits: Float[Array, "..."]) -> Float[Array, "..."]:
    """Write choices as corners of the simplex, in the shape and type of one sample's logits."""
    return jax.nn.one_hot(index, logits.shape[-1], dtype=logits.dtype)


def sample(logits: Logits, key: Key) -> tuple[Int[Array, "*variables"], Logits]:
    """Draw every variable; return the categories, and the same as one-hot choices."""
    index = distributions.gumbel_max(logits, key)
    return index, one_hot(index, logits)


def log_probability(logits: Logits, index: Int[Array, "*variables"]) -> Scalar:
    """Return the log-probability of a joint choice of independent variables."""
    return jnp.sum(distributions.log_probability(logits, index))


def slope(x: Float[Array, "*axes"]) -> Float[Array, "*axes"]:
    """Return a zero whose derivative is that of `x`.

    Where `x` is infinite (a masked logit), the difference would be nan; there the derivative is zero as well.
    """
    finite = jnp.where(jnp.isfinite(x), x, jnp.zeros_like(x))
    return finite - stop_gradient(finite)


def relaxed(perturbed: Logits, temperature: Float[Array, ""] | float) -> Logits:
    """Return the point of the simplex that tends to the one-hot argmax as the temperature falls."""
    return jax.nn.softmax(perturbed / jnp.asarray(temperature, perturbed.dtype), axis=-1)


def with_constant_closure(function: Function, choices: Logits) -> Function:
    """Return the function with no derivative by what it closes over.

    A control variate has a mean derivative of zero by, say, a decoder's parameters: it would only add noise there.
    """
    converted, closed_over = jax.closure_convert(function, choices)
    return lambda given: converted(given, *jax.tree.map(stop_gradient, closed_over))
