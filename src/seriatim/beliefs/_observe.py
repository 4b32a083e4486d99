"""One stage of a team at work: a belief is updated by the real control and the real observation.

Controls and observations come from people and robots: lists, Python numbers, integers of 64 bits. Compiled code would
take a control that does not exist for the nearest that does, and a number for a row; here all of it is checked.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Int, Shaped

from seriatim import _optional
from seriatim._errors import InputError
from seriatim._preconditions import require_key
from seriatim._structure import in_words, require_arrays, require_same, shapes
from seriatim.beliefs._factored_filter import FactoredBelief
from seriatim.beliefs._filter import Belief, Filter, require_filter
from seriatim.beliefs._probabilities import is_distribution
from seriatim.model import Key, Observation

# Kinds of numbers that serve where others are expected: signed and unsigned, whole for real.
WIDER = {("i", "u"), ("u", "i"), ("i", "f"), ("u", "f")}


def observe(
    filter: Filter, belief: Belief, control: Shaped[ArrayLike, " m"] | Sequence[int], observation: Observation, key: Key
) -> Belief:
    """Update a belief by a real observation: one stage of a team at work, outside compiled code.

    Args:
        filter: keeps the belief.
        belief: before the stage.
        control: what was applied.
        observation: what was seen then.
        key: decides what is random in the filter.

    Raises:
        InputError: the belief is none of the filter's, the control or the observation is none of the model's, `key` is
            no key, or the observation is impossible under the belief, so that Bayes' rule says nothing.
    """
    require_key(key)
    require_filter(filter)
    belief = _belief_of(filter, belief)
    control = _control_of(filter.model, control)
    require_arrays("The observation", observation)
    observation = jax.tree.map(_as_compiled, observation, is_leaf=_is_list)
    disturbance = filter.sample_disturbance(key)
    seen = jax.tree.map(lambda leaf: leaf.tolist(), observation)
    _check_observation(filter.model, observation, seen)
    likelihood = float(filter.likelihood(belief, control, observation, disturbance))
    if not likelihood > 0:
        raise InputError(
            f"The observation {seen} after control {control.tolist()} has probability {likelihood:g} under this "
            "belief; check observation_likelihood, the prior, and that the belief has followed every stage, or take "
            "more particles."
        )
    return filter.update(belief, control, observation, disturbance)


def _belief_of(filter: Any, belief: Belief) -> Belief:
    """Return a belief as arrays; refuse what is none of the filter's, whose values are known.

    Raises:
        InputError: it has another structure, shape or type, a number in it is NaN, or its probabilities do not sum to
            one.
    """
    name = type(filter).__name__
    expected = jax.eval_shape(filter.initial, jax.random.key(0))
    require_arrays("The belief", belief)
    given = jax.tree.map(_as_compiled, belief, is_leaf=_is_list)
    given = jax.tree.map(_whole_as_real, given, expected) if _same_parts(given, expected) else given
    require_same("The belief", shapes(given), expected, f"give one that {name}.initial(key) or its update returned")
    support = _optional.support(filter)
    weights = given.sites if isinstance(given, FactoredBelief) else None if support is None else support(given)[1]
    if weights is not None and not is_distribution(np.asarray(weights, np.float64)):
        raise InputError(
            f"The belief has the probabilities {np.asarray(weights).tolist()!s:.200}; numbers from 0 up that sum to 1 "
            f"are expected, as {name}.initial(key) returns."
        )
    return given


def _same_parts(one: Any, other: Any) -> bool:
    parts: Any = jax.tree.structure(one)
    return bool(parts == jax.tree.structure(other))


def _whole_as_real(leaf: Any, expected: Any) -> Any:
    """Return whole numbers as real ones, and real ones in the precision of the filter's."""
    kinds = jnp.result_type(leaf).kind, expected.dtype.kind
    return leaf.astype(expected.dtype) if kinds in (("i", "f"), ("f", "f")) else leaf


def _control_of(model: Any, control: Any) -> Int[Array, " m"]:
    """Return the joint control that was applied; refuse one that compiled code would take for the nearest one."""
    m, c = model.num_agents, model.num_controls
    try:
        given = np.asarray(control)
    except (TypeError, ValueError):
        given = np.asarray(None)
    fits = given.shape == (m,) and given.dtype.kind in "iu" and bool(((given >= 0) & (given < c)).all())
    if not fits:
        seen = given.tolist() if given.dtype.kind in "biuf" else control
        raise InputError(
            f"The control {seen!r} is none of {type(model).__name__}; give a whole number from 0 to {c - 1} for each "
            f"of its agents, of which there are {m}."
        )
    return jnp.asarray(given, jnp.int32)


def _check_observation(model: Any, observation: Observation, seen: Any) -> None:
    """Refuse a value that compiled code would quietly take for the nearest that exists."""
    if _optional.observation(model) is not None:
        _require_like(observation, seen, jax.eval_shape(lambda: _first_observation(model)), type(model).__name__)
    listed = _optional.observations(model)
    if listed is not None and not _is_among(observation, listed()):
        raise InputError(
            f"The observation {seen} is none of those that {type(model).__name__}.observations() lists; give one of "
            "them, of the same shape."
        )


def _require_like(observation: Observation, seen: Any, expected: Any, name: str) -> None:
    kinds = [(jnp.shape(leaf), leaf.dtype.kind) for leaf in jax.tree.leaves(observation)]
    known = [(leaf.shape, leaf.dtype.kind) for leaf in jax.tree.leaves(expected)]
    fits = _same_parts(observation, expected) and all(
        shape == other and (kind == wanted or (kind, wanted) in WIDER)
        for (shape, kind), (other, wanted) in zip(kinds, known, strict=True)
    )
    if not fits:
        wanted = ", ".join(in_words(leaf) for leaf in jax.tree.leaves(expected))
        raise InputError(f"The observation {seen} is none of {name}, which makes {wanted}; give one like it.")


def _first_observation(model: Any) -> Observation:
    key = jax.random.key(0)
    control, drawn = jnp.zeros(model.num_agents, jnp.int32), model.sample_disturbance(key)
    after = model.transition(jax.tree.map(jnp.asarray, model.initial_state(key)), control, drawn)
    return jax.tree.map(jnp.asarray, model.observation(after.state, control, drawn))


def _is_among(one: Any, many: Any) -> bool:
    parts, listed = jax.tree.leaves(one), jax.tree.leaves(many)
    if len(parts) != len(listed):
        return False
    leaves = list(zip(parts, listed, strict=True))
    if any(a.shape != b.shape[1:] for a, b in leaves):
        return False
    same = [jnp.all((a == b).reshape(b.shape[0], -1), axis=1) for a, b in leaves]
    return bool(jnp.any(jnp.all(jnp.stack(same), axis=0)))


def _is_list(leaf: Any) -> bool:
    return isinstance(leaf, list)


def _as_compiled(leaf: Any) -> Array:
    if isinstance(leaf, jax.Array):
        return leaf
    array = np.asarray(leaf)
    return jnp.asarray(array, jax.dtypes.canonicalize_dtype(array.dtype))
