"""The filter of one agent alone: Bayes' rule for its control, observation and messages, with others' choices guessed.

Agent i knows its own control and observation, and those of the agents it hears, H. With v the joint control in which
those of the others are guessed,

    b'(x')  ~  sum over o that agree with what H saw of  P(o | x', v)  sum_x P(x'|x, v) b(x).

The observations of the others are marginalised; their controls are guessed, not marginalised: the exact belief is one
over states and all histories of the others, and grows with every stage. The rule is exact where guesses come true, and
always where everyone is heard.

Source: F. Oliehoek and C. Amato, A Concise Introduction to Decentralized POMDPs, Springer, 2016, chapter 2.
"""

from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from seriatim._errors import InputError
from seriatim._preconditions import require_policy
from seriatim._record import record
from seriatim.beliefs._exact_filter import ExactFilter, normalised
from seriatim.model import Disturbance, Key, Observation, State
from seriatim.policy import Policy

Known = Any  # what one agent knows: a pytree of arrays; stacked along a leading axis m for the team


@runtime_checkable
class AgentFilter(Protocol):
    """A rule that keeps each agent's knowledge; its methods are pure and can be traced by JAX."""

    @property
    def model(self) -> Any:
        """The agents' model of the world."""
        ...

    def initial(self, key: Key) -> Known:
        """Return each agent's knowledge, `[m]`, at the start of the episode with state `model.initial_state(key)`."""
        ...

    def sample_disturbance(self, key: Key) -> Disturbance:
        """Draw the random numbers of one update and, independent of them, of one sampled state."""
        ...

    def update(
        self,
        known: Known,
        agent: Int[Array, ""],
        control: Int[Array, " m"],
        observation: Observation,
        heard: Bool[Array, " m"],
        disturbance: Disturbance,
    ) -> Known:
        """Return one agent's knowledge after a stage; entries of agents it did not hear are 0, and mean nothing."""
        ...

    def sample_state(self, known: Known, disturbance: Disturbance) -> State:
        """Draw a state that agrees with one agent's knowledge."""
        ...

    def most_likely(self, known: Known) -> State:
        """Return the state that one agent takes for the most likely."""
        ...


@record
class ExactAgentFilter:
    """Bayes' rule for each agent of a finite team; an agent's knowledge is its belief, `[s]`.

    Assumption: those who are not heard do what `guess` says at the agent's own belief. What an agent saw may be
    impossible under a wrong guess; then, as in `ExactFilter`, it keeps the prediction, as if it had seen nothing.

    Attributes:
        exact: the filter of one who sees everything; its model lists joint observations, `[o, m]`.
        guess: a policy of beliefs: what others do who are not heard; it is called with one and the same key.

    Raises:
        InputError: the model does not list its observations, or not one for each agent.
    """

    exact: ExactFilter
    guess: Policy

    def __post_init__(self) -> None:
        if not isinstance(self.exact, ExactFilter):
            raise InputError(f"exact is a {type(self.exact).__name__}; give an ExactFilter of the team's model.")
        model: Any = self.exact.model
        name = type(model).__name__
        if self.exact.observation_table is None:
            raise InputError(f"{name} has no observations(); one agent's belief needs them: all, stacked, [o, m, ...].")
        check_rows(name, jax.tree.map(lambda leaf: leaf[0], model.observations()), model.num_agents)
        require_policy("guess", self.guess)

    @property
    def model(self) -> Any:
        """The agents' model of the world."""
        return self.exact.model

    def initial(self, key: Key) -> Float[Array, "m s"]:
        """Return the prior, once for each agent; `key` is not used."""
        prior = self.exact.initial(key)
        return jnp.broadcast_to(prior, (self.model.num_agents, *prior.shape))

    def sample_disturbance(self, key: Key) -> Float[Array, ""]:
        """Draw the uniform number that `sample_state` needs."""
        return self.exact.sample_disturbance(key)

    def sample_state(self, known: Float[Array, " s"], disturbance: Float[Array, ""]) -> State:
        """Draw a state from an agent's belief."""
        return self.exact.sample_state(known, disturbance)

    def most_likely(self, known: Float[Array, " s"]) -> State:
        """Return the first of the most likely states."""
        return self.exact.most_likely(known)

    def update(
        self,
        known: Float[Array, " s"],
        agent: Int[Array, ""],
        control: Int[Array, " m"],
        observation: Observation,
        heard: Bool[Array, " m"],
        disturbance: Float[Array, ""] | None = None,
    ) -> Float[Array, " s"]:
        """Apply Bayes' rule to controls, observations and messages; `agent` and `disturbance` are not used."""
        del agent, disturbance
        guessed = jnp.asarray(self.guess(known, jax.random.key(0)), jnp.int32)
        predicted = self.exact.predicted(known, jnp.where(heard, control, guessed))
        agree = jax.vmap(lambda listed: _agrees(listed, observation, heard))(self.model.observations())
        table = self.exact.likelihoods(jnp.where(heard, control, guessed))
        seen = jnp.sum(jnp.where(agree, table, 0.0), axis=1)
        return normalised(predicted * seen, normalised(predicted, known))


def check_rows(name: str, observation: Observation, num_agents: int) -> None:
    """Refuse observations that do not say which part of them each agent makes."""
    shapes = [leaf.shape for leaf in jax.tree.leaves(observation)]
    if any(shape[:1] != (num_agents,) for shape in shapes):
        raise InputError(
            f"The observations of {name} have shapes {shapes}; where each agent has its own information, every array "
            f"needs a leading axis of {num_agents} agents."
        )


def _agrees(listed: Observation, seen: Observation, heard: Bool[Array, " m"]) -> Bool[Array, ""]:
    """Say whether a joint observation agrees with those of the agents that were heard."""
    same = jax.tree.map(lambda a, b: jnp.all((a == b).reshape(heard.shape[0], -1), axis=1), listed, seen)
    return jnp.all(jnp.all(jnp.stack(jax.tree.leaves(same)), axis=0) | ~heard)
