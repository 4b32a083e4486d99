"""The Gumbel-softmax, or Concrete, relaxation: a sample is the limit of a smooth function of logits and fixed noise.

    z = onehot(argmax(logits + g)) = lim_{T -> 0} softmax((logits + g) / T),     g Gumbel.

Sources: E. Jang, S. Gu, B. Poole, Categorical Reparameterization with Gumbel-Softmax, 2017; C. Maddison, A. Mnih,
Y. W. Teh, The Concrete Distribution, 2017.
"""

from jaxtyping import Array, Float

from seriatim import distributions
from seriatim.gradients._estimator import Function, Logits, Scalar, from_surrogate
from seriatim.gradients._parts import value_at
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
