"""Filters: from what was seen to what is believed.

A *belief* is what a team knows of a hidden state: a distribution, or something that stands for one. A filter updates
it by Bayes' rule after every stage,

    b'(x')  ~  P(o | x', u)  sum_x P(x' and the problem goes on | x, u) b(x).

That the problem goes on is known wherever it matters: after its end nothing is decided any more. So beliefs are
conditional on it, and no belief is needed of a state that has ended.

Whatever is random in a filter is drawn beforehand, as the disturbances of a model are. Beliefs under comparison then
meet the same draws.

Source: K. J. Astrom, Optimal Control of Markov Processes with Incomplete State Information, Journal of Mathematical
Analysis and Applications 10, 1965.
"""

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int, Shaped

from seriatim import _optional
from seriatim._errors import InputError
from seriatim._preconditions import require_key
from seriatim.model import Disturbance, Key, Observation, ObservedModel, State

Belief: TypeAlias = Any  # a pytree of arrays; the same structure, shapes and dtypes at every stage


@runtime_checkable
class Filter(Protocol):
    """A rule that keeps a belief; its methods are pure and can be traced by JAX.

    An observation that the belief rules out gives no NaN. What it gives is each filter's word; to have it refused, use
    `observe`.

    Optional methods, which belief models and policies use where they exist:

    * `support(belief) -> (State, Float["k"])`: the states a belief gives weight to, stacked, and their probabilities.
    * `expected_cost(belief, control) -> Float[""]`: the exact expected stage cost.
    * `outcomes(belief, control) -> (Belief, Float["k"], Bool["k"])`: the beliefs that may follow, their probabilities,
      and which of them are ends of the problem.
    """

    @property
    def model(self) -> ObservedModel:
        """What the filter believes of the world."""
        ...

    def initial(self, key: Key) -> Belief:
        """Return what is known at the start of the episode whose state is `model.initial_state(key)`."""
        ...

    def sample_disturbance(self, key: Key) -> Disturbance:
        """Draw what is random in one update and, independent of it, in one sampled state. It sees no belief."""
        ...

    def sample_state(self, belief: Belief, disturbance: Disturbance) -> State:
        """Draw a hidden state from the belief, by reparameterisation."""
        ...

    def most_likely(self, belief: Belief) -> State:
        """Return a hidden state that no other is more likely than."""
        ...

    def update(
        self, belief: Belief, control: Int[Array, " m"], observation: Observation, disturbance: Disturbance
    ) -> Belief:
        """Return the belief after `control` was applied, the problem went on, and `observation` was made."""
        ...

    def likelihood(
        self, belief: Belief, control: Int[Array, " m"], observation: Observation, disturbance: Disturbance
    ) -> Float[Array, ""]:
        """Return the probability of `observation` after `control`, if the problem goes on: 0 for an impossible one."""
        ...


def observe(
    filter: Filter, belief: Belief, control: Shaped[ArrayLike, " m"] | Sequence[int], observation: Observation, key: Key
) -> Belief:
    """Update a belief with what was really seen: one stage of a team at work, outside compiled code.

    Args:
        filter: keeps the belief.
        belief: before the stage.
        control: what was applied.
        observation: what was seen then.
        key: decides what is random in the filter.

    Raises:
        InputError: the control or the observation is none of the model's, or the observation is impossible under the
            belief, so that Bayes' rule says nothing.
    """
    require_key(key)
    # What people and robots hand over are lists, Python numbers, integers of 64 bits.
    control, observation = jnp.asarray(control, jnp.int32), jax.tree.map(_as_compiled, observation, is_leaf=_is_list)
    disturbance = filter.sample_disturbance(key)
    seen = jax.tree.map(lambda leaf: leaf.tolist(), observation)
    _check_stage(filter.model, control, observation, seen)
    likelihood = float(filter.likelihood(belief, control, observation, disturbance))
    if not likelihood > 0:
        raise InputError(
            f"The observation {seen} after control {control.tolist()} has probability {likelihood:g} under this "
            "belief; check observation_likelihood, the prior, and that the belief has followed every stage, or take "
            "more particles."
        )
    return filter.update(belief, control, observation, disturbance)


def _is_list(leaf: Any) -> bool:
    return isinstance(leaf, list)


def _as_compiled(leaf: Any) -> Array:
    array = np.asarray(leaf)
    return jnp.asarray(array, jax.dtypes.canonicalize_dtype(array.dtype))


def _check_stage(model: Any, control: Int[Array, "..."], observation: Observation, seen: Any) -> None:
    """Refuse what compiled code would quietly take for the nearest that exists."""
    m, c = model.num_agents, model.num_controls
    if control.shape != (m,) or not bool(jnp.all((control >= 0) & (control < c))):
        raise InputError(
            f"The control {control.tolist()} is none of {type(model).__name__}; give a number from 0 to {c - 1} for "
            f"each of its agents, of which there are {m}."
        )
    listed = _optional.observations(model)
    if listed is not None and not _is_among(observation, listed()):
        raise InputError(
            f"The observation {seen} is none of those that {type(model).__name__}.observations() lists; give one of "
            "them, of the same shape."
        )


def _is_among(one: Any, many: Any) -> bool:
    parts, listed = jax.tree.leaves(one), jax.tree.leaves(many)
    if len(parts) != len(listed):
        return False
    leaves = list(zip(parts, listed, strict=True))
    if any(a.shape != b.shape[1:] for a, b in leaves):
        return False
    same = [jnp.all((a == b).reshape(b.shape[0], -1), axis=1) for a, b in leaves]
    return bool(jnp.any(jnp.all(jnp.stack(same), axis=0)))
