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
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from seriatim._compile import jit, unless_mapped
from seriatim._errors import InputError
from seriatim._numbers import Budget, is_whole
from seriatim._preconditions import control_of
from seriatim._record import record, static, with_fields
from seriatim.model import Key, Model, State
from seriatim.planning._common import (
    DEFAULT_SIGNIFICANCE,
    MOST_FUTURES,
    PlannerKeys,
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
from seriatim.planning._draws import draws_of
from seriatim.planning._explained import explained
from seriatim.planning._halving import halving, uniform
from seriatim.planning._order import Order, check_order, given_order
from seriatim.planning._proposals import Proposal, logits_of
from seriatim.planning._q_factors import allowed
from seriatim.planning._simulation import Simulation, num_samples
from seriatim.planning._speculative import speculatively
from seriatim.planning._turns import (
    Drawn,
    Progress,
    Setting,
    Turns,
    before_turns,
    begin,
    in_given_order,
    in_own_order,
    take_turns,
)
from seriatim.policy import Decision, Policy

# Simulations side by side that take a CPU little longer than one, half a vector of 16-bit numbers or all of it: of
# small teams, for which wrong guesses are dear, and of teams from `LARGE` on, for which passes are.
LANES_FOR_FREE, LANES_OF_LARGE_TEAMS, LARGE = 8, 16, 32


class _Work(NamedTuple):
    """A decision in the making: where it started, the order of its samples, and how far it has come."""

    base_control: Int[Array, " m"]
    admissible: Bool[Array, ""]
    reference: Float[Array, " samples"]
    order: Int[Array, " samples"] | None
    turns: Turns


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
            it; on a CPU for a single state, so many turns at once as make 8 simulations (32 agents or more: 16).
            Many states at once (`jax.vmap`, `decide_many`) fill the vectors of a CPU by themselves, and turns waste
            nothing. The optimised order is always sequential.
        guess: for speculation, a policy that is expected to choose as this planner will; None guesses the base policy.
            A wrong guess costs passes, never the answer.
        window: for speculation, how many turns a pass computes at most; None is all of them, or what "auto" finds.
        allocation: "uniform": all of an agent's controls get all samples; "halving": samples go where the choice is
            close. Alternatives that trail after a part of the samples are dropped, and one that is chosen has all, so
            that both statements above hold as they stand. With 5 controls and 32 samples it takes half of the
            simulations (`Decision.num_trajectories`), in more passes. Q-factors of dropped controls rest on the
            samples they got, relative to the present control's. Turns are then sequential.
        max_candidates: for agents with very many controls, how many a turn compares, at least 2: the present one,
            and others drawn anew at each decision, without replacement. Q-factors of the rest are infinite. The
            guarantees need no more than the present control, but what is not drawn cannot be found. Turns are then
            sequential.
        proposal: with `max_candidates`, what the others are drawn by: a function (state, key) -> logits [m, c], such
            as a trained network. None draws all controls alike.
        pace: what the turns of a decision take, for `act`; `warmup` measures it.

    Raises:
        InputError: an argument is out of range, `order` is no order of the agents, or options contradict each other.
    """

    model: Model
    base: Policy
    simulation: Simulation = dataclasses.field(default_factory=Simulation)
    order: Order = static(default=None)
    significance: float | Float[Array, ""] = DEFAULT_SIGNIFICANCE
    schedule: Literal["auto", "sequential", "speculative"] = static(default="auto")
    guess: Policy | None = None
    window: int | None = static(default=None)
    allocation: Literal["uniform", "halving"] = static(default="uniform")
    max_candidates: int | None = static(default=None)
    proposal: Proposal | None = None
    pace: Pace | None = None

    def __post_init__(self) -> None:
        check_planner(self.model, self.base, self.simulation, self.significance)
        check_order(self.order, self.model.num_agents)
        _check_schedule(self)
        _check_savings(self)
        check_futures(self.model, self.simulation, 1 + self._turns_in_all * (self.model.num_controls - 1))

    def __call__(self, info: State, key: Key) -> Int[Array, " m"]:
        """Return the control of `decide`, in less time: a compiled program of its own leaves the evidence out."""
        return control_alone(without_pace(self), info, key)

    def decide(self, info: State, key: Key) -> Decision:
        """Let the agents choose in turn at a state; `q_factors` is `[m, c]`, a row for each turn. Compiled."""
        return admitted(self, info, key, _decide(without_pace(self), info, key))

    def act(self, info: State, key: Key, *, budget_ms: Budget = None) -> Decision:
        """Let as many agents choose in turn as `budget_ms` milliseconds allow; the others keep the base control.

        Guarantee, whatever the budget: the control is admissible and feasible if the base control is, and no worse than
        it on the simulated costs. With time for all turns, or None, it is bit for bit the decision of `decide` with
        schedule="sequential". `num_q_factors` says how far it got; rows of `q_factors` whose agents had no turn hold
        the base control's Q-factor, or nan where there was no time to simulate even that.

        The answer comes in time if `warmup` has compiled it and the planner it returned is used, unless the operating
        system takes the processor away; `seriatim.evaluation.time_decisions` measures how late it can be. Least
        possible is the time the base policy itself takes. Turns are taken in sequence, whatever the schedule.

        Raises:
            InputError: `budget_ms` is not above 0, or the call is inside a transformation of JAX.
        """
        return admitted(self, info, key, act(_PIECES, self, info, key, budget_ms))

    def warmup(self, state: State = None, key: Key | None = None) -> "OneAtATimeRollout":
        """Compile all that `act` needs, time its turns, and return a planner that knows its pace.

        Args:
            state: one like those that `act` will be given; by default an initial state of the model.
            key: of the kind that `act` will be given; by default `jax.random.key(0)`.
        """
        key = jax.random.key(0) if key is None else key
        state = self.model.initial_state(key) if state is None else state
        return with_fields(self, pace=measure(_PIECES, self, state, key))

    def _base_control(self, info: State, keys: PlannerKeys) -> Int[Array, " m"]:
        return asked(self.model, self.base, info, keys.base)

    @explained
    def _decide(self, info: State, key: Key) -> Decision:
        keys = planner_keys(key)
        base_control = self._base_control(info, keys)
        setting = self._setting(info, keys)
        start, order = begin(setting, base_control)
        admissible = setting.allowed(base_control[None])[0]
        now = self._take_turns(setting.in_order(order), start, keys)
        return self._decision(base_control, admissible, start.samples, now)

    def _decision(
        self,
        base_control: Int[Array, " m"],
        admissible: Bool[Array, ""],
        reference: Float[Array, " samples"],
        now: Progress,
    ) -> Decision:
        return decision(
            self.model,
            self.simulation,
            admissible=admissible,
            control=now.control,
            base_control=base_control,
            q_factors=now.q_factors,
            q_errors=now.q_errors,
            chosen=now.samples,
            reference=reference,
            num_q_factors=now.compared,
            num_simulations=now.simulated,
            num_incomparable=now.incomparable,
            num_truncated=now.truncated,
            num_passes=now.passes,
            num_trajectories=now.trajectories,
        )

    def _setting(self, info: State, keys: PlannerKeys) -> Setting:
        allocation = halving if self.allocation == "halving" else uniform
        drawn = None
        if self.max_candidates is not None and self.max_candidates < self.model.num_controls:
            # Guesses and proposals never meet, so the key of one serves the other.
            proposing, drawing = jax.random.split(keys.signal)
            logits = logits_of(self.proposal, self.model, info, proposing)
            drawn = Drawn(self.max_candidates - 1, logits, drawing)
        sampled = self.simulation.expectation == "sampled"
        return Setting(
            model=self.model,
            players=players(self),
            simulation=self.simulation,
            significance=self.significance,
            state=info,
            key=keys.simulation,
            allocation=allocation,
            drawn=drawn,
            draws=draws_of(self.model, self.simulation, keys.simulation, beforehand=True) if sampled else None,
        )

    def _take_turns(self, setting: Setting, start: Progress, keys: PlannerKeys) -> Progress:
        m, c = self.model.num_agents, self.model.num_controls
        if c == 1:
            return start._replace(compared=jnp.asarray(m, jnp.int32))
        if self.order == "optimised":
            return take_turns(setting, before_turns(start), None, m).now
        order = given_order(self.order, m, keys.order)
        window = self._window()
        if window < 2:
            return unless_mapped(in_given_order, in_own_order)(setting, start, order)
        guess = start.control
        if self.guess is not None:
            guess = control_of(self.model, self.guess, setting.state, keys.signal, "The policy guess")

        def speculate(setting: Setting, start: Progress, order: Any, guess: Any) -> Progress:
            return speculatively(setting, start, order, guess, window)

        def in_turn(setting: Setting, start: Progress, order: Any, _: Any) -> Progress:
            return in_own_order(setting, start, order)

        if self.schedule == "auto" and jax.default_backend() == "cpu":
            # Many states fill the vectors by themselves, and turns waste nothing.
            return unless_mapped(speculate, in_turn)(setting, start, order, guess)
        return speculate(setting, start, order, guess)

    @property
    def _turns_in_all(self) -> int:
        """The turns of a decision; in the optimised order, of every agent that might take each."""
        m = self.model.num_agents
        return m * (m + 1) // 2 if self.order == "optimised" else m

    def _window(self) -> int:
        """Return how many turns to compute at once; 1 is taking turns."""
        m, c = self.model.num_agents, self.model.num_controls
        if self.schedule == "sequential" or _saves(self):
            return 1
        if self.window is not None or self.schedule == "speculative" or jax.default_backend() != "cpu":
            # Every guess may be wrong, and then a pass makes one turn final: all futures must still be counted.
            countable = MOST_FUTURES // (1 + m * (c - 1) * num_samples(self.simulation, self.model))
            return min(self.window or m, m, max(1, countable))
        lanes = LANES_OF_LARGE_TEAMS if m >= LARGE else LANES_FOR_FREE
        return min(lanes // ((c - 1) * num_samples(self.simulation, self.model)), m)

    @explained
    def _act_base(self, info: State, key: Key) -> Decision:
        base_control = self._base_control(info, planner_keys(key))
        admissible = allowed(self.model, info, base_control[None])[0]
        return undecided(base_control, admissible, (self.model.num_agents, self.model.num_controls))

    @explained
    def _begin(self, info: State, key: Key) -> Unfinished:
        keys = planner_keys(key)
        base_control = self._base_control(info, keys)
        setting = self._setting(info, keys)
        start, order = begin(setting, base_control)
        if self.model.num_controls == 1:
            start = start._replace(compared=jnp.asarray(self.model.num_agents, jnp.int32))
        admissible = setting.allowed(base_control[None])[0]
        return self._unfinished(_Work(base_control, admissible, start.samples, order, before_turns(start)))

    @explained
    def _advance(self, info: State, key: Key, work: _Work, count: int | Int[Array, ""]) -> Unfinished:
        keys = planner_keys(key)
        setting = self._setting(info, keys).in_order(work.order)
        order = None if self.order == "optimised" else given_order(self.order, self.model.num_agents, keys.order)
        return self._unfinished(work._replace(turns=take_turns(setting, work.turns, order, count)))

    def _unfinished(self, work: _Work) -> Unfinished:
        left = work.turns.left() if self.model.num_controls > 1 else jnp.zeros((), jnp.int32)
        decision = self._decision(work.base_control, work.admissible, work.reference, work.turns.now)
        return Unfinished(work, work.turns.taken, left, decision)


def _check_schedule(planner: OneAtATimeRollout) -> None:
    if planner.schedule not in ("auto", "sequential", "speculative"):
        raise InputError(f"schedule={planner.schedule!r}: give 'auto', 'sequential' or 'speculative'.")
    if planner.guess is not None and not callable(planner.guess):
        raise InputError(f"guess={planner.guess!r} cannot be called; give a policy, or None for the base policy.")
    if planner.window is not None and not is_whole(planner.window, 1):
        raise InputError(f"window={planner.window!r}: give a whole number of turns from 1 up, or None for all.")
    if planner.order == "optimised" and planner.schedule == "speculative":
        raise InputError(
            "schedule='speculative' needs the order before the choices, and order='optimised' finds it with them; "
            "give another order, or schedule='sequential'."
        )


def _saves(planner: OneAtATimeRollout) -> bool:
    """Say whether turns leave something out that speculation would need."""
    return planner.allocation != "uniform" or planner.max_candidates is not None


def _check_savings(planner: OneAtATimeRollout) -> None:
    if planner.allocation not in ("uniform", "halving"):
        raise InputError(f"allocation={planner.allocation!r}: give 'uniform' or 'halving'.")
    if planner.max_candidates is not None and not is_whole(planner.max_candidates, 2):
        raise InputError(
            f"max_candidates={planner.max_candidates!r}: a turn compares the present control and at least one other; "
            "give a whole number from 2 up, or None for all controls."
        )
    if planner.proposal is not None and planner.max_candidates is None:
        raise InputError("proposal draws the controls of a turn, but max_candidates=None compares all; give a number.")
    if planner.proposal is not None and not callable(planner.proposal):
        raise InputError(
            f"proposal={planner.proposal!r} cannot be called; give a function (state, key) -> logits [m, c]."
        )
    if planner.schedule == "speculative" and _saves(planner):
        option = f"max_candidates={planner.max_candidates}"
        option = option if planner.allocation == "uniform" else f"allocation={planner.allocation!r}"
        raise InputError(
            f"schedule='speculative' takes the next turn's context from a candidate that was guessed and needs all "
            f"samples of every control, which {option} leaves out; give schedule='sequential'."
        )


_decide = jit(OneAtATimeRollout._decide)
_PIECES = Pieces(jit(OneAtATimeRollout._act_base), jit(OneAtATimeRollout._begin), jit(OneAtATimeRollout._advance))
