"""The relaxed categorical: Gumbel-softmax, also called Concrete, and its density in the log domain.

    y = softmax((logits + G) / T),     x = log y,

As the temperature T falls to zero, y tends to the one-hot vector of `argmax(logits + G)`. As T grows, y tends to the
middle of the simplex. Among n admissible categories, x has the ExpConcrete density

    (n - 1)! T^(n-1) prod_i softmax(logits - T x)_i.

Sources: C. Maddison, A. Mnih, Y. W. Teh, The Concrete Distribution: A Continuous Relaxation of Discrete Random
Variables, ICLR 2017; E. Jang, S. Gu, B. Poole, Categorical Reparameterization with Gumbel-Softmax, ICLR 2017.

The straight-through choice has the value of the discrete choice and the derivative of the relaxed one. The usual
formula `soft + stop_gradient(hard - soft)` is off by rounding, so that a "one-hot" vector holds 0.99999994. Here the
value is passed on unchanged, and only the rule of differentiation is replaced.

Source: Y. Bengio, N. Leonard, A. Courville, Estimating or Propagating Gradients Through Stochastic Neurons for
Conditional Computation, 2013.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Real

from seriatim._errors import InputError
from seriatim.distributions._arguments import as_floats, as_logits, check_shapes, precise
from seriatim.distributions._gumbel import choice_among, perturbed
from seriatim.distributions._masks import centred, is_admissible, masked_log_softmax, masked_softmax
from seriatim.distributions._temperature import as_temperature, for_categories
from seriatim.model import Key


def gumbel_softmax(
    logits: Real[ArrayLike, "*batch c"], key: Key, temperature: Real[ArrayLike, "..."], hard: bool = False
) -> Float[Array, "*batch c"]:
    """Draw a relaxed choice `softmax((logits + G) / temperature)`, differentiable in logits and temperature.

    At every temperature, its largest entry is the choice of `gumbel_max` under the same key. At high temperatures
    several entries may be equal after rounding; the choice is then one of the largest.

    With `hard`, the value is exactly the one-hot choice, and the derivative is that of the relaxed choice: the
    straight-through Gumbel-softmax.

    Args:
        logits: of any real type.
        key: decides the noise.
        temperature: above zero, finite; one for all rows, or one for each, of a shape that broadcasts to the batch. A
            traced one cannot be checked: at zero or below the result is NaN or nonsense.
        hard: a constant.

    Raises:
        InputError: a temperature is not a positive number, or there is not one for each row.
    """
    given = as_logits(logits)
    values = perturbed(given, key)
    soft = masked_softmax(_tempered(values, temperature)).astype(given.dtype)
    if not hard:
        return soft
    return straight_through(jax.nn.one_hot(choice_among(values), given.shape[-1], dtype=given.dtype), soft)


def gumbel_log_softmax(
    logits: Real[ArrayLike, "*batch c"], key: Key, temperature: Real[ArrayLike, "..."]
) -> Float[Array, "*batch c"]:
    """Draw the logarithm of a relaxed choice, in float32 at least: the point that `log_density` takes.

    Its exponential is `gumbel_softmax` under the same key and temperature. At small temperatures the entries of
    `gumbel_softmax` underflow to zero; this logarithm does not.

    Raises:
        InputError: a temperature is not a positive number, or there is not one for each row.
    """
    return masked_log_softmax(_tempered(perturbed(logits, key), temperature))


def log_density(
    log_point: Real[ArrayLike, "*batch c"], logits: Real[ArrayLike, "*batch c"], temperature: Real[ArrayLike, "..."]
) -> Float[Array, "*batch"]:
    """Return the log-density of the relaxed choice `exp(log_point)`, in the log domain (ExpConcrete).

    The measure is Lebesgue's on the log-ratios `log_point_i - log_point_n` to the last admissible category n. A
    constant added to `log_point` therefore does not matter, and points need not be normalised. The log-density of the
    point itself (the Concrete density, on the first n - 1 of its entries) is this one minus the sum of
    `log_softmax(log_point)` over the admissible categories. This sum cancels in ratios of two densities at one point.

    If `log_point` is `-inf` at an admissible category, or finite at an inadmissible one, the density is 0 (`-inf`).

    Args:
        log_point: as drawn by `gumbel_log_softmax`.
        logits: of any real type.
        temperature: above zero, finite; one for all rows, or one for each, of a shape that broadcasts to the batch. A
            traced one cannot be checked.

    Raises:
        InputError: a temperature is not a positive number, or the shapes do not fit together.
    """
    point, given = as_floats("log_point", log_point), as_logits(logits)
    batch = check_shapes(log_point=point.shape, logits=given.shape)[:-1]
    kind = precise(point, given)
    point, given, warmth = point.astype(kind), given.astype(kind), as_temperature(temperature, kind, batch)
    # Entries outside `inside` are kept finite for derivatives; `supported` gives such points the density 0 at the end.
    inside = is_admissible(given) & is_admissible(point)
    terms = masked_log_softmax(_tilted(given, point, for_categories(warmth), inside), fill=0)
    ratios = jnp.maximum(jnp.sum(is_admissible(given), axis=-1) - 1, 0)  # n - 1
    scale = _log_factorials(given.shape[-1], kind)[ratios] + ratios.astype(kind) * jnp.log(warmth)
    supported = jnp.all(is_admissible(given) == is_admissible(point), axis=-1)
    return jnp.where(supported, scale + jnp.sum(terms, axis=-1), -jnp.inf)


def _log_factorials(count: int, kind: Any) -> Float[Array, " c"]:
    """Return the table `log 0!, ..., log (count - 1)!`; XLA's `lgamma` is not exactly zero where these are zero."""
    import scipy.special  # takes a tenth of a second, for which planners should not wait

    return jnp.asarray(scipy.special.gammaln(np.arange(count) + 1.0), kind)


def _tilted(
    logits: Float[Array, "*batch c"],
    point: Float[Array, "*batch c"],
    temperature: Float[Array, "..."],
    inside: Bool[Array, "*batch c"],
) -> Float[Array, "*batch c"]:
    """Return `logits - T x` where both are finite, `-inf` elsewhere."""
    return jnp.where(inside, jnp.where(inside, logits, 0) - temperature * jnp.where(inside, point, 0), -jnp.inf)


def _tempered(values: Float[Array, "*batch c"], temperature: Real[ArrayLike, "..."]) -> Float[Array, "*batch c"]:
    """Divide by the temperature, after a shift that makes the largest value 0, so that it cannot overflow."""
    warmth = for_categories(as_temperature(temperature, values.dtype, values.shape[:-1]))
    finite = jnp.where(is_admissible(values), centred(values), 0)
    return jnp.where(is_admissible(values), finite / warmth, -jnp.inf)


def straight_through(hard: Float[Array, "*shape"], soft: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return `hard`, exactly, with the derivatives of `soft`, of all orders.

    This derivative is a biased estimate of the derivative of an expectation.

    Raises:
        InputError: the two are not of one shape and one type.
    """
    kinds = [f"{jnp.result_type(each)}{list(jnp.shape(each))}" for each in (hard, soft)]
    if kinds[0] != kinds[1]:
        raise InputError(f"hard is {kinds[0]} and soft is {kinds[1]}; give two of one shape and one floating type.")
    return _hard(hard, soft)


@jax.custom_jvp
def _hard(hard: Float[Array, "*shape"], soft: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    del soft
    return hard


# The derivative calls `_hard` again, so that derivatives of higher order follow the same rule.
@_hard.defjvp
def _derivative_of_soft(primals: tuple[Any, Any], tangents: tuple[Any, Any]) -> tuple[Any, Any]:
    return _hard(*primals), tangents[1]
