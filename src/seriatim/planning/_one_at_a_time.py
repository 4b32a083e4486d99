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
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from seriatim._compile import jit, unless_mapped
from seriatim._errors import InputError
from seriatim._record import record, static
from seriatim.model import Key, Model, State
from seriatim.planning._common import (
    DEFAULT_SIGNIFICANCE,
    PlannerKeys,
    check_planner,
    decision,
    planner_keys,
    players,
)
from seriatim.planning._lanes import draw_ahead
from seriatim.planning._order import Order, check_order, given_order
from seriatim.planning._simulation import Simulation, num_samples
from seriatim.planning._speculative import speculatively
from seriatim.planning._turns import Progress, Setting, begin, in_given_order, in_optimised_order
from seriatim.policy import Decision, Policy

# Simulations side by side that take a CPU little longer than one: two vectors of 16 numbers.
LANES_FOR_FREE = 32


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
        schedule: "sequential": one pass of simulations a turn; "speculative": the same controls and Q-factors from
            guesses of what the agents will choose, in fewer passes (`Decision.num_passes`) and more simulations.
            "auto" speculates where a turn is too small to fill the machine: on accelerators as far as `window` lets
            it; on a CPU for a single state, so many turns at once as make 32 simulations, which take the time of a
            few. Many states at once (`jax.vmap`, `decide_many`) fill the vectors of a CPU by themselves, and turns
            waste nothing. The optimised order is always sequential.
        guess: for speculation, a policy that is expected to choose as this planner will; None guesses the base policy.
            A wrong guess costs passes, never the answer.
        window: for speculation, how many turns a pass computes at most; None is all of them, or what "auto" finds.

    Raises:
        InputError: an argument is out of range, or `order` is no order of the agents.
    """

    model: Model
    base: Policy
    simulation: Simulation = dataclasses.field(default_factory=Simulation)
    order: Order = static(default=None)
    significance: float | Float[Array, ""] = DEFAULT_SIGNIFICANCE
    schedule: Literal["auto", "sequential", "speculative"] = static(default="auto")
    guess: Policy | None = None
    window: int | None = static(default=None)

    def __post_init__(self) -> None:
        check_planner(self.model, self.base, self.significance)
        check_order(self.order, self.model.num_agents)
        _check_schedule(self)

    def __call__(self, info: State, key: Key) -> Int[Array, " m"]:
        """Return the control of `decide`."""
        return self.decide(info, key).control

    def decide(self, info: State, key: Key) -> Decision:
        """Let the agents choose in turn at a state; `q_factors` is `[m, c]`, a row for each turn. Compiled."""
        return _decide(self, info, key)

    def _decide(self, info: State, key: Key) -> Decision:
        keys = planner_keys(key)
        base_control = jnp.asarray(self.base(info, keys.base), jnp.int32)
        setting = Setting(self.model, players(self), self.simulation, self.significance, info, keys.simulation)
        if self.simulation.expectation == "sampled":
            setting = setting._replace(ahead=draw_ahead(self.model, self.simulation, keys.simulation))
        start = begin(setting, base_control)
        end = self._take_turns(setting, start, keys)
        return decision(
            self.simulation,
            control=end.control,
            base_control=base_control,
            q_factors=end.q_factors,
            chosen=end.samples,
            reference=start.samples,
            num_q_factors=end.compared,
            num_simulations=end.simulated,
            num_passes=end.passes,
        )

    def _take_turns(self, setting: Setting, start: Progress, keys: PlannerKeys) -> Progress:
        m, c = self.model.num_agents, self.model.num_controls
        if c == 1:
            return start._replace(compared=jnp.asarray(m, jnp.int32))
        if self.order == "optimised":
            return in_optimised_order(setting, start)
        order = given_order(self.order, m, keys.order)
        window = self._window()
        if window < 2:
            return in_given_order(setting, start, order)
        guess = start.control if self.guess is None else jnp.asarray(self.guess(setting.state, keys.signal), jnp.int32)

        def speculate(setting: Setting, start: Progress, order: Any, guess: Any) -> Progress:
            return speculatively(setting, start, order, guess, window)

        def take_turns(setting: Setting, start: Progress, order: Any, _: Any) -> Progress:
            return in_given_order(setting, start, order)

        if self.schedule == "auto" and jax.default_backend() == "cpu":
            # Many states fill the vectors by themselves, and turns waste nothing.
            return unless_mapped(speculate, take_turns)(setting, start, order, guess)
        return speculate(setting, start, order, guess)

    def _window(self) -> int:
        """Return how many turns to compute at once; 1 is taking turns."""
        m, c = self.model.num_agents, self.model.num_controls
        if self.schedule == "sequential":
            return 1
        if self.window is not None or self.schedule == "speculative" or jax.default_backend() != "cpu":
            return min(self.window or m, m)
        return min(LANES_FOR_FREE // ((c - 1) * num_samples(self.simulation, self.model)), m)


def _check_schedule(planner: OneAtATimeRollout) -> None:
    if planner.schedule not in ("auto", "sequential", "speculative"):
        raise InputError(f"schedule={planner.schedule!r}: give 'auto', 'sequential' or 'speculative'.")
    if planner.guess is not None and not callable(planner.guess):
        raise InputError(f"guess={planner.guess!r} cannot be called; give a policy, or None for the base policy.")
    if planner.window is not None and planner.window < 1:
        raise InputError(f"window={planner.window}: give a whole number of turns from 1 up, or None for all.")
    if planner.order == "optimised" and planner.schedule == "speculative":
        raise InputError(
            "schedule='speculative' needs the order before the choices, and order='optimised' finds it with them; "
            "give another order, or schedule='sequential'."
        )


_decide = jit(OneAtATimeRollout._decide)
