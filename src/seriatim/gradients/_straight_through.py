"""The straight-through estimator: choose, and differentiate as if the probabilities had been chosen.

Source: Y. Bengio, N. Leonard, A. Courville, Estimating or Propagating Gradients Through Stochastic Neurons for
Conditional Computation, 2013.
"""

from seriatim import distributions
from seriatim.gradients._estimator import Function, Logits, Scalar, from_surrogate
from seriatim.gradients._parts import probabilities, sample, value_at
from seriatim.model import Key


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
