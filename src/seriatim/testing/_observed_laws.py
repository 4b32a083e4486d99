"""The laws of a model whose state is hidden: observations are possible, and as frequent as their likelihood says."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from seriatim import _optional
from seriatim._structure import require_arrays
from seriatim._unoptimised import jit_unoptimised
from seriatim.model import Key
from seriatim.testing._report import Broken, Law, NotApplicable, call
from seriatim.testing._walk import walk

# The number of states at which observations are counted, the samples of each, and the false-alarm rate of all counts.
PLACES = 16
SAMPLES = 2000
FALSE_ALARM = 1e-6
ROUNDING = 1e-4


def observed_laws(model: Any, key: Key) -> list[Law]:
    """List the laws; they do not apply to a model without `observation` and `observation_likelihood`."""
    return [
        Law("observed: what is seen is likely", lambda: _likely(model, key)),
        Law("observed: likelihoods sum to one", lambda: _sums(model, key)),
        Law("observed: observations follow their likelihoods", lambda: _frequencies(model, key)),
    ]


def _require_observed(model: Any) -> None:
    if _optional.missing_methods(model, _optional.OBSERVED):
        raise NotApplicable("the model has no observation() and observation_likelihood()")


def _likely(model: Any, key: Key) -> str:
    _require_observed(model)
    name = type(model).__name__
    states, controls = _places(model, key)
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


def _sums(model: Any, key: Key) -> str:
    listed, name = _listed(model), type(model).__name__
    states, controls = _places(model, key)
    draws = jax.vmap(model.sample_disturbance)(jax.random.split(key, 16))
    after = jax.vmap(model.transition)(states, controls, draws)
    every = jax.vmap(jax.vmap(model.observation_likelihood, (0, None, None)), (None, 0, 0))
    likelihood = np.asarray(jit_unoptimised(every)(listed, after.state, controls), np.float64)
    total = likelihood.sum(axis=1)
    odd = np.flatnonzero(~np.asarray(after.done) & ((likelihood < 0).any(axis=1) | (abs(total - 1) > ROUNDING)))
    if odd.size:
        n = odd[0]
        raise Broken(
            f"{name}.observation_likelihood after control {controls[n].tolist()} is {likelihood[n].tolist()} for the "
            f"observations listed, with sum {total[n]:.6g}; non-negative numbers that sum to 1 are expected."
        )
    return f"{likelihood.shape[1]} observations, probabilities that sum to 1 at 16 states"


def _frequencies(model: Any, key: Key) -> str:
    listed, name = _listed(model), type(model).__name__
    states, controls = _places(model, key)
    draws = jax.vmap(model.sample_disturbance, axis_size=SAMPLES)(jax.random.split(key, SAMPLES))

    def one(state: Any, control: Any, draw: Any) -> tuple[Array, Array, Array]:
        after = model.transition(state, control, draw)
        seen = model.observation(after.state, control, draw)
        likelihood = jax.vmap(model.observation_likelihood, (0, None, None))(listed, after.state, control)
        return _same(seen, listed), likelihood, ~jnp.asarray(after.done)

    counted = jit_unoptimised(jax.vmap(one, (None, None, 0)))
    for n in range(PLACES):
        place = jax.tree.map(lambda leaf, n=n: leaf[n], states), controls[n]
        matches, likelihood, going_on = jax.tree.map(np.asarray, counted(*place, draws))
        if not matches[going_on].any(axis=1).all():
            raise Broken(f"{name}.observation made an observation that is not among observations().")
        _require_as_often(f"{name}.observation after control {controls[n].tolist()}", matches, likelihood, going_on)
    return f"{SAMPLES} observations at each of {PLACES} states agree (false-alarm rate {FALSE_ALARM:g})"


def _require_as_often(what: str, matches: Any, likelihood: Any, going_on: Any) -> None:
    """Compare counts with their expectation given the states reached; Bernstein's inequality bounds the distance."""
    p = likelihood[going_on].astype(np.float64)
    seen, expected = matches[going_on].sum(axis=0), p.sum(axis=0)
    # Two sides at each place and for each observation share the false-alarm rate.
    level = math.log(2 * PLACES * p.shape[1] / FALSE_ALARM)
    limit = level / 3 + np.sqrt(level**2 / 9 + 2 * level * (p * (1 - p)).sum(axis=0)) + ROUNDING * len(p)
    odd = np.flatnonzero(abs(seen - expected) > limit)
    if odd.size:
        raise Broken(
            f"{what} gave observation number {odd[0]} {seen[odd[0]]} times of {len(p)}, where observation_likelihood "
            f"expects {expected[odd[0]]:.1f}."
        )


def _listed(model: Any) -> Any:
    _require_observed(model)
    if _optional.observations(model) is None:
        raise NotApplicable("the model does not list its observations()")
    return call(model, "observations")


def _places(model: Any, key: Key) -> tuple[Any, Any]:
    """Return 16 initial states and a random control for each."""
    path = walk(model, key, 16)
    return jax.tree.map(lambda leaf: leaf[:, 0], path.states), path.controls[:, 0]


def _same(one: Any, many: Any) -> Bool[Array, " o"]:
    equal = jax.tree.map(lambda a, b: jnp.all((a == b).reshape(b.shape[0], -1), axis=1), one, many)
    return jnp.all(jnp.stack(jax.tree.leaves(equal)), axis=0)
