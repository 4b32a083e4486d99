"""Taking turns: the joint control so far, and what one agent's turn makes of it.

Every turn of a decision meets the same disturbances. The samples of the present joint control are carried along, so a
turn simulates only the controls it does not know yet: c - 1.
"""

from typing import Any, NamedTuple

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


def in_given_order(setting: Setting, start: Progress, order: Int[Array, " m"]) -> Progress:
    """Let the agents choose one after the other; the turn of one that has no choice is not simulated.

    Over a batch of states a turn is saved where it is nobody's choice in any of them; what is counted is what each
    state needed.
    """
    c = setting.model.num_controls

    def take_turn(now: Progress, agent: Int[Array, ""]) -> tuple[Progress, None]:
        controls = deviations(now.control, agent, c)
        allowed = setting.allowed(controls)
        nothing = jnp.zeros((c - 1, *now.samples.shape), now.samples.dtype)
        chooses = jnp.any(allowed)
        samples = jax.lax.cond(_anywhere(chooses), setting.samples, lambda _: nothing, controls)
        choice = choose(now.samples, samples, allowed, setting.significance)
        stays = choice.best < 0
        row = jnp.full(c, jnp.mean(now.samples)).at[controls[:, agent]].set(choice.q_factors)
        after = Progress(
            jnp.where(stays, now.control, controls[choice.best]),
            jnp.where(stays, now.samples, samples[choice.best]),
            now.q_factors.at[agent].set(row),
            now.compared + c,
            now.simulated + (c - 1) * chooses,
            now.passes + chooses,
        )
        return after, None

    return jax.lax.scan(take_turn, start, order)[0]


class _Loop(NamedTuple):
    now: Progress
    remaining: Bool[Array, " m"]
    improved: Bool[Array, ""]


def in_optimised_order(setting: Setting, start: Progress) -> Progress:
    """Fix, turn by turn, the agent and control with the best Q-factor among the agents that have not had their turn.

    When no deviation of a remaining agent improves, none will later: the joint control no longer changes, and the
    remaining agents keep their base controls. So the loop ends there.
    """
    m, c = setting.model.num_agents, setting.model.num_controls
    agents = jnp.repeat(jnp.arange(m), c - 1)

    def take_turn(loop: _Loop) -> _Loop:
        now, remaining, _ = loop
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
        return _Loop(after, jnp.where(stays, remaining, left), ~stays)

    loop = _Loop(start, jnp.ones(m, bool), jnp.array(True))
    return jax.lax.while_loop(lambda at: at.improved & jnp.any(at.remaining), take_turn, loop).now
