"""One agent at a time: rollout whose work is linear in the number of agents.

Agents choose in turn. Agent i compares its c controls, given what its predecessors have just chosen and with its
successors at the base policy:

    u_i = argmin over v of Q(x, (u_1, ..., u_{i-1}, v, base_{i+1}(x), ..., base_m(x))).

Theorem (cost improvement). Each turn keeps or lowers the Q-factor of the joint control, which starts at the base
policy's: Q(x, u) <= Q(x, base(x)). With exact Q-factors the cost of the policy is therefore no larger than the base
policy's at every state, as for standard rollout, at m*c Q-factors a decision instead of c**m.

Nothing is simulated twice: agent i's present control gives the joint control its predecessor ended with, whose samples
are known. One simulation of the base control and c - 1 for each agent make m(c-1) + 1.

Source: D. Bertsekas, Multiagent Reinforcement Learning: Rollout and Policy Iteration, IEEE/CAA Journal of Automatica
Sinica 8(2), 2021, 249-272.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from seriatim._compile import jit
from seriatim._record import record, static
from seriatim.model import Key, Model, State
from seriatim.planning._choice import choose
from seriatim.planning._common import (
    DEFAULT_SIGNIFICANCE,
    check_planner,
    decision,
    planner_keys,
    players,
)
from seriatim.planning._order import Order, check_order, given_order
from seriatim.planning._q_factors import allowed, q_samples
from seriatim.planning._simulation import Simulation
from seriatim.policy import Decision, Policy


@record
class OneAtATimeRollout:
    """Rollout in which agents choose one after the other: m*c Q-factors instead of c**m.

    Guarantee: with exact Q-factors and `significance=0`, J*(x) <= J_one-at-a-time(x) <= J_base(x) at every state x,
    for every order. With sampled Q-factors it holds statistically. On the sampled costs themselves it holds always:
    each agent's chosen estimate is no larger than its predecessor's. For one agent it is standard rollout. Repeated
    exactly, it converges to an agent-by-agent optimal policy, which need not be optimal.

    Attributes:
        model: what the planner believes of the world.
        base: the policy to improve; its control is always a candidate and wins ties.
        simulation: how the future is estimated.
        order: the agents in their turn: a tuple, None for 0, 1, ..., "random" for a new permutation at each
            decision, or "optimised": at each turn the agent and control with the best Q-factor, for up to
            m(m+1)/2 * c Q-factors.
        significance: an agent leaves its present control only for an improvement of more than so many standard errors.

    Raises:
        InputError: an argument is out of range, or `order` is no order of the agents.
    """

    model: Model
    base: Policy
    simulation: Simulation = dataclasses.field(default_factory=Simulation)
    order: Order = static(default=None)
    significance: float | Float[Array, ""] = DEFAULT_SIGNIFICANCE

    def __post_init__(self) -> None:
        check_planner(self.model, self.base, self.significance)
        check_order(self.order, self.model.num_agents)

    def __call__(self, info: State, key: Key) -> Int[Array, " m"]:
        """Return the control of `decide`."""
        return self.decide(info, key).control

    def decide(self, info: State, key: Key) -> Decision:
        """Let the agents choose in turn at a state; `q_factors` is `[m, c]`, a row for each turn. Compiled."""
        return _decide(self, info, key)

    def _decide(self, info: State, key: Key) -> Decision:
        keys = planner_keys(key)
        base_control = jnp.asarray(self.base(info, keys.base), jnp.int32)
        turn = _Turn(self, info, keys.simulation)
        reference = turn.samples(base_control[None])[0]
        m, c = self.model.num_agents, self.model.num_controls
        blank = jnp.full((m, c), jnp.inf, reference.dtype)
        start = _Progress(base_control, reference, blank, jnp.zeros((), jnp.int32))
        if self.order == "optimised" and c > 1:
            end, compared = _in_optimised_order(turn, start)
        else:
            end, compared = _in_given_order(turn, start, given_order(self.order, m, keys.order))
        return decision(
            self.simulation,
            control=end.control,
            base_control=base_control,
            q_factors=end.q_factors,
            chosen=end.samples,
            reference=reference,
            num_q_factors=compared,
            num_simulations=1 + end.simulated,
        )


class _Progress(NamedTuple):
    """How far a decision has come: the joint control so far, its sampled costs, and the estimates behind it."""

    control: Int[Array, " m"]
    samples: Float[Array, " samples"]
    q_factors: Float[Array, "m c"]
    simulated: Int[Array, ""]


class _Turn(NamedTuple):
    """One decision's constants: every agent's turn uses the same key, hence the same disturbances."""

    planner: OneAtATimeRollout
    state: State
    key: Key

    def samples(self, controls: Int[Array, "n m"]) -> Float[Array, "n samples"]:
        planner = self.planner
        return q_samples(planner.model, players(planner), planner.simulation, self.state, controls, self.key)

    def allowed(self, controls: Int[Array, "n m"]) -> Bool[Array, " n"]:
        return allowed(self.planner.model, self.state, controls)


def other_controls(control: Int[Array, ""], num_controls: int) -> Int[Array, " c_less_1"]:
    """List an agent's controls other than its present one."""
    steps = jnp.arange(1, num_controls, dtype=control.dtype)
    return (jnp.broadcast_to(control, steps.shape) + steps) % num_controls


def deviations(control: Int[Array, " m"], agent: Int[Array, ""], num_controls: int) -> Int[Array, "c_less_1 m"]:
    """List the joint controls in which only `agent` leaves its present control."""
    others = other_controls(control[agent], num_controls)
    every = jnp.broadcast_to(control, (num_controls - 1, control.shape[0]))
    return every.at[:, agent].set(others)


def _in_given_order(turn: _Turn, start: _Progress, order: Int[Array, " m"]) -> tuple[_Progress, Int[Array, ""]]:
    m, c = turn.planner.model.num_agents, turn.planner.model.num_controls
    compared = jnp.asarray(m * c, jnp.int32)
    if c == 1:
        return start, compared

    def take_turn(now: _Progress, agent: Int[Array, ""]) -> tuple[_Progress, None]:
        controls = deviations(now.control, agent, c)
        samples = turn.samples(controls)
        choice = choose(now.samples, samples, turn.allowed(controls), turn.planner.significance)
        stays = choice.best < 0
        row = jnp.full(c, jnp.mean(now.samples)).at[controls[:, agent]].set(choice.q_factors)
        after = _Progress(
            jnp.where(stays, now.control, controls[choice.best]),
            jnp.where(stays, now.samples, samples[choice.best]),
            now.q_factors.at[agent].set(row),
            now.simulated + c - 1,
        )
        return after, None

    return jax.lax.scan(take_turn, start, order)[0], compared


def _in_optimised_order(turn: _Turn, start: _Progress) -> tuple[_Progress, Int[Array, ""]]:
    """Fix, turn by turn, the agent and control with the best Q-factor among the agents that have not had their turn.

    When no deviation of a remaining agent improves, none will later: the joint control no longer changes, and the
    remaining agents keep their base controls. So the loop ends there.
    """
    m, c = turn.planner.model.num_agents, turn.planner.model.num_controls
    agents = jnp.repeat(jnp.arange(m), c - 1)

    def unfinished(
        loop: tuple[_Progress, Bool[Array, " m"], Bool[Array, ""], Int[Array, ""]],
    ) -> Bool[Array, ""]:
        _, remaining, improved, _ = loop
        return improved & jnp.any(remaining)

    def take_turn(
        loop: tuple[_Progress, Bool[Array, " m"], Bool[Array, ""], Int[Array, ""]],
    ) -> tuple[_Progress, Bool[Array, " m"], Bool[Array, ""], Int[Array, ""]]:
        now, remaining, _, compared = loop
        controls = jax.vmap(deviations, in_axes=(None, 0, None))(now.control, jnp.arange(m), c).reshape(-1, m)
        samples = turn.samples(controls)
        candidate = turn.allowed(controls) & remaining[agents]
        choice = choose(now.samples, samples, candidate, turn.planner.significance)
        stays = choice.best < 0
        own = jnp.take_along_axis(controls, agents[:, None], axis=1)[:, 0]
        rows = jnp.full((m, c), jnp.mean(now.samples)).at[agents, own].set(choice.q_factors)
        after = _Progress(
            jnp.where(stays, now.control, controls[choice.best]),
            jnp.where(stays, now.samples, samples[choice.best]),
            jnp.where(remaining[:, None], rows, now.q_factors),
            now.simulated + m * (c - 1),
        )
        left = remaining & (jnp.arange(m) != agents[choice.best])
        return after, jnp.where(stays, remaining, left), ~stays, compared + c * jnp.sum(remaining)

    loop = (start, jnp.ones(m, bool), jnp.array(True), jnp.zeros((), jnp.int32))
    end, _, _, compared = jax.lax.while_loop(unfinished, take_turn, loop)
    return end, compared


_decide = jit(OneAtATimeRollout._decide)
