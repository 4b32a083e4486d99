"""Standard rollout: all agents at once.

    u = argmin over all joint controls of Q(x, u),   Q(x, u) = E[ g(x, u, w) + a J_base(f(x, u, w)) ].

Theorem (cost improvement). With exact Q-factors and the base policy's control among the candidates, the cost of the
rollout policy is no larger than the base policy's at every state. The price is c**m Q-factors a decision.

Source: D. Bertsekas, Multiagent Reinforcement Learning: Rollout and Policy Iteration, IEEE/CAA Journal of Automatica
Sinica 8(2), 2021, 249-272.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from seriatim._compile import jit, unknown
from seriatim._errors import InputError
from seriatim._numbers import Budget
from seriatim._record import record, static, with_fields
from seriatim.controls import count_in_words, joint_controls, joint_index, num_joint_controls
from seriatim.model import Key, Model, State
from seriatim.planning._choice import choose
from seriatim.planning._common import (
    DEFAULT_SIGNIFICANCE,
    admitted,
    asked,
    check_futures,
    check_planner,
    control_alone,
    decision,
    planner_keys,
    players,
    undecided,
)
from seriatim.planning._deadline import Pace, Pieces, Unfinished, act, measure, without_pace
from seriatim.planning._explained import explained
from seriatim.planning._q_factors import allowed, simulated
from seriatim.planning._simulation import Simulation
from seriatim.policy import Decision, Policy

# Joint controls that a decision under a deadline compares between two looks at the clock.
BLOCK = 64


class _Search(NamedTuple):
    """The best joint control so far, its samples and Q-factor, and those of the base control; blocks compared."""

    base_control: Int[Array, " m"]
    admissible: Bool[Array, ""]
    reference: Float[Array, " samples"]
    control: Int[Array, " m"]
    samples: Float[Array, " samples"]
    least: Float[Array, ""]
    q_factors: Float[Array, " joint"]
    q_errors: Float[Array, " joint"]
    blocks: Int[Array, ""]
    incomparable: Int[Array, ""]
    truncated: Int[Array, ""]


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
        pace: what a decision takes, for `act`; `warmup` measures it.

    Raises:
        InputError: there are more than `max_joint_controls` joint controls, or an argument is out of range.
    """

    model: Model
    base: Policy
    simulation: Simulation = dataclasses.field(default_factory=Simulation)
    significance: float | Float[Array, ""] = DEFAULT_SIGNIFICANCE
    max_joint_controls: int = static(default=4096)
    pace: Pace | None = None

    def __post_init__(self) -> None:
        check_planner(self.model, self.base, self.simulation, self.significance)
        m, c = self.model.num_agents, self.model.num_controls
        if num_joint_controls(m, c) > self.max_joint_controls:
            raise InputError(
                f"Standard rollout would compare {count_in_words(m, c)} joint controls, more than "
                f"max_joint_controls={self.max_joint_controls:,}; one-at-a-time would compare {m * c:,} "
                "(OneAtATimeRollout)."
            )
        check_futures(self.model, self.simulation, 1 + num_joint_controls(m, c))

    def __call__(self, info: State, key: Key) -> Int[Array, " m"]:
        """Return the control of `decide`, in less time: a compiled program of its own leaves the evidence out."""
        return control_alone(without_pace(self), info, key)

    def decide(self, info: State, key: Key) -> Decision:
        """Compare all joint controls at a state; `q_factors` is `[c**m]`. Compiled when first called."""
        return admitted(self, info, key, _decide(without_pace(self), info, key))

    def act(self, info: State, key: Key, *, budget_ms: Budget = None) -> Decision:
        """Compare as many joint controls as `budget_ms` milliseconds allow, the base policy's first; take the best.

        Guarantee: as `OneAtATimeRollout.act`. With time for all, or None, it is the decision of `decide` bit for bit,
        but for counts of simulations, which have the base control twice. Q-factors not compared are nan.

        Raises:
            InputError: `budget_ms` is not above 0, or the call is inside a transformation of JAX.
        """
        return admitted(self, info, key, act(_PIECES, self, info, key, budget_ms))

    def warmup(self, state: State = None, key: Key | None = None) -> "StandardRollout":
        """Compile all that `act` needs, time it, and return a planner that knows its pace.

        Args:
            state: one like those that `act` will be given; by default an initial state of the model.
            key: of the kind that `act` will be given; by default `jax.random.key(0)`.
        """
        key = jax.random.key(0) if key is None else key
        state = self.model.initial_state(key) if state is None else state
        return with_fields(self, pace=measure(_PIECES, self, state, key))

    @explained
    def _act_base(self, info: State, key: Key) -> Decision:
        base_control = asked(self.model, self.base, info, planner_keys(key).base)
        joint = num_joint_controls(self.model.num_agents, self.model.num_controls)
        return undecided(base_control, self._admits(info, base_control), (joint,))

    def _admits(self, info: State, base_control: Int[Array, " m"]) -> Bool[Array, ""]:
        return allowed(self.model, info, base_control[None])[0]

    @explained
    def _begin(self, info: State, key: Key) -> Unfinished:
        keys = planner_keys(key)
        base_control = asked(self.model, self.base, info, keys.base)
        found = simulated(self.model, players(self), self.simulation, info, base_control[None], keys.simulation)
        samples = found.costs[0]
        not_yet = jnp.full(num_joint_controls(self.model.num_agents, self.model.num_controls), unknown(), float)
        none, worst = jnp.zeros((), jnp.int32), jnp.full((), jnp.inf, float)
        admissible, truncated = self._admits(info, base_control), found.truncated[0]
        return self._unfinished(
            _Search(
                base_control, admissible, samples, base_control, samples, worst, not_yet, not_yet, none, none, truncated
            )
        )

    @explained
    def _advance(self, info: State, key: Key, search: _Search, count: int | Int[Array, ""]) -> Unfinished:
        controls = jnp.asarray(joint_controls(self.model.num_agents, self.model.num_controls))
        n, keys = controls.shape[0], planner_keys(key)

        def compare(_: Int[Array, ""], now: _Search) -> _Search:
            # The last block is filled up with the last joint control, which cannot be better than itself.
            index = jnp.minimum(now.blocks * BLOCK + jnp.arange(min(BLOCK, n)), n - 1)
            block = controls[index]
            found = simulated(self.model, players(self), self.simulation, info, block, keys.simulation)
            samples, may = found.costs, allowed(self.model, info, block)
            best, q, errors, _ = choose(now.reference, samples, may, self.significance)
            better = (best >= 0) & (q[best] < now.least)
            new = now.blocks * BLOCK + jnp.arange(index.shape[0]) < n
            undefined = may & jnp.isnan(jnp.mean(now.reference) - q) & new
            return now._replace(
                control=jnp.where(better, block[best], now.control),
                samples=jnp.where(better, samples[best], now.samples),
                least=jnp.where(better, q[best], now.least),
                q_factors=now.q_factors.at[index].set(q),
                q_errors=now.q_errors.at[index].set(errors),
                blocks=now.blocks + 1,
                incomparable=now.incomparable + jnp.sum(undefined, dtype=jnp.int32),
                truncated=now.truncated + jnp.sum(jnp.where(new, found.truncated, 0), dtype=jnp.int32),
            )

        return self._unfinished(jax.lax.fori_loop(0, jnp.asarray(count, jnp.int32), compare, search))

    def _unfinished(self, now: _Search) -> Unfinished:
        n = now.q_factors.shape[0]
        compared = jnp.minimum(now.blocks * BLOCK, n)
        so_far = decision(
            self.model,
            self.simulation,
            admissible=now.admissible,
            control=now.control,
            base_control=now.base_control,
            q_factors=now.q_factors,
            q_errors=now.q_errors,
            chosen=now.samples,
            reference=now.reference,
            num_q_factors=compared,
            num_simulations=compared + 1,
            num_incomparable=now.incomparable,
            num_truncated=now.truncated,
            num_passes=now.blocks + 1,
        )
        return Unfinished(now, now.blocks, -(-n // BLOCK) - now.blocks, so_far)

    @explained
    def _decide(self, info: State, key: Key) -> Decision:
        keys = planner_keys(key)
        base_control = asked(self.model, self.base, info, keys.base)
        c = self.model.num_controls
        controls = jnp.asarray(joint_controls(self.model.num_agents, c))
        found = simulated(self.model, players(self), self.simulation, info, controls, keys.simulation)
        samples, base_index = found.costs, joint_index(base_control, c)
        chosen = choose(samples[base_index], samples, allowed(self.model, info, controls), self.significance)
        best = jnp.where(chosen.best < 0, base_index, chosen.best)
        return decision(
            self.model,
            self.simulation,
            admissible=self._admits(info, base_control),
            control=controls[best],
            base_control=base_control,
            q_factors=chosen.q_factors,
            q_errors=chosen.errors,
            chosen=samples[best],
            reference=samples[base_index],
            num_q_factors=controls.shape[0],
            num_simulations=controls.shape[0],
            num_incomparable=chosen.incomparable,
            num_truncated=jnp.sum(found.truncated, dtype=jnp.int32),
        )


_decide = jit(StandardRollout._decide)
_PIECES = Pieces(jit(StandardRollout._act_base), jit(StandardRollout._begin), jit(StandardRollout._advance))
