"""What each agent of a team believes of independent sites, by what it did, saw and heard.

As `TeamFilter`, but a belief is a distribution for each site and what is known of the rest (where the robots are):

    b_i'(k)  ~  L_i(k) sum_j P_i(j, k; v) b_i(j),

with v the joint control in which those of agents not heard are guessed, and L the likelihood of what was seen by those
heard. Sites that others looked at without telling keep their prediction. What is known of the others is a guess, too,
until they are heard again.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from seriatim._errors import InputError
from seriatim._record import record
from seriatim.beliefs._factored_filter import FactoredBelief, FactoredFilter
from seriatim.model import Key, Observation, State
from seriatim.policy import Policy


@record
class FactoredTeamFilter:
    """Bayes' rule site by site for each agent of a team; what an agent knows is its own `FactoredBelief`.

    Assumptions: those who are not heard do what `guess` says at the agent's own belief; and an entry of 0 in an
    observation says nothing, in the model's `site_likelihood` and `next_known` (that is what is put in the place of
    agents not heard). With everybody heard at every stage, all have the belief of `FactoredFilter`.

    Attributes:
        factored: the filter of one who sees everything.
        guess: a policy of beliefs: what others do who are not heard; it is called with one and the same key.

    Raises:
        InputError: `factored` is no `FactoredFilter`, or `guess` cannot be called.
    """

    factored: FactoredFilter
    guess: Policy

    def __post_init__(self) -> None:
        if not isinstance(self.factored, FactoredFilter):
            raise InputError(f"factored={self.factored!r} is no FactoredFilter; for an ExactFilter, use TeamFilter.")
        if not callable(self.guess):
            raise InputError(
                f"guess={self.guess!r} cannot be called; give a policy of beliefs, such as the base policy."
            )

    @property
    def model(self) -> object:
        """What the agents believe of the world."""
        return self.factored.model

    def initial(self, key: Key) -> FactoredBelief:
        """Return the prior, once for each agent: arrays have a leading axis m."""
        prior = self.factored.initial(key)
        m = self.factored.model.num_agents
        stacked: FactoredBelief = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (m, *leaf.shape)), prior)
        return stacked

    def sample_disturbance(self, key: Key) -> Float[Array, " n"]:
        """Draw the uniform numbers that `sample_state` needs."""
        return self.factored.sample_disturbance(key)

    def sample_state(self, known: FactoredBelief, disturbance: Float[Array, " n"]) -> State:
        """Draw a state from an agent's belief."""
        return self.factored.sample_state(known, disturbance)

    def most_likely(self, known: FactoredBelief) -> State:
        """Return the state of each site's most likely level."""
        return self.factored.most_likely(known)

    def update(
        self,
        known: FactoredBelief,
        agent: Int[Array, ""],
        control: Int[Array, " m"],
        observation: Observation,
        heard: Bool[Array, " m"],
        disturbance: Float[Array, " n"] | None = None,
    ) -> FactoredBelief:
        """Apply Bayes' rule to what was done, seen and heard; `agent` and `disturbance` are not used."""
        del agent, disturbance
        guessed = jnp.asarray(self.guess(known, jax.random.key(0)), jnp.int32)
        return self.factored.update(known, jnp.where(heard, control, guessed), observation)
