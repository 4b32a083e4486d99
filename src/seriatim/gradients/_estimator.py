"""One interface for estimators of the gradient of an expected value.

The problem: the gradient of `E[f(z)]` by the parameters of the distribution of `z`, from samples. Sampling a discrete
`z` blocks the chain rule, and every estimator of this folder is one way around.

Each is written as its *surrogate*: a scalar whose value is the estimate of `E[f(z)]`, and whose derivative, as JAX
finds it, is the estimate of the gradient. From it follow the estimator,

    value, gradient = estimator(function, logits, key)

and training: `estimator.surrogate` in a loss gives `jax.grad` the estimate of the gradient by everything the logits
were made of, and the ordinary derivative by what `function` closes over. Surrogates nest: the function of one stage
may contain the surrogate of the next.

Source: J. Schulman, N. Heess, T. Weber, P. Abbeel, Gradient Estimation Using Stochastic Computation Graphs, 2015.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeAlias, cast, runtime_checkable

import jax
from jaxtyping import Array, Float

from seriatim._arguments import require_callable
from seriatim._preconditions import require_key
from seriatim.gradients._checks import check_logits
from seriatim.model import Key

P = ParamSpec("P")

Logits: TypeAlias = Float[Array, "*variables c"]
Scalar: TypeAlias = Float[Array, ""]
# One-hot or relaxed choices `[*variables, c]` in, a scalar out.
Function: TypeAlias = Callable[[Any], Any]
Surrogate: TypeAlias = Callable[Concatenate[Function, Any, Any, P], Scalar]


@runtime_checkable
class Estimator(Protocol[P]):
    """An estimator of `E[f(z)]` and of its gradient by the parameters of the distribution of `z`.

    Attributes:
        unbiased: whether the mean of the gradient is the gradient of `E[f(z)]`, for every function it accepts.
        needs_gradient: whether it differentiates `function` (at one-hot or at relaxed choices, as its docstring says);
            otherwise values at one-hot choices serve, and `function` may be any computation whatever.
        surrogate: a scalar whose value is the estimate and whose derivative is the estimate of the gradient.
    """

    unbiased: bool
    needs_gradient: bool
    surrogate: Surrogate[P]

    def __call__(
        self, function: Function, logits: Any, key: Key | None, /, *args: P.args, **settings: P.kwargs
    ) -> tuple[Scalar, Any]:
        """Return an estimate of `E[f(z)]`, and of its gradient, which is shaped like `logits`."""
        ...


def from_surrogate(
    *, unbiased: bool, needs_gradient: bool, check: Callable[[Any], None] = check_logits, is_random: bool = True
) -> Callable[[Surrogate[P]], Estimator[P]]:
    """Make an estimator of a surrogate. It keeps name, docstring and settings, and returns (value, gradient).

    `check` refuses, in a sentence, parameters that are none; it sees them before they are traced. `is_random`
    says that the key is used.
    """

    def decorate(surrogate: Surrogate[P]) -> Estimator[P]:
        @functools.wraps(surrogate)
        def estimate(
            function: Function, logits: Any, key: Key | None, /, *args: P.args, **settings: P.kwargs
        ) -> tuple[Scalar, Any]:
            require_callable("function", function, "a function of choices that returns one number", 1)
            check(logits)
            if is_random:
                require_key(key)
            return jax.value_and_grad(lambda given: surrogate(function, given, key, *args, **settings))(logits)

        made = cast(Any, estimate)
        made.__signature__ = inspect.signature(surrogate).replace(return_annotation="tuple[value, gradient]")
        made.unbiased, made.needs_gradient, made.surrogate = unbiased, needs_gradient, surrogate
        return cast(Estimator[P], made)

    return decorate
