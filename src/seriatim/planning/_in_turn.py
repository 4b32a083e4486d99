"""Agents choose one after the other, in an order that is given before anything is compared."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from seriatim._mapping import unless_mapped
from seriatim.planning._contest import Uniform
from seriatim.planning._search import Asking, Reference, answered
from seriatim.planning._turns import Progress, Rules, begin, rows, turn
from seriatim.policy import Decision
from seriatim.simulation._engine import Engine, NothingSimulated, anywhere


class Taken(NamedTuple):
    """Where a decision in turns started, how far it has come, and how many agents have had their turn."""

    reference: Reference
    now: Progress
    turns: Int[Array, ""]


class TurnsInOrder(NamedTuple):
    """The search in which a step is the turn of the next agent in `order`."""

    rules: Rules
    order: Int[Array, " m"]

    def begin(self, engine: Engine, base_control: Int[Array, " m"]) -> Asking[Taken]:
        every = isinstance(self.rules.allocation, Uniform)
        reference, now = yield from begin(engine, base_control, all_samples=every)
        # Agents with one control each have nothing to choose.
        turns = 0 if engine.num_controls > 1 else engine.num_agents
        return Taken(reference, now, jnp.asarray(turns, jnp.int32))

    def step(self, engine: Engine, work: Taken) -> Asking[Taken]:
        now = yield from turn(self.rules, engine, work.now, self.order[work.turns])
        return Taken(work.reference, now, work.turns + 1)

    def left(self, work: Taken) -> Int[Array, ""]:
        return self.order.shape[0] - work.turns

    def decision(self, engine: Engine, work: Taken) -> Decision:
        return work.now.decision(engine, work.reference)

    def finished(self, engine: Engine, work: Taken) -> Taken:
        if engine.num_controls == 1:
            return work
        turns = unless_mapped(in_one_order, in_own_order, like=lambda _rules, _engine, start, _order: start)
        return work._replace(now=turns(self.rules, engine, work.now, self.order))


def in_one_order(rules: Rules, engine: Engine, start: Progress, order: Int[Array, " m"]) -> Progress:
    """Let the agents choose one after the other."""
    return jax.lax.scan(lambda now, agent: (_turn(rules, engine, now, agent), None), start, order)[0]


def _turn(rules: Rules, engine: Engine, now: Progress, agent: Int[Array, ""]) -> Progress:
    return answered(turn(rules, engine, now, agent), engine)[0]


def in_own_order(rules: Rules, engine: Engine, start: Progress, order: Int[Array, " m"]) -> Progress:
    """Let the agents choose one after the other, at many states side by side, with the results of `in_one_order`.

    At each state the agents that have a choice come first, in their order. So as many turns are simulated as the
    busiest state has such agents; in one order for all states, as many as have a choice at any of them. The turn of an
    agent without a choice changes nothing but its row of Q-factors, which is written afterwards.
    """
    chooses = _have_a_choice(engine, start.control)[order]
    own = order[jnp.argsort(~chooses, stable=True)]

    def step(now: Progress, agent: Int[Array, ""]) -> tuple[Progress, Float[Array, " samples"]]:
        after = _turn(rules, engine, now, agent)
        return after, after.samples

    now, samples = jax.lax.scan(step, start, own)
    turns = chooses.astype(jnp.int32)
    before = jnp.cumsum(turns) - turns  # turns with a choice before each place in the order
    met = jnp.concatenate([start.samples[None], samples])[before]

    def written() -> Progress:
        return _with_idle_rows(rules, engine, now, order, chooses, met)

    finished: Progress = jax.lax.cond(anywhere(~jnp.all(chooses)), written, lambda: now)
    return finished


def _have_a_choice(engine: Engine, control: Int[Array, " m"]) -> Bool[Array, " m"]:
    """Say which agents have an admissible control beside their present one."""
    mask = engine.control_mask()
    others = mask & (jnp.arange(mask.shape[1], dtype=control.dtype) != control[:, None])
    return jnp.any(others, axis=1)


def _with_idle_rows(
    rules: Rules,
    engine: Engine,
    now: Progress,
    order: Int[Array, " m"],
    chooses: Bool[Array, " m"],
    met: Float[Array, "m samples"],
) -> Progress:
    """Write the rows of agents without a choice; `met` are the present control's costs at each place in the order."""

    def row(agent: Int[Array, ""], samples: Float[Array, " samples"]) -> tuple[Float[Array, " c"], Float[Array, " c"]]:
        at = now._replace(samples=samples)
        controls, may = rules.alternatives(engine, at.control, agent)
        idle = rules.compare(samples, controls, jnp.zeros_like(may))
        found = answered(idle, NothingSimulated(samples.shape[0]))[0]
        return rows(rules, engine, at, agent, controls[:, agent], found)

    q_factors, q_errors = jax.vmap(row)(order, met)
    place = jnp.argsort(order)
    idle = ~chooses[place][:, None]
    return now._replace(
        q_factors=jnp.where(idle, q_factors[place], now.q_factors),
        q_errors=jnp.where(idle, q_errors[place], now.q_errors),
    )
