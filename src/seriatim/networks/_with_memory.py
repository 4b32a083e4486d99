"""Models with memory: the state includes what agents remember, so that planners plan for memories too.

    (x, h)' = (f(x, u, w), h'(o(x), h))

What an agent remembers is a function of what it saw, so it is part of the state like any other: a rollout on a base
policy that remembers must remember along every simulated future. Disturbances, costs and ends are the model's own.
"""

from collections.abc import Callable
from typing import Any

from jaxtyping import Array, Bool, Float, Int

from seriatim._preconditions import ends_after
from seriatim._record import record
from seriatim.model import Disturbance, Key, Model, State, Transition
from seriatim.networks._decentralised import DecentralisedPolicy
from seriatim.policy import Policy


@record
class Remembered:
    """A state of the model, and what each agent remembers, `[m, h]`."""

    state: State
    memory: Float[Array, "*batch m h"]


@record
class WithMemory:
    """The model with the memories of the policy's agents in its state.

    Attributes:
        model: the problem.
        policy: whose agents remember.
    """

    model: Model
    policy: DecentralisedPolicy

    @property
    def num_agents(self) -> int:
        """The number of agents, m."""
        return self.model.num_agents

    @property
    def num_controls(self) -> int:
        """The number of controls of one agent, c."""
        return self.model.num_controls

    @property
    def discount(self) -> float | Float[Array, ""]:
        """The discount factor of one stage."""
        return self.model.discount

    @property
    def ends_after(self) -> int | None:
        """The number of stages after which the problem ends on purpose, if the model says one."""
        return ends_after(self.model)

    @property
    def feasible(self) -> Callable[[Remembered, Int[Array, " m"]], Bool[Array, ""]] | None:
        """The model's coupled constraints, if it has any."""
        inner = getattr(self.model, "feasible", None)
        return None if inner is None else lambda state, control: inner(state.state, control)

    def initial_state(self, key: Key) -> Remembered:
        """Draw the start; agents remember nothing."""
        return Remembered(self.model.initial_state(key), self.policy.blank())

    def control_mask(self, state: Remembered) -> Bool[Array, "m c"]:
        """Say which controls each agent may choose."""
        return self.model.control_mask(state.state)

    def sample_disturbance(self, key: Key) -> Disturbance:
        """Draw the model's disturbance."""
        return self.model.sample_disturbance(key)

    def transition(self, state: Remembered, control: Int[Array, " m"], disturbance: Disturbance) -> Transition:
        """Play one stage of the model, and let every agent remember what it saw at the start of it."""
        after = self.model.transition(state.state, control, disturbance)
        _, memory = self.policy.propose(self.policy.model.agent_observations(state.state), state.memory)
        return Transition(Remembered(after.state, memory), after.cost, after.done)

    def base_policy(self) -> Policy:
        """Return the model's own heuristic."""
        base: Any = self.model
        return IgnoreMemory(base.base_policy())


@record
class IgnoreMemory:
    """A policy of the model's states, as a policy of states with memories, which it does not look at."""

    policy: Policy

    def __call__(self, info: Remembered, key: Key) -> Int[Array, " m"]:
        """Return the policy's control."""
        return self.policy(info.state, key)
