"""A filter for each agent of a team, made of one filter that sees everything and a convention for missing observations.

Agent i updates its own belief with the joint control v, in which those of agents it does not hear are guessed, and with
the observation in which their entries are 0. The convention is the model's: *an entry of 0 says nothing*. Then what
others saw without telling weighs nothing, and no sum over it is needed. Factored beliefs become, site by site,

    b_i'(k)  ~  L_i(k) sum_j P_i(j, k; v) b_i(j),      L of what was seen by those heard;

particles move under v and are weighed by what was heard. What is known of the others, where they are say, is a guess,
too, until they are heard again.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from seriatim._errors import InputError
from seriatim._preconditions import require_policy
from seriatim._record import record
from seriatim.beliefs._exact_filter import ExactFilter
from seriatim.beliefs._filter import Filter, require_filter
from seriatim.beliefs.decentralised._agent_filter import Known
from seriatim.model import Disturbance, Key, Observation, State
from seriatim.policy import Policy


@record
class PerAgentFilter:
    """A filter for each agent of a team: `FactoredFilter`, or `ParticleFilter`; an agent's knowledge is its own belief.

    Assumptions: those who are not heard do what `guess` says at the agent's own belief; and an entry of 0 in an
    observation says nothing, in the model's likelihoods (and `next_known`). With everybody heard at every stage, all
    have the one belief of `filter`.

    Attributes:
        filter: of one who sees everything.
        guess: a policy of beliefs: what others do who are not heard; it is called with one and the same key.

    Raises:
        InputError: `filter` is an `ExactFilter`, which needs a sum, or no filter; or `guess` cannot be called.
    """

    filter: Filter
    guess: Policy

    def __post_init__(self) -> None:
        if isinstance(self.filter, ExactFilter):
            raise InputError(
                "PerAgentFilter cannot leave out what an ExactFilter would sum over; use ExactAgentFilter."
            )
        require_filter(self.filter)
        require_policy("guess", self.guess)

    @property
    def model(self) -> Any:
        """The agents' model of the world."""
        return self.filter.model

    def initial(self, key: Key) -> Known:
        """Return the prior, once for each agent: arrays have a leading axis m."""
        prior, m = self.filter.initial(key), self.filter.model.num_agents
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (m, *leaf.shape)), prior)

    def sample_disturbance(self, key: Key) -> Disturbance:
        """Draw the random numbers of one update, and of one sampled state."""
        return self.filter.sample_disturbance(key)

    def sample_state(self, known: Known, disturbance: Disturbance) -> State:
        """Draw a state from an agent's belief."""
        return self.filter.sample_state(known, disturbance)

    def most_likely(self, known: Known) -> State:
        """Return the state that no other is more likely than, by an agent's belief."""
        return self.filter.most_likely(known)

    def update(
        self,
        known: Known,
        agent: Int[Array, ""],
        control: Int[Array, " m"],
        observation: Observation,
        heard: Bool[Array, " m"],
        disturbance: Disturbance,
    ) -> Known:
        """Update by controls, observations and messages; `agent` is not used."""
        del agent
        guessed = jnp.asarray(self.guess(known, jax.random.key(0)), jnp.int32)
        return self.filter.update(known, jnp.where(heard, control, guessed), observation, disturbance)
