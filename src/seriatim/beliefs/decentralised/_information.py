"""Each agent has its own information: the true state moves, and every agent learns by its own eyes and by messages.

In each stage agent i applies its control, sees its own observation, and hears agent j's control and observation where
j's message arrives: independently with probability rho for each sender, receiver and stage, and only within reach. A
message that is lost is lost for good. With rho = 1 all know the same, and this is the problem of a shared belief.

Source: D. Bernstein, R. Givan, N. Immerman, S. Zilberstein, The Complexity of Decentralized Control of Markov Decision
Processes, Mathematics of Operations Research 27(4), 2002.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from seriatim._arguments import require_callable, require_real
from seriatim._record import record
from seriatim._wrapped_model import WrappedModel, of_state, passed_on
from seriatim.beliefs._belief_model import one_or_many
from seriatim.beliefs._filter import require_filter, require_observed
from seriatim.beliefs.decentralised._agent_filter import AgentFilter, Known, check_rows
from seriatim.model import Disturbance, Key, Observation, State, Transition

# Sets the randomness of messages apart from that of the world and the filter.
MESSAGES = 0x3A11


@record
class Information:
    """The true state, which no agent sees, and the knowledge of each agent, stacked along a leading axis m."""

    state: State
    known: Known


class InformationDisturbance(NamedTuple):
    """The random numbers of one stage: the world, each agent's filter, and a uniform number for each message."""

    model: Disturbance
    filter: Disturbance
    messages: Float[Array, "m m"]


@record
class InformationModel(WrappedModel):
    """The world together with each agent's knowledge: a `Model` whose state is an `Information`.

    Play it with `IndependentPlanning(policy, filter)`; `simulate`, `evaluate` and `compare` apply unchanged. Costs,
    admissible controls and ends are those of the true state. Under one key, policies, filters and rates of arrival meet
    the same disturbances of the world, and the messages that arrive at one rate arrive at every higher rate.

    Guarantee: nothing reaches an agent's knowledge but its own control and observation and those it hears; the rest is
    set to 0 before the filter sees it.

    Attributes:
        model: the world as it is; `observation(state, control, disturbance)` says what each agent sees, `[m, ...]`.
        filter: what the agents know by.
        arrival: rho, the probability that a message arrives, in [0, 1]: 1 always, 0 never.
        in_reach: says for a new state who can hear whom, `[m, m]`, receivers first; None is everybody.

    Raises:
        InputError: the model shows nothing to each agent, or an argument is out of range.
    """

    model: Any
    filter: AgentFilter
    arrival: float | Float[Array, ""] = 1.0
    in_reach: Callable[[State], Bool[Array, "m m"]] | None = None
    lanes_last = True
    control_mask = passed_on(of_state)
    feasible = passed_on(of_state)

    def __post_init__(self) -> None:
        require_observed(self.model, "observation")
        require_filter(self.filter, AgentFilter)
        require_real("arrival", self.arrival, "the probability that a message arrives, from 0 to 1", least=0, most=1)
        if self.in_reach is not None:
            require_callable("in_reach", self.in_reach, "a function of the state, or None")
        check_rows(type(self.model).__name__, jax.eval_shape(self._first_observation), self.num_agents)

    def initial_state(self, key: Key) -> Information:
        """Draw the true state, and each agent's first knowledge of it."""
        return Information(self.model.initial_state(key), self.filter.initial(key))

    def sample_disturbance(self, key: Key) -> InformationDisturbance:
        """Draw the random numbers of the world, the filters and the messages, independently."""
        world, own = jax.random.split(key)
        agents = jax.random.split(own, self.num_agents)
        return InformationDisturbance(
            self.model.sample_disturbance(world),
            jax.vmap(self.filter.sample_disturbance)(agents),
            # A key of its own: messages are the same whatever the filters draw.
            jax.random.uniform(jax.random.fold_in(own, MESSAGES), (self.num_agents, self.num_agents)),
        )

    def transition(
        self, state: Information, control: Int[Array, " m *lanes"], disturbance: InformationDisturbance
    ) -> Transition:
        """Let the true state move; every agent looks, listens and learns."""
        return one_or_many(self._transition, state, control, disturbance)

    def _transition(
        self, state: Information, control: Int[Array, " m"], disturbance: InformationDisturbance
    ) -> Transition:
        after = self.model.transition(state.state, control, disturbance.model)
        seen = self.model.observation(after.state, control, disturbance.model)
        heard = self.heard(after.state, disturbance.messages)
        known = self.learnt(state.known, control, seen, heard, disturbance.filter)
        return Transition(state=Information(after.state, known), cost=after.cost, done=after.done)

    def heard(self, state: State, messages: Float[Array, "m m"]) -> Bool[Array, "m m"]:
        """Say whom each agent hears, receivers first; everyone knows of itself."""
        arrived = messages < self.arrival
        if self.in_reach is not None:
            arrived = arrived & self.in_reach(state)
        return arrived | jnp.eye(self.num_agents, dtype=bool)

    def learnt(
        self,
        known: Known,
        control: Int[Array, " m"],
        observation: Observation,
        heard: Bool[Array, "m m"],
        disturbance: Disturbance,
    ) -> Known:
        """Update each agent's knowledge by its own control, observation and messages, and by nothing else."""

        def one(known: Known, agent: Int[Array, ""], heard: Bool[Array, " m"], own: Disturbance) -> Known:
            # Entries of agents that were not heard are zeros, so that no filter can use them.
            told = jax.tree.map(lambda leaf: only(heard, leaf), observation)
            return self.filter.update(known, agent, only(heard, control), told, heard, own)

        return jax.vmap(one)(known, jnp.arange(self.num_agents), heard, disturbance)

    def _first_observation(self) -> Observation:
        key = jax.random.key(0)
        control = jnp.zeros(self.num_agents, jnp.int32)
        return self.model.observation(self.model.initial_state(key), control, self.model.sample_disturbance(key))


def only(heard: Bool[Array, " m"], leaf: Array) -> Array:
    """Keep the entries of the agents heard, and set the others to 0."""
    return jnp.where(heard.reshape(-1, *[1] * (leaf.ndim - 1)), leaf, jnp.zeros_like(leaf))
