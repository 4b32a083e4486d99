"""The pathwise estimator for Gaussians, also called the reparameterisation trick.

    z = mean + std * w,  w standard normal:     grad E[f(z)] = E[f'(z) (1, w)].

Sources: D. Kingma, M. Welling, Auto-Encoding Variational Bayes, 2014; D. Rezende, S. Mohamed, D. Wierstra, Stochastic
Backpropagation and Approximate Inference in Deep Generative Models, 2014.
"""

from jaxtyping import Array, Float

from seriatim import distributions
from seriatim.gradients._checks import check_mean_and_std
from seriatim.gradients._estimator import Function, Scalar, from_surrogate
from seriatim.gradients._parts import value_at
from seriatim.model import Key


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
