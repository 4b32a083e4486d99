"""The laws of an observed model: observations of fixed shape, and likelihoods that are probabilities."""

from typing import Any

import jax
import numpy as np

from seriatim.model import Key
from seriatim.testing._report import Broken, Law, NotApplicable, call
from seriatim.testing._structure import require_arrays
from seriatim.testing._walk import walk


def observed_laws(model: Any, key: Key) -> list[Law]:
    """List the laws; they do not apply to a model without `observation` and `observation_likelihood`."""
    return [Law("observed: what is seen is likely", lambda: _likely(model, key))]


def _likely(model: Any, key: Key) -> str:
    if not all(callable(getattr(model, name, None)) for name in ("observation", "observation_likelihood")):
        raise NotApplicable("the model has no observation() and observation_likelihood()")
    name = type(model).__name__
    path = walk(model, key, 16)
    states = jax.tree.map(lambda leaf: leaf[:, 0], path.states)
    controls = path.controls[:, 0]
    draws = jax.vmap(model.sample_disturbance)(jax.random.split(key, 16))
    after = jax.vmap(model.transition)(states, controls, draws).state
    seen = call(model, "observation", after, controls, draws, mapped=True)
    require_arrays(f"{name}.observation", seen)
    likelihood = np.asarray(call(model, "observation_likelihood", seen, after, controls, mapped=True))
    if likelihood.shape != (16,):
        raise Broken(f"{name}.observation_likelihood returned shape {likelihood.shape[1:]}; one number is expected.")
    wrong = np.flatnonzero(~((likelihood > 0) & (likelihood <= 1 + 1e-5)))
    if wrong.size:
        raise Broken(
            f"{name}.observation_likelihood of an observation that was made is {likelihood[wrong[0]]}; a probability "
            "above 0 and at most 1 is expected."
        )
    return "16 observations, each of positive likelihood"
