"""The exact gradient, by enumeration of all joint choices: the judge of every estimator.

grad E[f(z)] = grad sum_z p(z) f(z).
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from seriatim._arguments import require_whole
from seriatim._errors import InputError
from seriatim.gradients._estimator import Function, Logits, Scalar, from_surrogate
from seriatim.gradients._parts import log_probability, mixed, one_hot, values_at
from seriatim.model import Key


@from_surrogate(unbiased=True, needs_gradient=False, is_random=False)
def exact(
    function: Function,
    logits: Logits,
    key: Key | None,  # noqa: ARG001
    *,
    max_choices: int = 65_536,
) -> Scalar:
    """Compute `E[f(z)]` and its gradient, with no error but rounding. The key is not used.

    Needs values only. `c**n` evaluations for n variables, all at once.

    Args:
        function: one-hot choices `[*variables, c]` to a scalar; what it is where a choice has probability 0 is ignored.
        logits: of independent categorical variables; `-inf` is never chosen and has gradient 0.
        key: ignored, and may be None; there so that all estimators are called alike.
        max_choices: the most joint choices that are enumerated.

    Raises:
        InputError: there are more than `max_choices` joint choices.
    """
    require_whole("max_choices", max_choices)
    index = _all_choices(logits.shape, max_choices)
    # Where nothing is admissible nothing is chosen (-1): one outcome, which stands where 0 does.
    absent = jnp.all(jnp.isneginf(logits), axis=-1)
    # A variable with nothing to choose is enumerated c times; one of them counts.
    single = jnp.all(~absent | (index == 0), axis=tuple(range(1, index.ndim)))
    index = jnp.where(absent, -1, index)
    log_probabilities = jax.vmap(lambda one: log_probability(logits, one))(index)
    possible = single & jnp.isfinite(log_probabilities)
    values = jnp.where(possible, values_at(function, jax.vmap(lambda one: one_hot(one, logits))(index)), 0)
    # The derivative of exp at -inf is taken at 0 instead: an impossible choice must not pass a nan on.
    probabilities = jnp.where(possible, jnp.exp(jnp.where(possible, log_probabilities, 0.0)), 0.0)
    with mixed():
        return jnp.sum(probabilities * values)


def _all_choices(shape: tuple[int, ...], most: int) -> Int[Array, "choices *variables"]:
    *variables, c = shape
    n = 1
    for size in variables:
        n *= size
    if c**n > most:
        raise InputError(
            f"logits of shape {shape} have {c}**{n} = {float(c) ** min(n, 200):.3g} joint choices, more than "
            f"max_choices={most}; take an estimator, or fewer variables, or raise max_choices."
        )
    # The digits of a number in base c are one joint choice.
    digits = jnp.arange(c**n)[:, None] // c ** jnp.arange(n)[::-1]
    return (digits % c).reshape(c**n, *variables)
