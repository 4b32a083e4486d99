"""Taking turns: the joint control so far, and what one agent's turn makes of it.

Every turn of a decision meets the same disturbances. The samples of the present joint control are carried along, so a
turn simulates only the controls it does not know yet: c - 1, or those drawn for it where an agent has very many.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from seriatim.model import Disturbance, Key, Model, State
from seriatim.planning._halving import Contest, Round, contest, uniform
from seriatim.planning._proposals import gumbel_top_k
from seriatim.planning._q_factors import allowed, q_samples
from seriatim.planning._simulation import Simulation
from seriatim.policy import Policy


class Progress(NamedTuple):
    """How far a decision has come: the joint control so far, its sampled costs, and the estimates behind it.

    `passes` counts the calls of the engine that had to wait for one another; `simulated` the joint controls in them,
    `trajectories` their simulations of one sample each.
    """

    control: Int[Array, " m"]
    samples: Float[Array, " samples"]
    q_factors: Float[Array, "m c"]
    compared: Int[Array, ""]
    simulated: Int[Array, ""]
    passes: Int[Array, ""]
    trajectories: Int[Array, ""]


class Drawn(NamedTuple):
    """Turns that compare some of an agent's controls: how many besides the present one, and what they are drawn by."""

    alternatives: int
    logits: Float[Array, "m c"]
    key: Key


class Setting(NamedTuple):
    """One decision's constants.

    `allocation` divides samples among so many alternatives, `uniform` or `halving`; `drawn` is None where all of an
    agent's controls are compared; `ahead` are disturbances drawn beforehand, since every turn meets them.
    """

    model: Model
    players: tuple[Policy, ...]
    simulation: Simulation
    significance: float | Float[Array, ""]
    state: State
    key: Key
    allocation: Callable[[int, int], tuple[Round, ...]] = uniform
    drawn: Drawn | None = None
    ahead: Disturbance | None = None

    def samples(self, controls: Int[Array, "n m"], block: range | None = None) -> Float[Array, "n samples"]:
        """Simulate joint controls, all under the disturbances of this decision."""
        return q_samples(self.model, self.players, self.simulation, self.state, controls, self.key, self.ahead, block)

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
        some, counts = gumbel_top_k(logits, may, key, self.drawn.alternatives)
        return controls[some], counts

    def compare(
        self, reference: Float[Array, " samples"], controls: Int[Array, "n m"], may: Bool[Array, " n"]
    ) -> Contest:
        """Compare alternatives with the present joint control, whose samples are known."""
        rounds = self.allocation(controls.shape[0], reference.shape[0])
        return contest(self.samples, rounds, reference, controls, may, self.significance)


def begin(setting: Setting, base_control: Int[Array, " m"]) -> Progress:
    """Simulate the base control: where every order starts."""
    samples = setting.samples(base_control[None])[0]
    m, c = setting.model.num_agents, setting.model.num_controls
    zero, one = jnp.zeros((), jnp.int32), jnp.ones((), jnp.int32)
    return Progress(
        control=base_control,
        samples=samples,
        q_factors=jnp.full((m, c), jnp.mean(samples)),
        compared=zero,
        simulated=one,
        passes=one,
        trajectories=one * samples.shape[0],
    )


def other_controls(control: Int[Array, ""], num_controls: int) -> Int[Array, " c_less_1"]:
    """List an agent's controls other than its present one."""
    steps = jnp.arange(1, num_controls, dtype=control.dtype)
    return (jnp.broadcast_to(control, steps.shape) + steps) % num_controls


def deviations(control: Int[Array, " m"], agent: Int[Array, ""], num_controls: int) -> Int[Array, "c_less_1 m"]:
    """List the joint controls in which only `agent` leaves its present control."""
    others = other_controls(control[agent], num_controls)
    every = jnp.broadcast_to(control, (num_controls - 1, control.shape[0]))
    return every.at[:, agent].set(others)


def in_given_order(setting: Setting, start: Progress, order: Int[Array, " m"]) -> Progress:
    """Let the agents choose one after the other."""
    c = setting.model.num_controls

    def take_turn(now: Progress, agent: Int[Array, ""]) -> tuple[Progress, None]:
        controls, may = setting.alternatives(now.control, agent)
        found = setting.compare(now.samples, controls, may)
        row = jnp.full(c, jnp.inf).at[now.control[agent]].set(jnp.mean(now.samples))
        q_factors = now.q_factors.at[agent].set(row.at[controls[:, agent]].set(found.q_factors))
        return _after(now, found, controls, q_factors, controls.shape[0] + 1), None

    return jax.lax.scan(take_turn, start, order)[0]


def _after(
    now: Progress,
    found: Contest,
    controls: Int[Array, "n m"],
    q_factors: Float[Array, "m c"],
    compared: int | Int[Array, ""],
) -> Progress:
    """Go on from what a contest chose."""
    return Progress(
        control=jnp.where(found.best < 0, now.control, controls[found.best]),
        samples=found.samples,
        q_factors=q_factors,
        compared=now.compared + compared,
        simulated=now.simulated + controls.shape[0],
        passes=now.passes + found.passes,
        trajectories=now.trajectories + found.trajectories,
    )


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

    def take_turn(loop: _Loop) -> _Loop:
        now, remaining, _ = loop
        each, may = jax.vmap(setting.alternatives, in_axes=(None, 0))(now.control, jnp.arange(m))
        controls, own = each.reshape(-1, m), jnp.diagonal(each, axis1=0, axis2=2).T
        found = setting.compare(now.samples, controls, (may & remaining[:, None]).reshape(-1))
        agents = jnp.arange(m)[:, None]
        rows = jnp.full((m, c), jnp.inf).at[jnp.arange(m), now.control].set(jnp.mean(now.samples))
        rows = rows.at[agents, own].set(found.q_factors.reshape(m, -1))
        q_factors = jnp.where(remaining[:, None], rows, now.q_factors)
        compared = (own.shape[1] + 1) * jnp.sum(remaining, dtype=jnp.int32)
        stays = found.best < 0
        left = remaining & (jnp.arange(m) != found.best // own.shape[1])
        return _Loop(_after(now, found, controls, q_factors, compared), jnp.where(stays, remaining, left), ~stays)

    loop = _Loop(start, jnp.ones(m, bool), jnp.array(True))
    return jax.lax.while_loop(lambda at: at.improved & jnp.any(at.remaining), take_turn, loop).now
