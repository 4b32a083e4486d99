"""Parts of surrogates: values of the function, one-hot samples, and terms that have only a derivative."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from jaxtyping import Array, Float, Int

from seriatim import distributions
from seriatim._errors import InputError
from seriatim.gradients._estimator import Function, Logits, Scalar
from seriatim.model import Key

# In place of -inf: beyond all logits and noise, and its sums and multiples are still finite in float32.
_NEVER = -1e30

# Values, scores and logits may differ in type: one is the function's own, one float32 at least, one the parameters'.
# `with mixed():` computes with all of them, whatever `jax_numpy_dtype_promotion` says. No function of the user's is
# called inside, so that the flag still shows what their own code mixes.
mixed = functools.partial(jax.numpy_dtype_promotion, "standard")


def value_at(function: Function, choices: Float[Array, "..."]) -> Scalar:
    """Return `function(choices)`, which must be one number."""
    value = one_number("function", function(choices), f" for choices of shape {choices.shape}")
    with mixed():
        return value.astype(jnp.result_type(value, choices))


def one_number(name: str, returned: Any, given: str = "") -> Scalar:
    """Return what a function of the user's returned as a scalar, if it is one real number."""
    try:
        value = jnp.asarray(returned)
    except (TypeError, ValueError):
        raise InputError(f"{name} returned {returned!r}{given}; return one number.") from None
    if value.shape != ():
        raise InputError(
            f"{name} returned an array of shape {value.shape}{given}; return one number, such as the sum or the mean."
        )
    if jnp.issubdtype(value.dtype, jnp.complexfloating):
        raise InputError(f"{name} returned a {value.dtype} number{given}; return a real one.")
    return value


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


def centred(logits: Float[Array, "..."]) -> Float[Array, "..."]:
    """Shift every row to a largest logit of zero, in float32 at least, so that noise is not lost in rounding."""
    with mixed():
        given = logits.astype(jnp.result_type(logits, jnp.float32))
    highest = stop_gradient(jnp.max(given, axis=-1, keepdims=True))
    return given - jnp.where(jnp.isneginf(highest), 0, highest)


def finite(logits: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return centred logits with a number in place of `-inf` that has probability 0, and derivative 0."""
    return jnp.where(jnp.isneginf(logits), _NEVER, centred(logits))


def probabilities(logits: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return the softmax over the admissible; zeros where nothing is."""
    admissible = ~jnp.isneginf(logits)
    return jnp.where(admissible, jax.nn.softmax(finite(logits), axis=-1), 0)


def relaxed(perturbed: Float[Array, "..."], temperature: Float[Array, ""] | float) -> Float[Array, "..."]:
    """Return the point of the simplex that tends to the one-hot argmax as the temperature falls."""
    return probabilities(scaled(perturbed, 1 / jnp.asarray(temperature, perturbed.dtype)))


def scaled(logits: Float[Array, "..."], factor: Float[Array, ""]) -> Float[Array, "..."]:
    """Multiply by a positive factor; what is masked stays so, and has no part in the derivative by the factor.

    A derivative by the temperature meets `0 * -inf` otherwise, which is NaN.
    """
    masked = jnp.isneginf(logits)
    return jnp.where(masked, -jnp.inf, jnp.where(masked, 0, logits) * factor)


def with_constant_closure(function: Function, choices: Logits) -> Function:
    """Return the function with no derivative by what it closes over.

    A control variate has a mean derivative of zero by, say, a decoder's parameters: it would only add noise there.
    """
    converted, closed_over = jax.closure_convert(function, choices)
    return lambda given: converted(given, *jax.tree.map(stop_gradient, closed_over))
