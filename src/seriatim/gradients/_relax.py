"""REBAR and RELAX: the score function, less a control variate whose mean is given back by reparameterisation.

With perturbed logits `x = logits + g`, the choice `z = argmax x`, and perturbed logits `x'` distributed as x given that
choice,

    (f(z) - c(x')) grad log p(z) + grad c(x) - grad c(x')

is unbiased for every differentiable c: `grad E[c(x)]` is the mean of its pathwise estimate `grad c(x)`, and it is also
the mean, over z, of score function and pathwise estimate given z. The closer c is to f(z), the smaller the variance.

Of all draws x' the best coupled is the one that equals x and differs in its derivative alone (Tucker et al., 2017,
section 3.1). Given the choice k, the largest entry is `logsumexp(logits) + noise`, and the others are Gumbels truncated
there, `x'_i = -log(noise_i exp(-logits_i) + exp(-x'_k))`. With the noises fixed at those that give x' = x,

    dx_i - dx'_i = r_i d log p_i,     r_i = exp(x_i - x_k)  in (0, 1],

so the conditional draw never appears: one value and one derivative of c serve, and nothing can overflow.

Sources: G. Tucker, A. Mnih, C. Maddison, D. Lawson, J. Sohl-Dickstein, REBAR: Low-Variance, Unbiased Gradient Estimates
for Discrete Latent Variable Models, 2017; W. Grathwohl, D. Choi, Y. Wu, G. Roeder, D. Duvenaud, Backpropagation
through the Void: Optimizing Control Variates for Black-Box Gradient Estimation, 2018. C. Maddison, D. Tarlow, T. Minka,
A* Sampling, 2014 (truncated Gumbels).
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from jaxtyping import Array, Float

from seriatim import distributions
from seriatim.gradients._checks import check_temperature
from seriatim.gradients._estimator import Function, Logits, Scalar, from_surrogate
from seriatim.gradients._parts import (
    centred,
    finite,
    log_probability,
    mixed,
    one_hot,
    one_number,
    relaxed,
    scaled,
    slope,
    value_at,
    with_constant_closure,
)
from seriatim.model import Key


@from_surrogate(unbiased=True, needs_gradient=True)
def rebar(
    function: Function,
    logits: Logits,
    key: Key,
    *,
    temperature: Float[Array, ""] | float = 1.0,
    scale: Float[Array, ""] | float = 1.0,
) -> Scalar:
    """Estimate with the function at relaxed choices as control variate.

        c(x) = scale * f(softmax(x / T + logits T / (T + 1)))

    The relaxed choice tends to the choice itself as the temperature T falls, and to the probabilities as it rises, so
    that the control variate goes from the function at the choice, with a wild derivative, to a constant baseline
    (Tucker et al., section 3.3, for two categories; the same for more). Unbiased at every temperature and scale, so
    both may be learned (`variance_gradient`); which are best depends on the function. Needs values of `f` inside the
    simplex and their derivative. Two evaluations, and the derivative of one. Tucker et al., 2017.

    Args:
        function: choices `[*variables, c]`, points of the simplex, to a scalar.
        logits: of independent categorical variables; `-inf` is never chosen and has gradient 0.
        key: decides choice and noise.
        temperature: positive.
        scale: of the control variate; 0 is the score function.

    Raises:
        InputError: the temperature is not positive.
    """
    check_temperature(temperature)
    constant = with_constant_closure(function, logits)
    warmth = jnp.asarray(temperature, float)
    towards_mean = scaled(stop_gradient(centred(logits)), warmth * (warmth / (warmth + 1)))

    def control_variate(perturbed: Float[Array, "..."]) -> Scalar:
        choices = relaxed(perturbed + towards_mean, warmth).astype(logits.dtype)
        return scale * value_at(constant, choices)

    return _controlled(function, logits, key, control_variate)


@from_surrogate(unbiased=True, needs_gradient=False)
def relax(
    function: Function, logits: Logits, key: Key, *, control_variate: Callable[[Any], Any] = lambda _: 0.0
) -> Scalar:
    """Estimate with any control variate `c(x)` of the perturbed logits, usually a network that is learned on the way.

    Unbiased for every differentiable `c`. Needs values of `f` only. One evaluation of `f`, and one of `c` with
    its derivative. Grathwohl et al., 2018.

    Args:
        function: one-hot choices `[*variables, c]` to a scalar.
        logits: of independent categorical variables; `-inf` is never chosen and has gradient 0.
        key: decides choice and noise.
        control_variate: perturbed logits `[*variables, c]` to a scalar, such as a `NeuralControlVariate`, taught by
            `variance_gradient`. They are shifted to a largest logit of 0, and a masked category has `-inf`. Without
            one, this is the score function.
    """
    return _controlled(function, logits, key, control_variate)


def _controlled(function: Function, logits: Logits, key: Key, control_variate: Callable[[Any], Any]) -> Scalar:
    index = distributions.gumbel_max(logits, key)
    perturbed = stop_gradient(distributions.gumbels(centred(logits), key))  # the same noise: its argmax is `index`
    value = value_at(function, one_hot(index, logits))
    nearness = jnp.exp(finite(perturbed))
    varied = perturbed + nearness * slope(jax.nn.log_softmax(finite(logits), axis=-1))
    control = one_number("control_variate", control_variate(varied))
    # Nothing need be stopped in `control`: a slope is zero, so only its own derivative counts. Left open, the
    # derivative of the *estimate* by parameters of the control variate is right too; `variance_gradient` needs it.
    with mixed():
        return value + (stop_gradient(value) - control) * slope(log_probability(logits, index)) + slope(control)
