"""Standard rollout: all agents at once.

    u = argmin over all joint controls of Q(x, u),   Q(x, u) = E[ g(x, u, w) + a J_base(f(x, u, w)) ].

Theorem (cost improvement). With exact Q-factors and the base policy's control among the candidates, the cost of the
rollout policy is no larger than the base policy's at every state. The price is c**m Q-factors a decision.

Source: D. Bertsekas, Multiagent Reinforcement Learning: Rollout and Policy Iteration, IEEE/CAA Journal of Automatica
Sinica 8(2), 2021, 249-272.
"""

import dataclasses
import functools
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from seriatim._compile import jit, unknown
from seriatim._errors import InputError
from seriatim._record import moved, record, static
from seriatim.controls import count_in_words, joint_controls, joint_index, num_joint_controls
from seriatim.model import Key, Model, State
from seriatim.planning._choice import choose
from seriatim.planning._decision import (
    DEFAULT_SIGNIFICANCE,
    admitted,
    base_control_of,
    check_futures,
    check_planner,
    control_alone,
    decision,
    engine_of,
    planner_keys,
)
from seriatim.planning._search import Asking, AtOnce, Reference, Search, advanced, decided
from seriatim.planning._state_diagnostics import with_state_diagnostics
from seriatim.policy import Decision, Policy
from seriatim.simulation._engine import Ask, Engine
from seriatim.simulation._settings import Simulation

# Joint controls that a decision under a deadline compares between two looks at the clock.
BLOCK = 64


@moved(
    pace="Anytime(planner) keeps it.",
    act="give Anytime(planner).act(state, key, budget_ms=...).",
    warmup="give Anytime(planner).warmup().",
)
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
        return control_alone(self, info, key)

    def decide(self, info: State, key: Key) -> Decision:
        """Compare all joint controls at a state; `q_factors` is `[c**m]`. Compiled when first called."""
        return admitted(self, info, key, _decide(self, info, key))

    def _decide(self, info: State, key: Key) -> Decision:
        keys = planner_keys(key)
        base_control = base_control_of(self.model, self.base, info, keys.base)
        return decided(self.search(info, key), engine_of(self, info, keys, asks_often=False), base_control)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a decision's Q-factors, (c**m,)."""
        return (num_joint_controls(self.model.num_agents, self.model.num_controls),)

    def search(self, info: State, key: Key) -> Search:
        """Return how a decision is found: all joint controls at once."""
        del info, key
        return AtOnce(functools.partial(_all_at_once, self.significance))

    def steps(self, info: State, key: Key) -> Search:
        """Return how a decision is found in blocks of joint controls, between which a clock may stop."""
        del info, key
        return Blocks(self.significance)


def _all_at_once(
    significance: float | Float[Array, ""], engine: Engine, base_control: Int[Array, " m"]
) -> Asking[Decision]:
    """Compare all joint controls."""
    c = engine.num_controls
    controls = jnp.asarray(joint_controls(engine.num_agents, c))
    found = yield Ask(controls)
    samples, base_index = found.costs, joint_index(base_control, c)
    chosen = choose(samples[base_index], samples, engine.allowed(controls), significance)
    best = jnp.where(chosen.best < 0, base_index, chosen.best)
    admissible = engine.allowed(base_control[None])[0]
    return decision(
        engine,
        Reference(base_control, admissible, samples[base_index]),
        control=controls[best],
        q_factors=chosen.q_factors,
        q_errors=chosen.errors,
        chosen=samples[best],
        num_q_factors=controls.shape[0],
        num_simulations=controls.shape[0],
        num_incomparable=chosen.incomparable,
        num_truncated=jnp.sum(found.truncated, dtype=jnp.int32),
    )


class Compared(NamedTuple):
    """The best joint control so far, its samples and Q-factor, and those of the base control; blocks compared."""

    reference: Reference
    control: Int[Array, " m"]
    samples: Float[Array, " samples"]
    least: Float[Array, ""]
    q_factors: Float[Array, " joint"]
    q_errors: Float[Array, " joint"]
    blocks: Int[Array, ""]
    incomparable: Int[Array, ""]
    truncated: Int[Array, ""]


class Blocks(NamedTuple):
    """The search whose steps compare the next block of joint controls with the base control."""

    significance: float | Float[Array, ""]

    def begin(self, engine: Engine, base_control: Int[Array, " m"]) -> Asking[Compared]:
        found = yield Ask(base_control[None])
        reference = Reference(base_control, engine.allowed(base_control[None])[0], found.costs[0])
        not_yet = jnp.full(num_joint_controls(engine.num_agents, engine.num_controls), unknown(), float)
        none, worst = jnp.zeros((), jnp.int32), jnp.full((), jnp.inf, float)
        return Compared(
            reference, base_control, found.costs[0], worst, not_yet, not_yet, none, none, found.truncated[0]
        )

    def left(self, work: Compared) -> Int[Array, ""]:
        return -(-work.q_factors.shape[0] // BLOCK) - work.blocks

    def step(self, engine: Engine, work: Compared) -> Asking[Compared]:
        controls = jnp.asarray(joint_controls(engine.num_agents, engine.num_controls))
        n = controls.shape[0]
        # The last block is filled up with the last joint control, which cannot be better than itself.
        index = jnp.minimum(work.blocks * BLOCK + jnp.arange(min(BLOCK, n)), n - 1)
        block = controls[index]
        found = yield Ask(block)
        samples, may = found.costs, engine.allowed(block)
        best, q, errors, _ = choose(work.reference.samples, samples, may, self.significance)
        better = (best >= 0) & (q[best] < work.least)
        new = work.blocks * BLOCK + jnp.arange(index.shape[0]) < n
        undefined = may & jnp.isnan(jnp.mean(work.reference.samples) - q) & new
        return work._replace(
            control=jnp.where(better, block[best], work.control),
            samples=jnp.where(better, samples[best], work.samples),
            least=jnp.where(better, q[best], work.least),
            q_factors=work.q_factors.at[index].set(q),
            q_errors=work.q_errors.at[index].set(errors),
            blocks=work.blocks + 1,
            incomparable=work.incomparable + jnp.sum(undefined, dtype=jnp.int32),
            truncated=work.truncated + jnp.sum(jnp.where(new, found.truncated, 0), dtype=jnp.int32),
        )

    def decision(self, engine: Engine, work: Compared) -> Decision:
        compared = jnp.minimum(work.blocks * BLOCK, work.q_factors.shape[0])
        return decision(
            engine,
            work.reference,
            control=work.control,
            q_factors=work.q_factors,
            q_errors=work.q_errors,
            chosen=work.samples,
            num_q_factors=compared,
            num_simulations=compared + 1,
            num_incomparable=work.incomparable,
            num_truncated=work.truncated,
            num_passes=work.blocks + 1,
        )

    def finished(self, engine: Engine, work: Compared) -> Compared:
        return advanced(self, engine, work)[1]


_decide = with_state_diagnostics(jit(StandardRollout._decide))
