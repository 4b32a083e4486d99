"""Signalling: all agents choose at once, each with a guess of its predecessors' choices.

One agent at a time is serial: agent i waits for agents 1, ..., i-1. If it uses a precomputed *signal* in their place,

    u_i = argmin over v of Q(x, (signal_1(x), ..., signal_{i-1}(x), v, base_{i+1}(x), ..., base_m(x))),

no agent waits and none communicates. With a perfect signal, the controls that one-at-a-time rollout would choose, the
decision is the same. With a poor one it may be worse than the base policy: there is no guarantee. The base policy
itself is the signal at hand, and often a poor one: agents that chase the same target do not learn of each other, and
may swing to and fro for ever. Always look at the share of truncated episodes.

Source: D. Bertsekas, Multiagent Reinforcement Learning: Rollout and Policy Iteration, IEEE/CAA Journal of Automatica
Sinica 8(2), 2021, 249-272.
"""

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from seriatim._compile import jit
from seriatim._errors import InputError
from seriatim._preconditions import control_of
from seriatim._record import record, static
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
from seriatim.planning._schedule import Order, check_order, given_order
from seriatim.planning._search import Asking, AtOnce, Reference, Search, decided
from seriatim.planning._state_diagnostics import with_state_diagnostics
from seriatim.planning._turns import deviations
from seriatim.policy import Decision, Policy
from seriatim.simulation._engine import Ask, Engine
from seriatim.simulation._settings import Simulation


@record
class SignallingRollout:
    """Rollout in which all agents choose at once, their predecessors' choices guessed by `signal`.

    Guarantee: none, unless the signal is what one-at-a-time rollout would choose. `Decision.improvement` is that of the
    joint control they arrive at together, and is negative where the agents got into each other's way.

    Attributes:
        model: the planner's model of the world.
        base: the policy to improve.
        signal: guesses the controls of predecessors; None uses the base policy's.
        simulation: how the future is estimated.
        order: the agents, predecessors first: a tuple, None for 0, 1, ..., or "random".
        significance: an agent leaves its base control only for an improvement of more than so many standard errors.

    There is no `act` under a deadline: agents that choose at once take no turns that could be left out, and a part of
    their choices is a joint control that was never compared with the base policy's. `OneAtATimeRollout.act` has turns.

    If agents that choose apart arrive at a joint control that is not feasible, the base policy's is applied.

    Raises:
        InputError: an argument is out of range, or `order` is no order of the agents.
    """

    model: Model
    base: Policy
    signal: Policy | None = None
    simulation: Simulation = dataclasses.field(default_factory=Simulation)
    order: Order = static(default=None)
    significance: float | Float[Array, ""] = DEFAULT_SIGNIFICANCE

    def __post_init__(self) -> None:
        check_planner(self.model, self.base, self.simulation, self.significance)
        check_order(self.order, self.model.num_agents)
        check_futures(self.model, self.simulation, 1 + self.model.num_agents * self.model.num_controls)
        if self.signal is not None and not callable(self.signal):
            raise InputError(f"signal={self.signal!r} cannot be called; give a policy, or None for the base policy.")

    def __call__(self, info: State, key: Key) -> Int[Array, " m"]:
        """Return the control of `decide`, in less time: a compiled program of its own leaves the evidence out."""
        return control_alone(self, info, key)

    def decide(self, info: State, key: Key) -> Decision:
        """Let the agents choose at once at a state; `q_factors` is `[m, c]`, a row for each agent. Compiled."""
        return admitted(self, info, key, _decide(self, info, key))

    def _decide(self, info: State, key: Key) -> Decision:
        keys = planner_keys(key)
        base_control = base_control_of(self.model, self.base, info, keys.base)
        return decided(self.search(info, key), engine_of(self, info, keys, asks_often=False), base_control)

    def search(self, info: State, key: Key) -> Search:
        """Return how a decision is found: at once."""
        m, keys = self.model.num_agents, planner_keys(key)
        signals = None
        if self.signal is not None:
            signals = control_of(self.model, self.signal, info, keys.signal, "The policy signal")
        order = given_order(self.order, m, keys.order)
        return AtOnce(functools.partial(_apart, self.significance, order, signals))


def _apart(
    significance: float | Float[Array, ""],
    order: Int[Array, " m"],
    signals: Int[Array, " m"] | None,
    engine: Engine,
    base_control: Int[Array, " m"],
) -> Asking[Decision]:
    """Let every agent choose in its own context, and simulate the joint control of their choices."""
    m, c = engine.num_agents, engine.num_controls
    contexts = _contexts(base_control, order, signals)
    deviating = _deviations(contexts, base_control, c)
    # One ask for all: no agent waits for another's costs.
    found = yield Ask(jnp.concatenate([contexts, deviating.reshape(-1, m)]))
    samples = found.costs
    # Without a signal there is one context, the base control, and it serves all agents.
    references = jnp.broadcast_to(samples[: len(contexts)], (m, samples.shape[1]))
    chosen = _choose(significance, engine, base_control, contexts, references, deviating, samples)
    # This joint control was not simulated yet: it is made of choices that were compared apart.
    together = yield Ask(chosen.control[None])
    admissible = engine.allowed(base_control[None])[0]
    return decision(
        engine,
        # The first agent has no predecessor to guess: it expects the base control, whatever the signal.
        Reference(base_control, admissible, references[order[0]]),
        control=chosen.control,
        q_factors=chosen.q_factors,
        q_errors=chosen.q_errors,
        chosen=together.costs[0],
        num_q_factors=m * c,
        num_simulations=samples.shape[0] + 1,
        num_incomparable=chosen.incomparable,
        num_truncated=jnp.sum(found.truncated, dtype=jnp.int32) + together.truncated[0],
    )


class _Chosen(NamedTuple):
    """The joint control of agents that chose apart, and the Q-factors that they compared."""

    control: Int[Array, " m"]
    q_factors: Float[Array, "m c"]
    q_errors: Float[Array, "m c"]
    incomparable: Int[Array, ""]


def _choose(
    significance: float | Float[Array, ""],
    engine: Engine,
    base_control: Int[Array, " m"],
    contexts: Int[Array, "contexts m"],
    references: Float[Array, "m samples"],
    deviating: Int[Array, "m c_less_1 m"],
    samples: Float[Array, "n samples"],
) -> _Chosen:
    """Let every agent choose in its own context; fall back on the base control where the result is infeasible."""
    m, c = engine.num_agents, engine.num_controls
    # A context that may not be applied counts as infinitely costly, so that any alternative that may is better.
    usable = jnp.broadcast_to(engine.allowed(contexts), (m,))
    references = jnp.where(usable[:, None], references, jnp.inf)
    # The Q-factor of keeping the base control; those of the others are written over it below.
    q_factors = jnp.broadcast_to(jnp.mean(references, axis=1)[:, None], (m, c))
    # Agents with one control each have nothing to compare.
    if c == 1:
        return _Chosen(base_control, q_factors, jnp.zeros_like(q_factors), jnp.zeros((), jnp.int32))
    alternatives = samples[len(contexts) :].reshape(m, c - 1, -1)
    admissible = engine.allowed(deviating.reshape(-1, m)).reshape(m, c - 1)
    # Every agent by the same rule, against its own context.
    choice = jax.vmap(choose, (0, 0, 0, None))(references, alternatives, admissible, significance)
    agents = jnp.arange(m)
    own = deviating[agents, :, agents]
    control = jnp.where(choice.best < 0, base_control, own[agents, choice.best])
    # Each choice was feasible with the guesses, not necessarily with the other choices.
    control = jnp.where(engine.allowed(control[None])[0], control, base_control)
    errors = jnp.zeros_like(q_factors).at[agents[:, None], own].set(choice.errors)
    q_factors = q_factors.at[agents[:, None], own].set(choice.q_factors)
    return _Chosen(control, q_factors, errors, jnp.sum(choice.incomparable, dtype=jnp.int32))


def _contexts(
    base_control: Int[Array, " m"], order: Int[Array, " m"], signals: Int[Array, " m"] | None
) -> Int[Array, "contexts m"]:
    """Return the joint control that each agent expects: guesses before it, the base control at it and after it.

    Without a signal all agents expect the base control, and one row serves them all.
    """
    if signals is None:
        return base_control[None]
    m = base_control.shape[0]
    # The inverse of the order: when each agent has its turn.
    place = jnp.zeros(m, jnp.int32).at[order].set(jnp.arange(m, dtype=jnp.int32))
    # [agents, predecessors]: a row for the context of each agent.
    precedes = place[None, :] < place[:, None]
    return jnp.where(precedes, jnp.broadcast_to(signals, (m, m)), jnp.broadcast_to(base_control, (m, m)))


def _deviations(
    contexts: Int[Array, "contexts m"], base_control: Int[Array, " m"], num_controls: int
) -> Int[Array, "m c_less_1 m"]:
    """List, for each agent, the joint controls in which it leaves its base control within its context."""
    m = base_control.shape[0]
    everyone = jnp.broadcast_to(contexts, (m, m))
    return jax.vmap(deviations, (0, 0, None))(everyone, jnp.arange(m), num_controls)


_decide = with_state_diagnostics(jit(SignallingRollout._decide))
