"""A partially observed problem as a model: its state is a belief.

    b' = update(b, u, o),   g(b, u) = E[ g(x, u, w) | b ],   o the observation of f(x, u, w),   x drawn from b.

Theorem (sufficiency). For the optimal cost, the belief serves as well as the whole history of observations. So a
planner over states is a planner over beliefs. The disturbance draws the hidden state, the transition with its
observation, and the filter's random numbers, all without knowing the belief: beliefs under comparison meet the same
draws.

Source: D. Bertsekas, Dynamic Programming and Optimal Control, vol. I, 4th ed., Athena Scientific, 2017, chapter 4.

Many beliefs are mapped side by side, lanes last. A belief is itself an array, of states or particles. Its sums run over
many places, and a filter resamples by looking places up; `jax.vmap` compiles that ten times as fast as a transformation
made for scalar models, and it runs ten times as fast. So models over beliefs say `lanes_last`, and map themselves.
"""

from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from seriatim import _optional
from seriatim._errors import InputError
from seriatim._record import record, static
from seriatim._wrapped_model import Method, WrappedModel, passed_on
from seriatim.beliefs._filter import Belief, Filter, require_filter, require_observed
from seriatim.model import Disturbance, Key, ObservedModel, Transition


class BeliefDisturbance(NamedTuple):
    """The random numbers of one stage: those of the world, and those of the filter."""

    model: Disturbance
    filter: Disturbance


def _wherever_it_may_be(problem: Any, feasible: Method) -> Method:
    """Make the constraints of beliefs: every state of positive probability must allow the joint control."""
    support = _optional.support(problem.filter)

    def allowed(state: Belief, control: Int[Array, " m"]) -> Bool[Array, ""]:
        if support is None:
            return jnp.asarray(feasible(problem.filter.most_likely(state), control))
        states, weights = support(state)
        return jnp.all(jax.vmap(lambda x: feasible(x, control))(states) | (weights <= 0))

    return allowed


@record
class BeliefModel(WrappedModel):
    """A planner's model of a problem whose state is hidden: a `Model` whose state is a belief.

    The stage cost is the expected stage cost under the belief where the filter knows it (`ExactFilter`). Else it is the
    stage cost of the hidden state drawn: the same in the mean, with more noise.

    Controls are admissible at a belief if they are at every state of positive probability; an agent left without any
    by that may do what the state of largest weight admits. A joint control is feasible if it is at every such state.
    Where the filter lists no states (`FactoredFilter`), the most likely one speaks for all.

    With an `ExactFilter` of a model that lists its observations the outcomes of a control can be enumerated, so that
    `Simulation(expectation="exact")` applies.

    Attributes:
        model: the problem, with `observation` and `observation_likelihood`.
        filter: keeps the belief. If it was made for another model than `model`, it is a wrong filter: costs are then
            those of the states drawn, and outcomes cannot be enumerated.
        consistent: whether the filter was made for this very model; found out when the record is built.

    Raises:
        InputError: the model is not observed, or the filter is none.
    """

    model: ObservedModel
    filter: Filter
    consistent: bool = static(init=False)
    lanes_last = True
    feasible = passed_on(_wherever_it_may_be)

    def __post_init__(self) -> None:
        require_observed(self.model, "observation", "observation_likelihood")
        require_filter(self.filter)
        object.__setattr__(self, "consistent", self.filter.model is self.model)

    def initial_state(self, key: Key) -> Belief:
        """Return the filter's first belief."""
        return self.filter.initial(key)

    def control_mask(self, state: Belief) -> Bool[Array, "m c"]:
        """Say which controls every state of positive probability admits."""
        support = _optional.support(self.filter)
        if support is None:
            return jnp.asarray(self.model.control_mask(self.filter.most_likely(state)))
        states, weights = support(state)
        masks = jax.vmap(self.model.control_mask)(states)
        likely = masks[jnp.argmax(weights)]
        everywhere = jnp.all(masks | (weights <= 0)[:, None, None], axis=0)
        return jnp.where(jnp.any(everywhere, axis=1, keepdims=True), everywhere, likely)

    def sample_disturbance(self, key: Key) -> BeliefDisturbance:
        """Draw the random numbers of the world and of the filter."""
        world, own = jax.random.split(key)
        return BeliefDisturbance(self.model.sample_disturbance(world), self.filter.sample_disturbance(own))

    def transition(self, state: Belief, control: Int[Array, " m *lanes"], disturbance: BeliefDisturbance) -> Transition:
        """Draw a hidden state, let it move, and update the belief by the observation."""
        return one_or_many(self._transition, state, control, disturbance)

    def _transition(self, state: Belief, control: Int[Array, " m"], disturbance: BeliefDisturbance) -> Transition:
        hidden = self.filter.sample_state(state, disturbance.filter)
        after = self.model.transition(hidden, control, disturbance.model)
        seen = self.model.observation(after.state, control, disturbance.model)
        belief = self.filter.update(state, control, seen, disturbance.filter)
        return Transition(state=belief, cost=self._cost(state, control, after.cost), done=after.done)

    def outcomes(self, state: Belief, control: Int[Array, " m"]) -> tuple[Transition, Float[Array, " k"]]:
        """Enumerate the observations: the beliefs they lead to, and their probabilities.

        Raises:
            InputError: the filter cannot enumerate, or is one of another model.
        """
        enumerate_beliefs, expected = _optional.outcomes(self.filter), _optional.expected_cost(self.filter)
        lists = _optional.observations(self.model) is not None
        if enumerate_beliefs is None or expected is None or not lists or not self.consistent:
            raise InputError(
                f"The outcomes of a belief can be enumerated by an ExactFilter of the same model, if that has "
                f"observations(); here is a {type(self.filter).__name__} of {type(self.filter.model).__name__}: use "
                "expectation='sampled'."
            )
        beliefs, probability, done = enumerate_beliefs(state, control)
        cost = jnp.broadcast_to(expected(state, control), probability.shape)
        return Transition(state=beliefs, cost=cost, done=done), probability

    def _cost(self, belief: Belief, control: Int[Array, " m"], drawn: Any) -> Float[Array, ""]:
        expected = _optional.expected_cost(self.filter)
        if expected is None or not self.consistent:
            return jnp.asarray(drawn, float)
        return jnp.asarray(expected(belief, control), float)


def one_or_many(transition: Any, state: Any, control: Any, disturbance: Any) -> Transition:
    """Apply the transition of one state, or map it over lanes, the last axis, where the control has one."""
    mapped = transition if control.ndim == 1 else jax.vmap(transition, in_axes=-1, out_axes=-1)
    return cast(Transition, mapped(state, control, disturbance))
