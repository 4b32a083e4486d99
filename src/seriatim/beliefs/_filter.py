"""Filters: from observations to beliefs.

A *belief* is what a team knows of a hidden state: a distribution, or something that stands for one. A filter updates
it by Bayes' rule after every stage,

    b'(x')  ~  P(o | x', u)  sum_x P(x' and the problem goes on | x, u) b(x).

That the problem goes on is known wherever it matters: after its end nothing is decided any more. So beliefs are
conditional on it, and no belief is needed of a state that has ended.

All randomness of a filter is drawn beforehand, as the disturbances of a model are. Beliefs under comparison then
meet the same draws.

Source: K. J. Astrom, Optimal Control of Markov Processes with Incomplete State Information, Journal of Mathematical
Analysis and Applications 10, 1965.
"""

from typing import Any, Protocol, TypeAlias, runtime_checkable

from jaxtyping import Array, Float, Int

from seriatim import _optional
from seriatim._arguments import require_callable
from seriatim._errors import InputError
from seriatim._preconditions import require_model
from seriatim.model import Disturbance, Key, Observation, ObservedModel, State

Belief: TypeAlias = Any  # a pytree of arrays; the same structure, shapes and dtypes at every stage


@runtime_checkable
class Filter(Protocol):
    """A rule that keeps a belief; its methods are pure and can be traced by JAX.

    An observation that the belief rules out gives no NaN. Each filter says what it gives; to have it refused, use
    `observe`.

    Optional methods, which belief models and policies use where they exist:

    * `support(belief) -> (State, Float["k"])`: the states a belief gives weight to, stacked, and their probabilities.
    * `expected_cost(belief, control) -> Float[""]`: the exact expected stage cost.
    * `outcomes(belief, control) -> (Belief, Float["k"], Bool["k"])`: the beliefs that may follow, their probabilities,
      and which of them are ends of the problem.
    """

    @property
    def model(self) -> ObservedModel:
        """The filter's model of the world."""
        ...

    def initial(self, key: Key) -> Belief:
        """Return the belief at the start of the episode whose state is `model.initial_state(key)`."""
        ...

    def sample_disturbance(self, key: Key) -> Disturbance:
        """Draw the random numbers of one update and, independent of them, of one sampled state. It sees no belief."""
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


def require_filter(filter: Any, kind: type = Filter) -> None:
    """Refuse what is no filter of a kind: a class, or an object that lacks a method.

    Raises:
        InputError: `filter` is the argument.
    """
    if isinstance(filter, type):
        raise InputError(
            f"filter={filter.__name__} is a class; give a filter made of it, such as {filter.__name__}(model)."
        )
    if not isinstance(filter, kind):
        what = (
            "filter; give an ExactFilter, or another"
            if kind is Filter
            else "filter of agents; give an ExactAgentFilter"
        )
        raise InputError(f"filter is a {type(filter).__name__}, which is no {what}.")
    update: Any = getattr(filter, "update", None)
    require_callable("filter.update", update, f"that of a {kind.__name__}", 4 if kind is Filter else 6)


def require_observed(model: Any, *methods: str) -> None:
    """Refuse a model with which nothing can be computed, or that does not say what is seen.

    Raises:
        InputError: it lacks one of the methods.
    """
    require_model(model, starts=True)
    missing = _optional.missing_methods(model, methods)
    if missing:
        raise InputError(
            f"{type(model).__name__} has no {missing[0]}(); beliefs need an observed model, with "
            "observation(state, control, disturbance) and observation_likelihood(observation, state, control)."
        )
