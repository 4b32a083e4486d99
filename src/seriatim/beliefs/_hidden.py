"""Simulation with a hidden state: the true state moves, and the policy sees only a belief about it.

A belief model is what a planner imagines. How good its decisions are is found out here, where the world may be another
than the one imagined: another model, or one the filter is wrong about.

Certainty equivalence makes a policy of beliefs of one of states: the most likely state is taken for the true one.

Source: D. Bertsekas, Dynamic Programming and Optimal Control, vol. I, 4th ed., Athena Scientific, 2017, section 6.2.
"""

import jax
from jaxtyping import Array, Int

from seriatim._optional import is_planner
from seriatim._preconditions import require_policy
from seriatim._record import record
from seriatim._wrapped_model import WrappedModel, of_state, passed_on
from seriatim.beliefs._belief_model import BeliefDisturbance, one_or_many
from seriatim.beliefs._filter import Belief, Filter, require_filter, require_observed
from seriatim.finite_horizon import TimedState
from seriatim.model import Key, ObservedModel, State, Transition
from seriatim.policy import Decision, Planner, Policy


@record
class HiddenState:
    """The true state, which no agent sees, and the belief about it."""

    state: State
    belief: Belief


@record
class HiddenModel(WrappedModel):
    """The world together with the team's filter: a `Model` whose state is a `HiddenState`.

    Play it with `on_belief(policy)`, which hands the policy the belief and nothing else; `simulate`, `evaluate` and
    `compare` apply unchanged. Costs, admissible controls and ends are those of the true state. Two policies, or two
    filters, under one key meet the same disturbances of the world.

    Attributes:
        model: the world as it is, with `observation`.
        filter: the team's filter; its model may be wrong.

    Raises:
        InputError: the model is not observed, or the filter is none.
    """

    model: ObservedModel
    filter: Filter
    lanes_last = True
    control_mask = passed_on(of_state)
    feasible = passed_on(of_state)

    def __post_init__(self) -> None:
        require_observed(self.model, "observation", "observation_likelihood")
        require_filter(self.filter)

    def initial_state(self, key: Key) -> HiddenState:
        """Draw the true state, and begin with the filter's first belief."""
        return HiddenState(self.model.initial_state(key), self.filter.initial(key))

    def sample_disturbance(self, key: Key) -> BeliefDisturbance:
        """Draw the random numbers of the world and of the filter, independently."""
        world, own = jax.random.split(key)
        return BeliefDisturbance(self.model.sample_disturbance(world), self.filter.sample_disturbance(own))

    def transition(
        self, state: HiddenState, control: Int[Array, " m *lanes"], disturbance: BeliefDisturbance
    ) -> Transition:
        """Let the true state move, and update the belief by the observation."""
        return one_or_many(self._transition, state, control, disturbance)

    def _transition(self, state: HiddenState, control: Int[Array, " m"], disturbance: BeliefDisturbance) -> Transition:
        after = self.model.transition(state.state, control, disturbance.model)
        seen = self.model.observation(after.state, control, disturbance.model)
        belief = self.filter.update(state.belief, control, seen, disturbance.filter)
        return Transition(state=HiddenState(after.state, belief), cost=after.cost, done=after.done)


@record
class OnBelief:
    """The policy of hidden states that gives `policy` the belief alone, with the time left if there is one."""

    policy: Policy

    def __call__(self, info: HiddenState | TimedState, key: Key) -> Int[Array, " m"]:
        """Choose by the belief."""
        return self.policy(_believed(info), key)


@record
class PlanningOnBelief:
    """The planner of hidden states that gives `planner` the belief alone, with the time left if there is one."""

    planner: Planner

    @property
    def base(self) -> OnBelief:
        """The planner's base policy, of hidden states too."""
        return OnBelief(self.planner.base)

    def __call__(self, info: HiddenState | TimedState, key: Key) -> Int[Array, " m"]:
        """Choose by the belief."""
        return self.planner(_believed(info), key)

    def decide(self, info: HiddenState | TimedState, key: Key) -> Decision:
        """Decide by the belief."""
        return self.planner.decide(_believed(info), key)


def _believed(info: HiddenState | TimedState) -> Belief:
    """Return the belief, or the belief and how many stages are left."""
    return TimedState(info.state.belief, info.left) if isinstance(info, TimedState) else info.belief


def on_belief(policy: Policy) -> OnBelief | PlanningOnBelief:
    """Make a policy of hidden states from one of beliefs; of a planner, a planner.

    Args:
        policy: of the beliefs of the filter it will be played with; of timed beliefs, where a
            `FiniteHorizon(HiddenModel(...), N)` is played.

    Raises:
        InputError: it cannot be called.
    """
    require_policy("policy", policy)
    return PlanningOnBelief(policy) if is_planner(policy) else OnBelief(policy)


@record
class CertaintyEquivalent:
    """The policy of beliefs that asks a policy of states what to do in the most likely state.

    Guarantee: none. It never looks for its own sake, and where it is surely wrong it may repeat itself for ever. As a
    base policy of rollout it often serves well.

    Attributes:
        policy: of the model's states: a heuristic, or `exact.value_iteration(model).policy`.
        filter: whose beliefs they are.

    Raises:
        InputError: the policy cannot be called, or the filter is none.
    """

    policy: Policy
    filter: Filter

    def __post_init__(self) -> None:
        require_policy("policy", self.policy)
        require_filter(self.filter)

    def __call__(self, info: Belief, key: Key) -> Int[Array, " m"]:
        """Return the control of the most likely state."""
        return self.policy(self.filter.most_likely(info), key)
