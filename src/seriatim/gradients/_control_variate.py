"""Settings of an estimator that are learned: descend the variance itself.

For an unbiased estimator `g` the mean does not depend on its settings, so that the gradient of its variance by them is
that of `E[|g|^2]`, and one sample estimates it without bias.

Sources: G. Tucker et al., REBAR, 2017; W. Grathwohl et al., Backpropagation through the Void, 2018.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from seriatim._preconditions import require_key
from seriatim._record import record
from seriatim.gradients._checks import check_parameters, check_temperature
from seriatim.gradients._estimator import Function
from seriatim.gradients._parts import relaxed
from seriatim.model import Key

Settings = TypeVar("Settings", bound=Mapping[str, Any])


def variance_gradient(
    estimator: Callable[..., Any], function: Function, logits: Any, key: Key, settings: Settings
) -> Settings:
    """Estimate the gradient of the total variance of an unbiased estimator by its settings.

        settings = {"temperature": 0.5, "scale": 1.0}
        slopes = variance_gradient(rebar, function, logits, key, settings)
        settings = jax.tree.map(lambda x, slope: x - 0.01 * slope, settings, slopes)

    Unbiased if the estimator is. Differentiates the control variate twice.

    Args:
        estimator: unbiased, such as `rebar` or `relax`.
        function: as the estimator takes it.
        logits: as the estimator takes them.
        key: decides the sample; the one the gradient itself was estimated with will do.
        settings: keyword settings of the estimator, floating point numbers or records of them.

    Raises:
        InputError: a setting is a whole number, which has no gradient, or is out of the estimator's range.
    """
    require_key(key)
    check_parameters(settings, "settings")
    if "temperature" in settings:
        check_temperature(settings["temperature"])  # for the estimator it is traced, and cannot be read

    def squared(settings: Settings) -> Float[Array, ""]:
        _, gradient = estimator(function, logits, key, **settings)
        return sum((jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(gradient)), start=jnp.zeros(()))

    found: Settings = jax.grad(squared)(settings)
    return found


@record
class NeuralControlVariate:
    """A control variate for `relax`: one hidden layer that looks at the relaxed choice `softmax(x / temperature)`.

        c(x) = output . tanh(hidden @ softmax(x / exp(log_temperature)) + shift)

    Attributes:
        hidden: weights `[h, n]`, n numbers in the logits.
        shift: of the hidden units, `[h]`.
        output: weights `[h]`; zeros in the beginning, so that learning starts from the score function.
        log_temperature: free to be learned, and positive temperatures only.
    """

    hidden: Float[Array, "h n"]
    shift: Float[Array, " h"]
    output: Float[Array, " h"]
    log_temperature: Float[Array, ""] | float = 0.0

    def __call__(self, perturbed: Float[Array, "*variables c"]) -> Float[Array, ""]:
        choices = relaxed(perturbed, jnp.exp(jnp.asarray(self.log_temperature))).ravel()
        return jnp.dot(self.output, jnp.tanh(self.hidden @ choices + self.shift))


def neural_control_variate(key: Key, shape: tuple[int, ...], *, hidden: int = 16) -> NeuralControlVariate:
    """Start a control variate for logits of a shape: random hidden weights (normal, variance 1/variables), output 0."""
    require_key(key)
    size, variables = 1, 1
    for axis, length in enumerate(shape):
        size *= length
        variables *= length if axis < len(shape) - 1 else 1
    weights = jax.random.normal(key, (hidden, size)) / jnp.sqrt(variables)
    return NeuralControlVariate(weights, jnp.zeros(hidden), jnp.zeros(hidden))
