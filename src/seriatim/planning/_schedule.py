"""Schedules of one-at-a-time rollout, as values: how agents take their turns, and which samples or controls they skip.

Every schedule keeps the guarantee of improvement. Options that contradict each other cannot be written down: an order
that is found with the choices (`BestFirst`) leaves nothing to guess, and turns that leave samples or controls out
(`Halving`, `Sampled`) are taken one after the other.
"""

from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from seriatim._errors import InputError
from seriatim._numbers import is_whole
from seriatim._platform import on_cpu
from seriatim._preconditions import control_of
from seriatim._record import record, static
from seriatim.model import Key, Model, State
from seriatim.planning._best_first import BestDeviation
from seriatim.planning._candidates import Sampled, drawn_from
from seriatim.planning._contest import Allocation, Halving, Uniform
from seriatim.planning._decision import MOST_FUTURES, PlannerKeys
from seriatim.planning._in_turn import TurnsInOrder
from seriatim.planning._search import Search
from seriatim.planning._speculative import GuessedTurns
from seriatim.planning._turns import Rules
from seriatim.policy import Policy
from seriatim.simulation._settings import Simulation, num_samples

Order: TypeAlias = tuple[int, ...] | Literal["random"] | None


def check_order(order: Any, num_agents: int) -> None:
    """Refuse an order that is not a permutation of the agents."""
    if order is None or (isinstance(order, str) and order == "random"):
        return
    if isinstance(order, tuple) and sorted(order) == list(range(num_agents)):
        return
    raise InputError(
        f"order={order!r} is no order of {num_agents} agents; give a tuple with each of 0..{num_agents - 1} once, "
        "'random', or None for 0, 1, ..."
    )


def given_order(order: Order, num_agents: int, key: Key) -> Int[Array, " m"]:
    """Return the agents in their turn; "random" draws a permutation."""
    if order == "random":
        return jax.random.permutation(key, jnp.arange(num_agents, dtype=jnp.int32))
    listed = range(num_agents) if order is None else order
    return jnp.array(list(listed), jnp.int32)


# Simulations side by side that take a CPU little longer than one, half a vector of 16-bit numbers or all of it: of
# small teams, for which wrong guesses are dear, and of teams from `LARGE` on, for which passes are.
LANES_FOR_FREE, LANES_OF_LARGE_TEAMS, LARGE = 8, 16, 32


class Situation(NamedTuple):
    """The inputs of a decision: the planner's model and settings, the state, and the keys of the decision."""

    model: Model
    simulation: Simulation
    significance: float | Float[Array, ""]
    info: State
    keys: PlannerKeys


@runtime_checkable
class Schedule(Protocol):
    """How agents take their turns."""

    def search(self, at: Situation, *, one_by_one: bool = False) -> Search:
        """Return the search for a decision; with `one_by_one`, one whose steps are turns."""
        ...

    def most_turns(self, num_agents: int) -> int:
        """Return how many turns are compared at most."""
        ...


@record
class InTurn:
    """One pass of simulations a turn.

    Attributes:
        order: the agents in their turn: a tuple, None for 0, 1, ..., or "random" for a new permutation at each
            decision.
        candidates: which of an agent's controls its turn compares: None for all, or `Sampled(...)` for some, drawn anew
            at each decision, where there are very many.
        allocation: how samples are shared out among them: `Uniform()`, all samples for all, or `Halving()`, fewer
            samples for those that trail.

    Raises:
        InputError: an option is none of these.
    """

    order: Order = static(default=None)
    candidates: Sampled | None = None
    allocation: Allocation = Uniform()

    def __post_init__(self) -> None:
        _check_savings(self.candidates, self.allocation)

    def most_turns(self, num_agents: int) -> int:
        """Return a turn for each agent."""
        return num_agents

    def search(self, at: Situation, *, one_by_one: bool = False) -> Search:
        """Return the search whose steps are turns in this order."""
        del one_by_one
        order = given_order(self.order, at.model.num_agents, at.keys.order)
        return TurnsInOrder(_rules(at, self.allocation, self.candidates), order)


@record
class BestFirst:
    """At each turn the agent and control with the best Q-factor, of those that are left.

    It takes up to m(m+1)/2 * c Q-factors, and finds an order as it goes.

    Attributes:
        candidates: as for `InTurn`.
        allocation: as for `InTurn`.

    Raises:
        InputError: an option is none of these.
    """

    candidates: Sampled | None = None
    allocation: Allocation = Uniform()

    def __post_init__(self) -> None:
        _check_savings(self.candidates, self.allocation)

    def most_turns(self, num_agents: int) -> int:
        """Return, for each turn, the agents that might take it."""
        return num_agents * (num_agents + 1) // 2

    def search(self, at: Situation, *, one_by_one: bool = False) -> Search:
        """Return the search whose steps are turns, the best first."""
        del one_by_one
        return BestDeviation(_rules(at, self.allocation, self.candidates))


@record
class Speculative:
    """The controls and Q-factors of turns in order, in fewer passes, from guesses of the agents' choices.

    A pass computes several turns at once (`Decision.num_passes`), and more simulations than turns one by one. A wrong
    guess costs passes, never the answer.

    Attributes:
        order: as for `InTurn`.
        guess: a policy that is expected to choose as this planner will; None guesses the base policy.
        window: how many turns a pass computes at most. None is as many as the machine has room for beside one: on
            accelerators all; on a CPU for a single state so many as make 8 simulations (32 agents or more: 16). Many
            states at once (`jax.vmap`, `decide_many`) fill the vectors of a CPU by themselves, and turns, which waste
            nothing, are then taken one by one.

    Raises:
        InputError: an option is out of range.
    """

    order: Order = static(default=None)
    guess: Policy | None = None
    window: int | None = static(default=None)

    def __post_init__(self) -> None:
        if self.guess is not None and not callable(self.guess):
            raise InputError(f"guess={self.guess!r} cannot be called; give a policy, or None for the base policy.")
        if self.window is not None and not is_whole(self.window, 1):
            raise InputError(
                f"window={self.window!r}: give a whole number of turns from 1 up, or None for as many as the machine "
                "has room for."
            )

    def most_turns(self, num_agents: int) -> int:
        """Return a turn for each agent; a window is kept so short that even wrong guesses can be counted."""
        return num_agents

    def search(self, at: Situation, *, one_by_one: bool = False) -> Search:
        """Return the search whose steps are passes, or turns where one pass has no room for two."""
        order = given_order(self.order, at.model.num_agents, at.keys.order)
        # A clock can stop between steps only, so they are to be short.
        window = 1 if one_by_one else self._window(at)
        rules = Rules(at.significance, Uniform())
        # A pass of one turn guesses nothing: it is a turn.
        if window < 2:
            return TurnsInOrder(rules, order)
        guess = None
        if self.guess is not None:
            guess = control_of(at.model, self.guess, at.info, at.keys.signal, "The policy guess")
        # A window that the user has set holds for many states, too.
        return GuessedTurns(rules, order, guess, window, self.window is None and on_cpu())

    def _window(self, at: Situation) -> int:
        """Return how many turns to compute at once."""
        m, c = at.model.num_agents, at.model.num_controls
        if c == 1:
            return 1
        if self.window is not None or not on_cpu():
            # Every guess may be wrong, and then a pass makes one turn final: all futures must still be counted.
            countable = MOST_FUTURES // (1 + m * (c - 1) * num_samples(at.simulation, at.model))
            return min(self.window or m, m, max(1, countable))
        # On a CPU only simulations that cost next to nothing are worth the risk of a wrong guess.
        lanes = LANES_OF_LARGE_TEAMS if m >= LARGE else LANES_FOR_FREE
        return min(lanes // ((c - 1) * num_samples(at.simulation, at.model)), m)


def check_schedule(schedule: Any, num_agents: int) -> None:
    """Refuse what is no schedule, or not one of so many agents."""
    if not isinstance(schedule, (InTurn, Speculative, BestFirst)):
        seen = f"{schedule.__name__}, a class" if isinstance(schedule, type) else repr(schedule)
        raise InputError(f"schedule={seen}: give InTurn(...), Speculative(...) or BestFirst(...).")
    if not isinstance(schedule, BestFirst):
        check_order(schedule.order, num_agents)


def _rules(at: Situation, allocation: Allocation, candidates: Sampled | None) -> Rules:
    return Rules(at.significance, allocation, drawn_from(candidates, at.model, at.info, at.keys.signal))


def _check_savings(candidates: Sampled | None, allocation: Allocation) -> None:
    if candidates is not None and not isinstance(candidates, Sampled):
        raise InputError(f"candidates={candidates!r}: give Sampled(number), or None to compare all controls.")
    if not isinstance(allocation, (Uniform, Halving)):
        raise InputError(f"allocation={allocation!r}: give st.Halving(), or st.planning.Uniform() for all samples.")
