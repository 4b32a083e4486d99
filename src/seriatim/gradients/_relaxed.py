"""Estimators that differentiate through the sample: what is random is fixed noise, or the choice counts as relaxed.

Gumbel-softmax, or Concrete: a sample is the limit of a smooth function of logits and noise.

    z = onehot(argmax(logits + g)) = lim_{T -> 0} softmax((logits + g) / T),     g Gumbel.

Straight-through: choose, and differentiate as if the probabilities had been chosen.

Pathwise, for Gaussians, which need no relaxation (also called the reparameterisation trick):

    x = mean + std * w,  w standard normal:     grad E[f(x)] = E[f'(x) (1, w)].

Sources: E. Jang, S. Gu, B. Poole, Categorical Reparameterization with Gumbel-Softmax, 2017; C. Maddison, A. Mnih,
Y. W. Teh, The Concrete Distribution, 2017; Y. Bengio, N. Leonard, A. Courville, Estimating or Propagating Gradients
Through Stochastic Neurons for Conditional Computation, 2013; D. Kingma, M. Welling, Auto-Encoding Variational Bayes,
2014; D. Rezende, S. Mohamed, D. Wierstra, Stochastic Backpropagation and Approximate Inference in Deep Generative
Models, 2014.
"""

from jaxtyping import Array, Float

from seriatim import distributions
from seriatim.gradients._checks import check_mean_and_std
from seriatim.gradients._estimator import Function, Logits, Scalar, from_surrogate
from seriatim.gradients._parts import probabilities, sample, value_at
from seriatim.model import Key


@from_surrogate(unbiased=False, needs_gradient=True)
def gumbel_softmax(
    function: Function, logits: Logits, key: Key, *, temperature: Float[Array, ""] | float = 1.0
) -> Scalar:
    """Estimate with the derivative of `f(softmax((logits + g) / temperature))` at fixed noise g.

    Unbiased for the relaxed problem, biased for the discrete one; the bias vanishes and the variance grows as the
    temperature falls. Its value, too, is that of the relaxed problem. Needs the derivative of `f` inside the simplex.
    One evaluation, and its derivative. Jang, Gu, Poole, 2017; Maddison, Mnih, Teh, 2017.

    Args:
        function: choices `[*variables, c]`, points of the simplex, to a scalar.
        logits: of independent categorical variables; `-inf` is never chosen and has gradient 0.
        key: decides the noise.
        temperature: positive.

    Raises:
        InputError: the temperature is not positive.
    """
    return value_at(function, distributions.gumbel_softmax(logits, key, temperature))


@from_surrogate(unbiased=False, needs_gradient=True)
def straight_through_gumbel_softmax(
    function: Function, logits: Logits, key: Key, *, temperature: Float[Array, ""] | float = 1.0
) -> Scalar:
    """Estimate with `f'(z) d softmax((logits + g) / temperature) / dlogits` at the one-hot choice z of the same noise.

    The function only ever sees one-hot choices, so the value is unbiased. The gradient is biased; as the temperature
    falls it tends to the trapezoidal rule, half the sum of the derivatives at both ends of an edge of the simplex in
    place of the difference of the values: right where `f` is quadratic in the choice of each variable, the others
    fixed, and in general not. Needs the derivative of `f` at one-hot choices. One evaluation, and its derivative.
    Jang, Gu, Poole, 2017.

    Args:
        function: choices `[*variables, c]` to a scalar, differentiable at one-hot choices.
        logits: of independent categorical variables; `-inf` is never chosen and has gradient 0.
        key: decides the noise.
        temperature: positive.

    Raises:
        InputError: the temperature is not positive.
    """
    return value_at(function, distributions.gumbel_softmax(logits, key, temperature, hard=True))


@from_surrogate(unbiased=False, needs_gradient=True)
def straight_through(function: Function, logits: Logits, key: Key) -> Scalar:
    """Estimate with `f'(z) dp/dlogits` at the sampled one-hot choice z, where p are the probabilities.

    Biased; unbiased where `f` is multilinear (linear in the choice of each variable, the others fixed), for then its
    derivative by one choice does not depend on that choice. Needs the derivative of `f` at one-hot choices. One
    evaluation, and its derivative. Bengio, Leonard, Courville, 2013.

    Args:
        function: choices `[*variables, c]` to a scalar, differentiable at one-hot choices.
        logits: of independent categorical variables; `-inf` is never chosen and has gradient 0.
        key: decides the sample.
    """
    return value_at(function, straight_through_choices(logits, key))


def straight_through_choices(logits: Logits, key: Key) -> Logits:
    """Return one-hot choices with the derivative of the probabilities."""
    _, choices = sample(logits, key)
    return distributions.straight_through(choices, probabilities(logits).astype(logits.dtype))


@from_surrogate(unbiased=True, needs_gradient=True, check=check_mean_and_std)
def pathwise(function: Function, mean_and_std: tuple[Float[Array, "..."], Float[Array, "..."]], key: Key) -> Scalar:
    """Estimate the gradient by mean and standard deviation of independent Gaussian variables.

    Unbiased for functions that are continuous and differentiable almost everywhere, with integrable derivative; *biased
    for functions with jumps*. Needs the derivative of `f`. One evaluation, and its derivative. Kingma, Welling, 2014.

    Args:
        function: a sample, shaped like the mean, to a scalar.
        mean_and_std: the parameters, in the units of the variables; the gradient is such a pair too.
        key: decides the noise.

    Raises:
        InputError: the parameters are no such pair, or a standard deviation is negative (a traced one cannot
            be checked).
    """
    mean, std = mean_and_std
    return value_at(function, distributions.gaussian(mean, std, key))
