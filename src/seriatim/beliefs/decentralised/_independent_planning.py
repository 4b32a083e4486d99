"""Each agent plans on its own: it completes its knowledge to a state, plans for the team, and does its own part.

    u_i = i-th component of policy(completion(what i knows)).

Agents that know the same plan the same, for they share the planner and the seed; then this is the policy of a shared
belief. Agents that know different things may get into each other's way: there is no guarantee. What a planner guesses
its predecessors will choose is the planner's: `SignallingRollout(signal=)`, the base policy by default, or a network;
`OneAtATimeRollout` plans for them, as if they knew what the agent knows.

Source: D. Bertsekas, Multiagent Reinforcement Learning: Rollout and Policy Iteration, IEEE/CAA Journal of Automatica
Sinica 8(2), 2021, section V (imperfect state information).
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from seriatim._arguments import require_whole
from seriatim._errors import InputError
from seriatim._preconditions import require_policy
from seriatim._record import record, static, with_fields
from seriatim.beliefs._filter import require_filter
from seriatim.beliefs.decentralised._agent_filter import AgentFilter, Known
from seriatim.beliefs.decentralised._information import Information
from seriatim.finite_horizon import TimedState
from seriatim.model import Key
from seriatim.policy import Policy

# States that each agent may draw: each is planned at.
MOST_SAMPLES = 10**6
COMPLETIONS = ("belief", "most-likely", "sampled", "network")


@record
class IndependentPlanning:
    """The policy in which every agent plans on its own completion and applies its own component.

    Attributes:
        policy: a planner or policy of completions: of what the filter keeps ("belief", "network"), else of states. A
            policy of what is known, a trained network say, is used with "belief".
        filter: whose knowledge it is.
        completion: "belief" hands on what the agent knows as it is; "most-likely" takes the most likely state for the
            true one; "sampled" draws `num_samples` states, and the agent does what most of them call for, the control
            of least number among equals; "network" hands on what `network` makes of it.
        num_samples: states drawn.
        network: from what an agent knows, and its number, to the completion: `training.fit_completion` makes one.

    Raises:
        InputError: an argument is out of range.
    """

    policy: Policy
    filter: AgentFilter
    completion: str = static(default="belief")
    num_samples: int = static(default=1)
    network: Callable[[Known, Int[Array, ""]], Any] | None = None

    def __post_init__(self) -> None:
        require_policy("policy", self.policy)
        require_filter(self.filter, AgentFilter)
        if self.completion not in COMPLETIONS:
            raise InputError(f"completion={self.completion!r}: give one of {', '.join(map(repr, COMPLETIONS))}.")
        require_whole("num_samples", self.num_samples, 1, MOST_SAMPLES, advice=" of states")
        if callable(self.network) != (self.completion == "network"):
            raise InputError(
                f"completion={self.completion!r}, network={self.network!r}: give a network with completion='network', "
                "and with no other."
            )

    def __call__(self, info: Information | TimedState, key: Key) -> Int[Array, " m"]:
        """Let every agent choose by its own knowledge, all with the same key: a seed agreed on beforehand.

        In a `FiniteHorizon(InformationModel(...), N)` all know how many stages are left: the policy is then one of
        timed completions.
        """
        if isinstance(info, TimedState):
            return with_fields(self, policy=_WithTime(self.policy, info.left))(info.state, key)
        if not isinstance(info, Information):
            raise InputError(
                f"IndependentPlanning was given a {type(info).__name__}, and needs what each agent knows; play it in "
                "an InformationModel."
            )
        return self.of_known(info.known, key)

    def of_known(self, known: Known, key: Key) -> Int[Array, " m"]:
        """Return the joint control for the agents' knowledge, stacked `[m]`."""
        agents = jnp.arange(jax.tree.leaves(known)[0].shape[0])
        return jax.vmap(lambda own, agent: self._choice(own, agent, key))(known, agents)

    def _choice(self, known: Known, agent: Int[Array, ""], key: Key) -> Int[Array, ""]:
        if self.completion == "belief":
            return jnp.asarray(self.policy(known, key)[agent], jnp.int32)
        if self.network is not None:
            return jnp.asarray(self.policy(self.network(known, agent), key)[agent], jnp.int32)
        if self.completion == "most-likely":
            return jnp.asarray(self.policy(self.filter.most_likely(known), key)[agent], jnp.int32)
        drawing, planning = jax.random.split(key)
        draws = jax.vmap(self.filter.sample_disturbance)(jax.random.split(drawing, self.num_samples))
        states = jax.vmap(self.filter.sample_state, (None, 0))(known, draws)
        controls = jax.vmap(lambda state: self.policy(state, planning)[agent])(states)
        votes = jnp.sum(jnp.arange(self.filter.model.num_controls)[:, None] == controls, axis=1)
        return jnp.argmax(votes).astype(jnp.int32)


@record
class _WithTime:
    """The policy of completions that asks one of timed completions."""

    policy: Policy
    left: Int[Array, ""]

    def __call__(self, info: Any, key: Key) -> Int[Array, " m"]:
        """Choose by the completion and the stages left."""
        return self.policy(TimedState(info, self.left), key)
