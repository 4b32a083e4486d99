"""Models with memory: the state includes what agents remember, so that planners plan for memories too.

    (x, h)' = (f(x, u, w), h'(o(x), h))

What an agent remembers is a function of what it saw, so it is part of the state like any other: a rollout on a base
policy that remembers must remember along every simulated future. Disturbances, costs and ends are the model's own.
"""

from jaxtyping import Array, Float, Int

from seriatim._record import record
from seriatim._wrapped_model import WrappedModel, of_state, passed_on
from seriatim.model import Disturbance, Key, Model, State, Transition
from seriatim.networks._decentralised import DecentralisedPolicy
from seriatim.policy import Policy


@record
class Remembered:
    """A state of the model, and what each agent remembers, `[m, h]`."""

    state: State
    memory: Float[Array, "*batch m h"]


@record
class WithMemory(WrappedModel):
    """The model with the memories of the policy's agents in its state.

    Attributes:
        model: the problem.
        policy: whose agents remember.
    """

    model: Model
    policy: DecentralisedPolicy

    control_mask = passed_on(of_state)
    feasible = passed_on(of_state)
    nominal_disturbance = passed_on()
    base_policy = passed_on(lambda _, made: lambda: IgnoreMemory(made()))

    def initial_state(self, key: Key) -> Remembered:
        """Draw the start; agents remember nothing."""
        return Remembered(self.model.initial_state(key), self.policy.blank())

    def transition(self, state: Remembered, control: Int[Array, " m"], disturbance: Disturbance) -> Transition:
        """Play one stage of the model, and let every agent remember what it saw at the start of it."""
        after = self.model.transition(state.state, control, disturbance)
        _, memory = self.policy.propose(self.policy.model.agent_observations(state.state), state.memory)
        return Transition(Remembered(after.state, memory), after.cost, after.done)


@record
class IgnoreMemory:
    """A policy of the model's states, as a policy of states with memories, which it does not look at."""

    policy: Policy

    def __call__(self, info: Remembered, key: Key) -> Int[Array, " m"]:
        """Return the policy's control."""
        return self.policy(info.state, key)
