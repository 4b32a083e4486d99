"""The estimators of gradients over categorical choices, by name. A new one joins all tests with its line here."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from seriatim import distributions
from seriatim._errors import InputError
from seriatim.gradients._disarm import disarm
from seriatim.gradients._estimator import Estimator
from seriatim.gradients._exact import exact
from seriatim.gradients._gumbel_rao import gumbel_rao, gumbel_rao_choices
from seriatim.gradients._relax import rebar, relax
from seriatim.gradients._relaxed import (
    gumbel_softmax,
    pathwise,
    straight_through,
    straight_through_choices,
    straight_through_gumbel_softmax,
)
from seriatim.gradients._score_function import leave_one_out, score_function

ESTIMATORS: Mapping[str, Estimator[...]] = {
    "score-function": score_function,
    "leave-one-out": leave_one_out,
    "disarm": disarm,
    "rebar": rebar,
    "relax": relax,
    "straight-through": straight_through,
    "gumbel-softmax": gumbel_softmax,
    "straight-through-gumbel-softmax": straight_through_gumbel_softmax,
    "gumbel-rao": gumbel_rao,
}

# Of the estimators that differentiate the function once, the choices they hand it: `(logits, key, **settings)` to
# choices whose derivative by the logits is the estimator. With these a function may be anything, also a whole
# trajectory in which each choice depends on those before it.
CHOICES: Mapping[str, Callable[..., Any]] = {
    "straight-through": straight_through_choices,
    "gumbel-softmax": distributions.gumbel_softmax,
    "straight-through-gumbel-softmax": functools.partial(distributions.gumbel_softmax, hard=True),
    "gumbel-rao": gumbel_rao_choices,
}

# Called like the others, but none of them: enumeration, which judges them, and the estimator for Gaussian choices.
_OTHERS: Mapping[str, Estimator[...]] = {"exact": exact, "pathwise": pathwise}


def estimator(name: str) -> Estimator[...]:
    """Return the estimator of that name; its docstring has its settings, its guarantee and its source.

    Args:
        name: a key of `ESTIMATORS`; or `"exact"`, which enumerates all choices; or `"pathwise"`, for Gaussian choices.

    Raises:
        InputError: there is none of that name.

    >>> estimator("rebar").unbiased
    True
    """
    every = {**ESTIMATORS, **_OTHERS}
    if name not in every:
        raise InputError(f"There is no estimator of gradients {name!r}; give one of {', '.join(every)}.")
    return every[name]
