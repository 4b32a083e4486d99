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

from typing import Any, Protocol, TypeAlias, runtime_checkable

import jax
from jaxtyping import Array, Float, Int

from seriatim._errors import InputError
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


def observe(filter: Filter, belief: Belief, control: Int[Array, " m"], observation: Observation, key: Key) -> Belief:
    """Update a belief with what was really seen: one stage of a team at work, outside compiled code.

    Args:
        filter: keeps the belief.
        belief: before the stage.
        control: what was applied.
        observation: what was seen then.
        key: decides what is random in the filter.

    Raises:
        InputError: the observation is impossible under the belief, so that Bayes' rule says nothing.
    """
    disturbance = filter.sample_disturbance(key)
    likelihood = float(filter.likelihood(belief, control, observation, disturbance))
    if not likelihood > 0:
        seen = jax.tree.map(lambda leaf: leaf.tolist() if hasattr(leaf, "tolist") else leaf, observation)
        raise InputError(
            f"The observation {seen} after control {control.tolist()} has probability {likelihood:g} under this "
            "belief; check observation_likelihood, the prior, and that the belief has followed every stage, or take "
            "more particles."
        )
    return filter.update(belief, control, observation, disturbance)
