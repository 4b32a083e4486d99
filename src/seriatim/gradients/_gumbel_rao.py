"""Gumbel-Rao: the straight-through Gumbel-softmax estimator, averaged over the noise that leads to the same choice.

Given the choice z, the derivative of the relaxed choice by the logits is a function of the noise alone; its mean given
z (Rao-Blackwell) has the same expectation and no more variance, and costs no evaluation of f.

Source: M. Paulus, C. Maddison, A. Krause, Rao-Blackwellizing the Straight-Through Gumbel-Softmax Gradient Estimator,
2021.
"""

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from jaxtyping import Array, Float

from seriatim import distributions
from seriatim.gradients._checks import check_count, check_temperature
from seriatim.gradients._estimator import Function, Logits, Scalar, from_surrogate
from seriatim.gradients._parts import centred, mixed, relaxed, sample, slope, value_at
from seriatim.model import Key


@from_surrogate(unbiased=False, needs_gradient=True)
def gumbel_rao(
    function: Function,
    logits: Logits,
    key: Key,
    *,
    temperature: Float[Array, ""] | float = 1.0,
    num_samples: int = 10,
) -> Scalar:
    """Estimate as `straight_through_gumbel_softmax`, its Jacobian averaged over `num_samples` draws given the choice.

    The same bias as straight-through Gumbel-softmax at the same temperature, and no more variance. Needs the derivative
    of `f` at one-hot choices. One evaluation, and its derivative, whatever `num_samples`. Paulus, Maddison, Krause,
    2021.

    Args:
        function: choices `[*variables, c]` to a scalar, differentiable at one-hot choices.
        logits: of independent categorical variables; `-inf` is never chosen and has gradient 0.
        key: decides the choice and the noise.
        temperature: positive; it can be lower than without the average, at the same variance.
        num_samples: draws of the noise given the choice, at least 1; with 1 it is straight-through Gumbel-softmax.

    Raises:
        InputError: the temperature is not positive, or `num_samples` is less than 1.
    """
    check_temperature(temperature)
    check_count("num_samples", num_samples, 1, "the Jacobian is a mean over draws of the noise")
    return value_at(function, gumbel_rao_choices(logits, key, temperature=temperature, num_samples=num_samples))


def gumbel_rao_choices(
    logits: Logits, key: Key, *, temperature: Float[Array, ""] | float = 1.0, num_samples: int = 10
) -> Logits:
    """Return one-hot choices whose derivative by the logits is the averaged one."""
    choice_key, noise_key = jax.random.split(key)
    index, choices = sample(logits, choice_key)

    def relaxed_choices(key: Key) -> Float[Array, "..."]:
        # The noise given the choice is a constant: the Jacobian is that of softmax, not that of the conditional draw.
        perturbed = stop_gradient(distributions.conditional_gumbels(centred(logits), index, key))
        with mixed():
            return relaxed(perturbed + slope(logits), temperature)

    mean = jnp.mean(jax.vmap(relaxed_choices)(jax.random.split(noise_key, num_samples)), axis=0)
    # The value of the choices, with the derivative of the mean.
    return distributions.straight_through(choices, mean.astype(logits.dtype))
