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

from jaxtyping import Array, Float, Int

from seriatim._compile import jit
from seriatim._record import moved, record
from seriatim.model import Key, Model, State
from seriatim.planning._decision import (
    DEFAULT_SIGNIFICANCE,
    admitted,
    base_control_of,
    check_futures,
    check_planner,
    control_alone,
    engine_of,
    planner_keys,
)
from seriatim.planning._schedule import Schedule, Situation, Speculative, check_schedule
from seriatim.planning._search import Search, decided
from seriatim.planning._state_diagnostics import with_state_diagnostics
from seriatim.policy import Decision, Policy
from seriatim.simulation._settings import Simulation


@moved(
    order="give schedule=InTurn(order), Speculative(order), or BestFirst() for the optimised one.",
    guess="give schedule=Speculative(guess=...).",
    window="give schedule=Speculative(window=...).",
    allocation="give schedule=InTurn(allocation=Halving()).",
    max_candidates="give schedule=InTurn(candidates=Sampled(number, proposal)).",
    proposal="give schedule=InTurn(candidates=Sampled(number, proposal)).",
    pace="Anytime(planner) keeps it.",
    act="give Anytime(planner).act(state, key, budget_ms=...).",
    warmup="give Anytime(planner).warmup().",
)
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
        significance: an agent leaves its present control only for an improvement of more than so many standard errors.
        schedule: how agents take their turns: `Speculative()`, several turns at once where the machine has room for
            them; `InTurn()`, one after the other, with options that save simulations; or `BestFirst()`, in an order
            that is found with the choices. Each says in which order, and what is left out.

    Raises:
        InputError: an argument is out of range, or the schedule has an order that is not of these agents.
    """

    model: Model
    base: Policy
    simulation: Simulation = dataclasses.field(default_factory=Simulation)
    significance: float | Float[Array, ""] = DEFAULT_SIGNIFICANCE
    schedule: Schedule = Speculative()

    def __post_init__(self) -> None:
        check_planner(self.model, self.base, self.simulation, self.significance)
        check_schedule(self.schedule, self.model.num_agents)
        turns = self.schedule.most_turns(self.model.num_agents)
        check_futures(self.model, self.simulation, 1 + turns * (self.model.num_controls - 1))

    def __call__(self, info: State, key: Key) -> Int[Array, " m"]:
        """Return the control of `decide`, in less time: a compiled program of its own leaves the evidence out."""
        return control_alone(self, info, key)

    def decide(self, info: State, key: Key) -> Decision:
        """Let the agents choose in turn at a state; `q_factors` is `[m, c]`, a row for each turn. Compiled."""
        return admitted(self, info, key, _decide(self, info, key))

    def _decide(self, info: State, key: Key) -> Decision:
        keys = planner_keys(key)
        base_control = base_control_of(self.model, self.base, info, keys.base)
        return decided(self.search(info, key), engine_of(self, info, keys), base_control)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a decision's Q-factors, (m, c)."""
        return self.model.num_agents, self.model.num_controls

    def search(self, info: State, key: Key) -> Search:
        """Return how a decision is found."""
        return self.schedule.search(self._situation(info, key))

    def steps(self, info: State, key: Key) -> Search:
        """Return how a decision is found in turns, between which a clock may stop."""
        return self.schedule.search(self._situation(info, key), one_by_one=True)

    def _situation(self, info: State, key: Key) -> Situation:
        return Situation(self.model, self.simulation, self.significance, info, planner_keys(key))


_decide = with_state_diagnostics(jit(OneAtATimeRollout._decide))
