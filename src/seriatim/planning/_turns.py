"""Taking turns: the joint control so far, and what one agent's turn makes of it.

Every turn of a decision meets the same disturbances. The samples of the present joint control are carried along, so a
turn simulates only the controls it does not know yet: c - 1.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from seriatim.model import Key, Model, State
from seriatim.planning._choice import choose
from seriatim.planning._q_factors import allowed, q_samples
from seriatim.planning._simulation import Simulation
from seriatim.policy import Policy


class Progress(NamedTuple):
    """How far a decision has come: the joint control so far, its sampled costs, and the estimates behind it.

    `passes` counts the calls of the engine that had to wait for one another; `simulated` the joint controls in them.
    """

    control: Int[Array, " m"]
    samples: Float[Array, " samples"]
    q_factors: Float[Array, "m c"]
    compared: Int[Array, ""]
    simulated: Int[Array, ""]
    passes: Int[Array, ""]


class Setting(NamedTuple):
    """One decision's constants."""

    model: Model
    players: tuple[Policy, ...]
    simulation: Simulation
    significance: float | Float[Array, ""]
    state: State
    key: Key

    def samples(self, controls: Int[Array, "n m"]) -> Float[Array, "n samples"]:
        """Simulate joint controls, all under the disturbances of this decision."""
        return q_samples(self.model, self.players, self.simulation, self.state, controls, self.key)

    def allowed(self, controls: Int[Array, "n m"]) -> Bool[Array, " n"]:
        """Say which joint controls may be chosen."""
        return allowed(self.model, self.state, controls)


def begin(setting: Setting, base_control: Int[Array, " m"]) -> Progress:
    """Simulate the base control: where every order starts."""
    samples = setting.samples(base_control[None])[0]
    one = jnp.ones((), jnp.int32)
    blank = jnp.full((setting.model.num_agents, setting.model.num_controls), jnp.mean(samples))
    return Progress(base_control, samples, blank, 0 * one, one, one)


def other_controls(control: Int[Array, ""], num_controls: int) -> Int[Array, " c_less_1"]:
    """List an agent's controls other than its present one."""
    steps = jnp.arange(1, num_controls, dtype=control.dtype)
    return (jnp.broadcast_to(control, steps.shape) + steps) % num_controls


def deviations(control: Int[Array, " m"], agent: Int[Array, ""], num_controls: int) -> Int[Array, "c_less_1 m"]:
    """List the joint controls in which only `agent` leaves its present control."""
    others = other_controls(control[agent], num_controls)
    every = jnp.broadcast_to(control, (num_controls - 1, control.shape[0]))
    return every.at[:, agent].set(others)


def turn(setting: Setting, now: Progress, agent: Int[Array, ""]) -> Progress:
    """Let one agent choose, given what the others do at present."""
    c = setting.model.num_controls
    controls = deviations(now.control, agent, c)
    samples = setting.samples(controls)
    choice = choose(now.samples, samples, setting.allowed(controls), setting.significance)
    stays = choice.best < 0
    row = jnp.full(c, jnp.mean(now.samples)).at[controls[:, agent]].set(choice.q_factors)
    return Progress(
        jnp.where(stays, now.control, controls[choice.best]),
        jnp.where(stays, now.samples, samples[choice.best]),
        now.q_factors.at[agent].set(row),
        now.compared + c,
        now.simulated + c - 1,
        now.passes + 1,
    )


def in_given_order(setting: Setting, start: Progress, order: Int[Array, " m"]) -> Progress:
    """Let the agents choose one after the other."""
    return jax.lax.scan(lambda now, agent: (turn(setting, now, agent), None), start, order)[0]


class Turns(NamedTuple):
    """A decision between two turns: who has not chosen yet, and whether a turn can still change anything."""

    now: Progress
    remaining: Bool[Array, " m"]
    improvable: Bool[Array, ""]

    def left(self) -> Int[Array, ""]:
        """Return the number of turns not yet taken; 0 where they would change nothing."""
        return jnp.where(self.improvable, jnp.sum(self.remaining, dtype=jnp.int32), 0)


def before_turns(start: Progress) -> Turns:
    """Return the start: nobody has chosen."""
    return Turns(start, jnp.ones(start.control.shape[0], bool), jnp.array(True))


def take_turns(setting: Setting, turns: Turns, order: Int[Array, " m"] | None, count: Int[Array, ""] | int) -> Turns:
    """Take up to `count` turns more, which may be traced; in the given order, or None for the optimised one."""
    m = setting.model.num_agents

    def next_given(at: Turns, agents: Int[Array, " m"]) -> Turns:
        agent = agents[m - at.left()]
        return Turns(turn(setting, at.now, agent), at.remaining.at[agent].set(False), at.improvable)

    def go_on(step: tuple[Int[Array, ""], Turns]) -> tuple[Int[Array, ""], Turns]:
        taken, at = step
        return taken + 1, optimised_turn(setting, at) if order is None else next_given(at, order)

    start = (jnp.zeros((), jnp.int32), turns)
    return jax.lax.while_loop(lambda step: (step[0] < count) & (step[1].left() > 0), go_on, start)[1]


def optimised_turn(setting: Setting, at: Turns) -> Turns:
    """Fix the agent and control with the best Q-factor among the agents that have not had their turn.

    When no deviation of a remaining agent improves, none will later: the joint control no longer changes, and the
    remaining agents keep their base controls. So the turns end there.
    """
    m, c = setting.model.num_agents, setting.model.num_controls
    agents = jnp.repeat(jnp.arange(m), c - 1)
    now, remaining, _ = at
    controls = jax.vmap(deviations, in_axes=(None, 0, None))(now.control, jnp.arange(m), c).reshape(-1, m)
    samples = setting.samples(controls)
    candidate = setting.allowed(controls) & remaining[agents]
    choice = choose(now.samples, samples, candidate, setting.significance)
    stays = choice.best < 0
    own = jnp.take_along_axis(controls, agents[:, None], axis=1)[:, 0]
    rows = jnp.full((m, c), jnp.mean(now.samples)).at[agents, own].set(choice.q_factors)
    after = Progress(
        jnp.where(stays, now.control, controls[choice.best]),
        jnp.where(stays, now.samples, samples[choice.best]),
        jnp.where(remaining[:, None], rows, now.q_factors),
        now.compared + c * jnp.sum(remaining, dtype=jnp.int32),
        now.simulated + m * (c - 1),
        now.passes + 1,
    )
    left = remaining & (jnp.arange(m) != agents[choice.best])
    return Turns(after, jnp.where(stays, remaining, left), ~stays)
