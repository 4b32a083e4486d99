"""Standard rollout: all agents at once.

    u = argmin over all joint controls of Q(x, u),   Q(x, u) = E[ g(x, u, w) + a J_base(f(x, u, w)) ].

Theorem (cost improvement). With exact Q-factors and the base policy's control among the candidates, the cost of the
rollout policy is no larger than the base policy's at every state. The price is c**m Q-factors a decision.

Source: D. Bertsekas, Multiagent Reinforcement Learning: Rollout and Policy Iteration, IEEE/CAA Journal of Automatica
Sinica 8(2), 2021, 249-272.
"""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from seriatim._compile import jit
from seriatim._errors import InputError
from seriatim._record import record, static
from seriatim.controls import count_in_words, joint_controls, joint_index, num_joint_controls
from seriatim.model import Key, Model, State
from seriatim.planning._choice import choose
from seriatim.planning._common import (
    DEFAULT_SIGNIFICANCE,
    check_planner,
    decision,
    planner_keys,
    players,
)
from seriatim.planning._q_factors import allowed, q_samples
from seriatim.planning._simulation import Simulation
from seriatim.policy import Decision, Policy


@record
class StandardRollout:
    """Rollout over all c**m joint controls: the best single step, where the team is small enough to afford it.

    Guarantee: with exact Q-factors and `significance=0`, J*(x) <= J_standard(x) <= J_base(x) at every state x. With
    sampled Q-factors it holds statistically: `significance` decides how sure an improvement must be.

    Attributes:
        model: what the planner believes of the world.
        base: the policy to improve; its control is always a candidate and wins ties.
        simulation: how the future is estimated.
        significance: the base control is left only for an improvement of more than so many standard errors.
        max_joint_controls: more joint controls than this are refused.

    Raises:
        InputError: there are more than `max_joint_controls` joint controls, or an argument is out of range.
    """

    model: Model
    base: Policy
    simulation: Simulation = dataclasses.field(default_factory=Simulation)
    significance: float | Float[Array, ""] = DEFAULT_SIGNIFICANCE
    max_joint_controls: int = static(default=4096)

    def __post_init__(self) -> None:
        check_planner(self.model, self.base, self.significance)
        m, c = self.model.num_agents, self.model.num_controls
        if num_joint_controls(m, c) > self.max_joint_controls:
            raise InputError(
                f"Standard rollout would compare {count_in_words(m, c)} joint controls, more than "
                f"max_joint_controls={self.max_joint_controls:,}; one-at-a-time would compare {m * c:,} "
                "(OneAtATimeRollout)."
            )

    def __call__(self, info: State, key: Key) -> Int[Array, " m"]:
        """Return the control of `decide`."""
        return self.decide(info, key).control

    def decide(self, info: State, key: Key) -> Decision:
        """Compare all joint controls at a state; `q_factors` is `[c**m]`. Compiled when first called."""
        return _decide(self, info, key)

    def _decide(self, info: State, key: Key) -> Decision:
        keys = planner_keys(key)
        base_control = jnp.asarray(self.base(info, keys.base), jnp.int32)
        c = self.model.num_controls
        controls = jnp.asarray(joint_controls(self.model.num_agents, c))
        samples = q_samples(self.model, players(self), self.simulation, info, controls, keys.simulation)
        base_index = joint_index(base_control, c)
        chosen = choose(samples[base_index], samples, allowed(self.model, info, controls), self.significance)
        best = jnp.where(chosen.best < 0, base_index, chosen.best)
        return decision(
            self.simulation,
            control=controls[best],
            base_control=base_control,
            q_factors=chosen.q_factors,
            chosen=samples[best],
            reference=samples[base_index],
            num_q_factors=controls.shape[0],
            num_simulations=controls.shape[0],
        )


_decide = jit(StandardRollout._decide)
