"""Taking turns: the joint control so far, and what one agent's turn makes of it.

Every turn of a decision meets the same disturbances. The samples of the present joint control are carried along, so a
turn simulates only the controls it does not know yet: c - 1, or those drawn for it where an agent has very many.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from seriatim import distributions
from seriatim.model import Key, Model, State
from seriatim.planning._draws import Draws, in_order, worth_sorting
from seriatim.planning._halving import Contest, Round, contest, uniform
from seriatim.planning._lanes import Simulated
from seriatim.planning._q_factors import allowed, simulated
from seriatim.planning._simulation import Simulation
from seriatim.policy import Policy


class Progress(NamedTuple):
    """How far a decision has come: the joint control so far, its sampled costs, and the estimates behind it.

    `passes` counts the calls of the engine that had to wait for one another; `simulated` the joint controls in them,
    `trajectories` their simulations of one sample each, `truncated` those of them that had not ended where they were
    cut off; `incomparable` the alternatives whose gain is no number.
    """

    control: Int[Array, " m"]
    samples: Float[Array, " samples"]
    q_factors: Float[Array, "m c"]
    q_errors: Float[Array, "m c"]
    compared: Int[Array, ""]
    simulated: Int[Array, ""]
    passes: Int[Array, ""]
    trajectories: Int[Array, ""]
    incomparable: Int[Array, ""]
    truncated: Int[Array, ""]


class Drawn(NamedTuple):
    """Turns that compare some of an agent's controls: how many besides the present one, and what they are drawn by."""

    alternatives: int
    logits: Float[Array, "m c"]
    key: Key


class Setting(NamedTuple):
    """One decision's constants.

    `allocation` divides samples among so many alternatives, `uniform` or `halving`; `drawn` is None where all of an
    agent's controls are compared; `draws` are what the samples meet, in every turn (None: exact expectations).
    """

    model: Model
    players: tuple[Policy, ...]
    simulation: Simulation
    significance: float | Float[Array, ""]
    state: State
    key: Key
    allocation: Callable[[int, int], tuple[Round, ...]] = uniform
    drawn: Drawn | None = None
    draws: Draws | None = None

    def samples(
        self,
        controls: Int[Array, "n m"],
        block: range | None = None,
        reference: Float[Array, " all"] | None = None,
    ) -> Simulated:
        """Simulate joint controls, all under the disturbances of this decision; `reference` is like their costs."""
        given = (self.model, self.players, self.simulation, self.state, controls, self.key)
        expected = None
        if self.draws is not None and reference is not None:
            expected = jnp.mean(reference.reshape(self.draws.policy_keys.shape[0], -1), axis=1)
        return simulated(*given, self.draws, block, expected)

    def in_order(self, order: Int[Array, " samples"] | None) -> "Setting":
        """Return the setting with its samples in an order; None leaves them as they are."""
        if order is None or self.draws is None:
            return self
        return self._replace(draws=in_order(self.draws, order))

    def allowed(self, controls: Int[Array, "n m"]) -> Bool[Array, " n"]:
        """Say which joint controls may be chosen."""
        return allowed(self.model, self.state, controls)

    def alternatives(
        self, control: Int[Array, " m"], agent: Int[Array, ""]
    ) -> tuple[Int[Array, "n m"], Bool[Array, " n"]]:
        """List the joint controls that an agent's turn compares with the present one, and which may be chosen."""
        controls = deviations(control, agent, self.model.num_controls)
        may = self.allowed(controls)
        if self.drawn is None:
            return controls, may
        logits = self.drawn.logits[agent, controls[:, agent]]
        key = jax.random.fold_in(self.drawn.key, agent)
        # Gumbel top-k, where those that may not be chosen come last, and each control is still met once.
        perturbed = distributions.gumbels(distributions.masked(logits, may), key)
        value, some = jax.lax.top_k(perturbed, self.drawn.alternatives)
        return controls[some], value > -jnp.inf

    def compare(
        self, reference: Float[Array, " samples"], controls: Int[Array, "n m"], may: Bool[Array, " n"]
    ) -> Contest:
        """Compare alternatives with the present joint control, whose samples are known.

        Where none may be chosen, none is simulated; over a batch of states, where that is so at all of them. What is
        counted is what each state needed.
        """
        chooses = jnp.any(may)
        anywhere = _anywhere(chooses)

        def sampler(controls: Int[Array, "k m"], block: range) -> Simulated:
            samples: Simulated = jax.lax.cond(
                anywhere, lambda: self.samples(controls, block, reference), lambda: _nothing(controls, block)
            )
            return samples

        rounds = self.allocation(controls.shape[0], reference.shape[0])
        found = contest(sampler, rounds, reference, controls, may, self.significance)
        nothing = jnp.zeros((), jnp.int32)
        return found._replace(
            passes=jnp.where(chooses, found.passes, nothing),
            trajectories=jnp.where(chooses, found.trajectories, nothing),
            truncated=jnp.where(chooses, found.truncated, nothing),
        )


class Start(NamedTuple):
    """The base control simulated; `order` is the one its samples, and all others, are in (None: as drawn)."""

    progress: Progress
    order: Int[Array, " samples"] | None


def begin(setting: Setting, base_control: Int[Array, " m"]) -> Start:
    """Simulate the base control: where every order of the agents starts.

    Its samples are put into the order of their costs, if there are enough, so that later simulations take together what
    lasts about as long. Not if alternatives are dropped after a part of the samples, which must not be a chosen part.
    """
    found = setting.samples(base_control[None])
    samples, order = found.costs[0], None
    if setting.draws is not None and setting.allocation is uniform and worth_sorting(samples.shape[0]):
        order = jnp.argsort(samples)
        samples = samples[order]
    m, c = setting.model.num_agents, setting.model.num_controls
    zero, one = jnp.zeros((), jnp.int32), jnp.ones((), jnp.int32)
    progress = Progress(
        control=base_control,
        samples=samples,
        q_factors=jnp.full((m, c), jnp.mean(samples)),
        q_errors=jnp.zeros((m, c), samples.dtype),
        compared=zero,
        simulated=one,
        passes=one,
        trajectories=one * samples.shape[0],
        incomparable=zero,
        truncated=found.truncated[0],
    )
    return Start(progress, order)


def other_controls(control: Int[Array, ""], num_controls: int) -> Int[Array, " c_less_1"]:
    """List an agent's controls other than its present one."""
    steps = jnp.arange(1, num_controls, dtype=control.dtype)
    return (jnp.broadcast_to(control, steps.shape) + steps) % num_controls


def deviations(control: Int[Array, " m"], agent: Int[Array, ""], num_controls: int) -> Int[Array, "c_less_1 m"]:
    """List the joint controls in which only `agent` leaves its present control."""
    others = other_controls(control[agent], num_controls)
    own = jnp.arange(control.shape[0]) == agent
    return jnp.where(own, others[:, None], control)


@jax.custom_batching.custom_vmap
def _anywhere(here: Bool[Array, ""]) -> Bool[Array, ""]:
    """Say whether something is so; over a batch of states, whether it is so at any of them.

    One answer for the batch keeps `cond` a branch. With an answer for each state, JAX would take both branches.
    """
    return here


@_anywhere.def_vmap
def _(count: int, mapped: Any, here: Bool[Array, " states"]) -> tuple[Bool[Array, ""], bool]:
    del count, mapped
    return jnp.any(here), False


def turn(setting: Setting, now: Progress, agent: Int[Array, ""]) -> Progress:
    """Let one agent choose, given what the others do at present."""
    controls, may = setting.alternatives(now.control, agent)
    found = setting.compare(now.samples, controls, may)
    row, errors = _rows(setting, now, agent, controls[:, agent], found)
    now = now._replace(q_factors=with_row(now.q_factors, agent, row), q_errors=with_row(now.q_errors, agent, errors))
    return _after(now, found, controls, controls.shape[0] + 1)


def _rows(
    setting: Setting, now: Progress, agent: Int[Array, ""], own: Int[Array, " n"], found: Contest
) -> tuple[Float[Array, " c"], Float[Array, " c"]]:
    """Return an agent's Q-factors and their errors; of controls that were not compared, infinity and 0."""
    present, here = now.control[agent], jnp.mean(now.samples)
    if setting.drawn is None:
        return row_of(present, here, found.q_factors), row_of(present, jnp.zeros_like(here), found.errors)
    row = jnp.full(setting.model.num_controls, jnp.inf).at[present].set(here)
    return row.at[own].set(found.q_factors), jnp.zeros_like(row).at[own].set(found.errors)


def with_row(table: Float[Array, "m c"], agent: Int[Array, ""], row: Float[Array, " c"]) -> Float[Array, "m c"]:
    """Put one agent's row into a table."""
    return jnp.where((jnp.arange(table.shape[0]) == agent)[:, None], row, table)


def row_of(present: Int[Array, ""], here: Float[Array, ""], others: Float[Array, " c_less_1"]) -> Float[Array, " c"]:
    """Return the numbers of an agent's controls: `here` of the present one, `others` in `other_controls`' order."""
    c = others.shape[0] + 1
    return jnp.concatenate([here[None], others])[(jnp.arange(c, dtype=present.dtype) - present) % c]


def _after(
    now: Progress,
    found: Contest,
    controls: Int[Array, "n m"],
    compared: int | Int[Array, ""],
) -> Progress:
    """Go on from what a contest chose."""
    return now._replace(
        control=jnp.where(found.best < 0, now.control, controls[found.best]),
        samples=found.samples,
        compared=now.compared + compared,
        simulated=now.simulated + jnp.where(found.passes > 0, controls.shape[0], 0),
        passes=now.passes + found.passes,
        trajectories=now.trajectories + found.trajectories,
        incomparable=now.incomparable + found.incomparable,
        truncated=now.truncated + found.truncated,
    )


def in_given_order(setting: Setting, start: Progress, order: Int[Array, " m"]) -> Progress:
    """Let the agents choose one after the other."""
    return jax.lax.scan(lambda now, agent: (turn(setting, now, agent), None), start, order)[0]


def in_own_order(setting: Setting, start: Progress, order: Int[Array, " m"]) -> Progress:
    """Let the agents choose one after the other, at many states side by side, with the results of `in_given_order`.

    At each state the agents that have a choice come first, in their order. So as many turns are simulated as the
    busiest state has such agents; in one order for all states, as many as have a choice at any of them. The turn of an
    agent without a choice changes nothing but its row of Q-factors, which is written afterwards.
    """
    chooses = _have_a_choice(setting, start.control)[order]
    own = order[jnp.argsort(~chooses, stable=True)]

    def step(now: Progress, agent: Int[Array, ""]) -> tuple[Progress, Float[Array, " samples"]]:
        after = turn(setting, now, agent)
        return after, after.samples

    now, samples = jax.lax.scan(step, start, own)
    turns = chooses.astype(jnp.int32)
    before = jnp.cumsum(turns) - turns  # turns with a choice before each place in the order
    met = jnp.concatenate([start.samples[None], samples])[before]

    def written() -> Progress:
        return _with_idle_rows(setting, now, order, chooses, met)

    finished: Progress = jax.lax.cond(_anywhere(~jnp.all(chooses)), written, lambda: now)
    return finished


def _have_a_choice(setting: Setting, control: Int[Array, " m"]) -> Bool[Array, " m"]:
    """Say which agents have an admissible control beside their present one."""
    mask = setting.model.control_mask(setting.state)
    others = mask & (jnp.arange(mask.shape[1], dtype=control.dtype) != control[:, None])
    return jnp.any(others, axis=1)


def _with_idle_rows(
    setting: Setting,
    now: Progress,
    order: Int[Array, " m"],
    chooses: Bool[Array, " m"],
    met: Float[Array, "m samples"],
) -> Progress:
    """Write the rows of agents without a choice; `met` are the present control's costs at each place in the order."""

    def rows(agent: Int[Array, ""], samples: Float[Array, " samples"]) -> tuple[Float[Array, " c"], Float[Array, " c"]]:
        at = now._replace(samples=samples)
        controls, may = setting.alternatives(at.control, agent)
        idle = jnp.zeros_like(may)
        rounds = setting.allocation(controls.shape[0], samples.shape[0])
        found = contest(_nothing, rounds, samples, controls, idle, setting.significance)
        return _rows(setting, at, agent, controls[:, agent], found)

    q_factors, q_errors = jax.vmap(rows)(order, met)
    place = jnp.argsort(order)
    idle = ~chooses[place][:, None]
    return now._replace(
        q_factors=jnp.where(idle, q_factors[place], now.q_factors),
        q_errors=jnp.where(idle, q_errors[place], now.q_errors),
    )


def _nothing(controls: Int[Array, "n m"], block: range) -> Simulated:
    """Simulate nothing."""
    count = controls.shape[0]
    return Simulated(jnp.zeros((count, len(block)), float), jnp.zeros(count, jnp.int32))


class Turns(NamedTuple):
    """A decision between two turns: who has not chosen yet, and whether a turn can still change anything."""

    now: Progress
    taken: Int[Array, ""]
    remaining: Bool[Array, " m"]
    improvable: Bool[Array, ""]

    def left(self) -> Int[Array, ""]:
        """Return the number of turns not yet taken; 0 where they would change nothing."""
        return jnp.where(self.improvable, jnp.sum(self.remaining, dtype=jnp.int32), 0)


def before_turns(start: Progress) -> Turns:
    """Return the start: nobody has chosen."""
    return Turns(start, jnp.zeros((), jnp.int32), jnp.ones(start.control.shape[0], bool), jnp.array(True))


def take_turns(setting: Setting, turns: Turns, order: Int[Array, " m"] | None, count: Int[Array, ""] | int) -> Turns:
    """Take up to `count` turns more, which may be traced; in the given order, or None for the optimised one."""

    def given_turn(at: Turns, agents: Int[Array, " m"]) -> Turns:
        agent = agents[at.taken]
        return Turns(turn(setting, at.now, agent), at.taken + 1, at.remaining.at[agent].set(False), at.improvable)

    def go_on(at: Turns) -> Turns:
        return optimised_turn(setting, at) if order is None else given_turn(at, order)

    last = turns.taken + count
    return jax.lax.while_loop(lambda at: (at.taken < last) & (at.left() > 0), go_on, turns)


def optimised_turn(setting: Setting, at: Turns) -> Turns:
    """Fix the agent and control with the best Q-factor among the agents that have not had their turn.

    When no deviation of a remaining agent improves, none will later: the joint control no longer changes, and the
    remaining agents keep their base controls. So the turns end there.
    """
    m, c = setting.model.num_agents, setting.model.num_controls
    now, remaining = at.now, at.remaining
    each, may = jax.vmap(setting.alternatives, in_axes=(None, 0))(now.control, jnp.arange(m))
    controls, own = each.reshape(-1, m), jnp.diagonal(each, axis1=0, axis2=2).T
    found = setting.compare(now.samples, controls, (may & remaining[:, None]).reshape(-1))
    agents = jnp.arange(m)[:, None]
    rows = jnp.full((m, c), jnp.inf).at[jnp.arange(m), now.control].set(jnp.mean(now.samples))
    rows = rows.at[agents, own].set(found.q_factors.reshape(m, -1))
    errors = jnp.zeros((m, c), rows.dtype).at[agents, own].set(found.errors.reshape(m, -1))
    now = now._replace(
        q_factors=jnp.where(remaining[:, None], rows, now.q_factors),
        q_errors=jnp.where(remaining[:, None], errors, now.q_errors),
    )
    compared = (own.shape[1] + 1) * jnp.sum(remaining, dtype=jnp.int32)
    stays = found.best < 0
    left = remaining & (jnp.arange(m) != found.best // own.shape[1])
    after = _after(now, found, controls, compared)
    return Turns(after, at.taken + 1, jnp.where(stays, remaining, left), ~stays)
