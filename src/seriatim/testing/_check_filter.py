"""The laws of a filter.

1. Its methods can be traced by JAX; an update keeps the belief's structure, shapes and dtypes, and a state drawn from a
   belief, or most likely in it, is like the model's.
2. Along episodes under random admissible controls beliefs hold no NaN. If they list states, their probabilities are not
   negative and sum to one.
3. Likelihoods of observations are probabilities. If the filter's model is the true one, hardly any is 0.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from seriatim import _optional
from seriatim._preconditions import require_key
from seriatim._structure import require_arrays, require_same, shapes
from seriatim._unoptimised import jit_unoptimised
from seriatim.model import Key
from seriatim.testing._report import Broken, Law, Report, call, examine
from seriatim.testing._walk import random_control

METHODS = ("initial", "sample_disturbance", "sample_state", "most_likely", "update", "likelihood")
EPISODES, STAGES = 16, 12
ROUNDING = 1e-4


def check_filter(filter: Any, key: Key | None = None) -> Report:
    """Check the laws of a filter whose model satisfies `check_model`, and report the result for each.

    Args:
        filter: yours: a `seriatim.beliefs.Filter`.
        key: decides the episodes; by default `jax.random.key(0)`.

    Raises:
        InputError: `key` is no key.

    Returns:
        A report; it never raises for a fault of the filter's. It says how many observations were impossible under the
        belief, which is no fault of a filter with few particles; more than half are.
    """
    key = jax.random.key(0) if key is None else key
    require_key(key)
    name = type(filter).__name__
    return examine(
        [
            Law("methods exist", lambda: _methods(filter, name), vital=True),
            Law("initial and update give like beliefs", lambda: _like(filter, name, key), vital=True),
            Law("states drawn are the model's", lambda: _states(filter, name, key), vital=True),
            Law("along random episodes", lambda: _episodes(filter, name, key)),
        ]
    )


def _methods(filter: Any, name: str) -> str:
    missing = _optional.missing_methods(filter, METHODS)
    if missing or not hasattr(filter, "model"):
        lacks = f"method {missing[0]}" if missing else "model"
        raise Broken(f"{name} has no {lacks}; a filter needs model, {', '.join(METHODS)}.")
    return ", ".join(METHODS)


def _like(filter: Any, name: str, key: Key) -> str:
    belief = call(filter, "initial", key)
    require_arrays(f"{name}.initial", belief)
    control, seen, draw = _first_stage(filter, key)
    after = call(filter, "update", belief, control, seen, draw, traced=True)
    require_same(f"{name}.update", after, shapes(belief), "the next belief must be like the one given")
    likelihood = shapes(call(filter, "likelihood", belief, control, seen, draw, traced=True))
    if likelihood.shape != ():
        raise Broken(f"{name}.likelihood returned shape {likelihood.shape}; one number is expected.")
    return f"{len(jax.tree.leaves(belief))} arrays"


def _states(filter: Any, name: str, key: Key) -> str:
    expected = shapes(filter.model.initial_state(key))
    belief, draw = filter.initial(key), filter.sample_disturbance(key)
    for method, given in (("sample_state", (belief, draw)), ("most_likely", (belief,))):
        state = shapes(call(filter, method, *given, traced=True))
        require_same(f"{name}.{method}", state, expected, "it stands for a state of the model")
    return "of the model's shapes"


def _first_stage(filter: Any, key: Key) -> tuple[Any, Any, Any]:
    model, state = filter.model, filter.model.initial_state(key)
    control = jnp.argmax(jnp.asarray(model.control_mask(state)), axis=1).astype(jnp.int32)
    world = model.sample_disturbance(key)
    seen = model.observation(model.transition(state, control, world).state, control, world)
    return control, seen, filter.sample_disturbance(key)


class _Followed(NamedTuple):
    """Stages of random episodes, with leading axes episodes and stages; `alive` if the problem went on afterwards."""

    belief: Any
    weights: Float[Array, "..."]
    likelihood: Float[Array, "..."]
    alive: Bool[Array, "..."]


def _follow(filter: Any, key: Key) -> _Followed:
    model, support = filter.model, _optional.support(filter)

    def stage(carry: Any, key: Key) -> tuple[Any, _Followed]:
        state, belief, ended = carry
        choose, move, own = jax.random.split(key, 3)
        control, found = random_control(model, state, choose)
        world, draw = model.sample_disturbance(move), filter.sample_disturbance(own)
        after = model.transition(state, control, world)
        seen = model.observation(after.state, control, world)
        ended = ended | ~found | after.done
        likelihood = filter.likelihood(belief, control, seen, draw)
        belief = filter.update(belief, control, seen, draw)
        weights = jnp.ones(1) if support is None else support(belief)[1]
        return (after.state, belief, ended), _Followed(belief, weights, likelihood, ~ended)

    def episode(key: Key) -> _Followed:
        start, rest = jax.random.split(key)
        first = jax.tree.map(jnp.asarray, model.initial_state(start)), filter.initial(start), jnp.array(False)
        followed: _Followed = jax.lax.scan(stage, first, jax.random.split(rest, STAGES))[1]
        return followed

    found: _Followed = jit_unoptimised(jax.vmap(episode))(jax.random.split(key, EPISODES))
    return found


def _episodes(filter: Any, name: str, key: Key) -> str:
    found: _Followed = jax.tree.map(np.asarray, _follow(filter, key))
    alive = np.asarray(found.alive)
    for path, leaf in jax.tree_util.tree_flatten_with_path(found.belief)[0]:
        if np.issubdtype(leaf.dtype, np.inexact) and np.isnan(leaf[alive]).any():
            raise Broken(f"{name}.update made a belief with NaN in {jax.tree_util.keystr(path) or 'it'}.")
    weights = np.asarray(found.weights, np.float64)[alive]
    off = np.flatnonzero((weights < 0).any(axis=-1) | (abs(weights.sum(axis=-1) - 1) > ROUNDING))
    if off.size:
        raise Broken(
            f"{name}.support after an update has probabilities from {weights[off[0]].min():.6g} that sum to "
            f"{weights[off[0]].sum():.6g}; non-negative numbers that sum to 1 are expected."
        )
    likelihood = np.asarray(found.likelihood)[alive]
    odd = likelihood[~((likelihood >= 0) & (likelihood <= 1 + ROUNDING))]
    if odd.size:
        raise Broken(f"{name}.likelihood of what was seen is {odd[0]}; a probability is expected.")
    impossible = int((likelihood == 0).sum())
    if impossible > len(likelihood) / 2:
        raise Broken(
            f"{name} held {impossible} of {len(likelihood)} observations for impossible that its own model made; check "
            "update and likelihood, or take more particles."
        )
    return f"{len(likelihood)} stages of {EPISODES} episodes, {impossible} impossible observations"
