"""Best first: the order is found with the choices; each turn fixes the agent and control with the best Q-factor."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from seriatim.planning._contest import Uniform
from seriatim.planning._search import Asking, Reference, advanced
from seriatim.planning._turns import Progress, Rules, after, begin
from seriatim.policy import Decision
from seriatim.simulation._engine import Engine


class Fixed(NamedTuple):
    """How far a decision has come, the agents that have not chosen yet, and whether a turn can change anything."""

    reference: Reference
    now: Progress
    remaining: Bool[Array, " m"]
    improvable: Bool[Array, ""]


class BestDeviation(NamedTuple):
    """The search in which a step fixes the agent and control with the best Q-factor, of agents that are not yet fixed.

    When no deviation of a remaining agent improves, none will later: the joint control no longer changes, and the
    remaining agents keep their base controls. So the turns end there.
    """

    rules: Rules

    def begin(self, engine: Engine, base_control: Int[Array, " m"]) -> Asking[Fixed]:
        every = isinstance(self.rules.allocation, Uniform)
        reference, now = yield from begin(engine, base_control, all_samples=every)
        chooses = jnp.array(engine.num_controls > 1)
        return Fixed(reference, now, jnp.ones(engine.num_agents, bool), chooses)

    def left(self, work: Fixed) -> Int[Array, ""]:
        return jnp.where(work.improvable, jnp.sum(work.remaining, dtype=jnp.int32), 0)

    def step(self, engine: Engine, work: Fixed) -> Asking[Fixed]:
        m, c = engine.num_agents, engine.num_controls
        now, remaining = work.now, work.remaining
        # All agents' alternatives are one comparison; those of agents that are fixed may not be chosen.
        each, may = jax.vmap(lambda agent: self.rules.alternatives(engine, now.control, agent))(jnp.arange(m))
        # `own` [agents, alternatives]: each agent's own control in its alternatives.
        controls, own = each.reshape(-1, m), jnp.diagonal(each, axis1=0, axis2=2).T
        found = yield from self.rules.compare(now.samples, controls, (may & remaining[:, None]).reshape(-1))
        agents = jnp.arange(m)[:, None]
        rows = jnp.full((m, c), jnp.inf).at[jnp.arange(m), now.control].set(jnp.mean(now.samples))
        rows = rows.at[agents, own].set(found.q_factors.reshape(m, -1))
        errors = jnp.zeros((m, c), rows.dtype).at[agents, own].set(found.errors.reshape(m, -1))
        now = now._replace(
            # Rows of agents that are fixed stay as they were when these chose.
            q_factors=jnp.where(remaining[:, None], rows, now.q_factors),
            q_errors=jnp.where(remaining[:, None], errors, now.q_errors),
        )
        compared = (own.shape[1] + 1) * jnp.sum(remaining, dtype=jnp.int32)
        stays = found.best < 0
        # Alternatives lie agent by agent, so the place of the best names its agent; -1 names none.
        left = remaining & (jnp.arange(m) != found.best // own.shape[1])
        now = after(now, found, controls, compared)
        return Fixed(work.reference, now, jnp.where(stays, remaining, left), ~stays)

    def decision(self, engine: Engine, work: Fixed) -> Decision:
        return work.now.decision(engine, work.reference)

    def finished(self, engine: Engine, work: Fixed) -> Fixed:
        # Agents with one control each have nothing to compare.
        return work if engine.num_controls == 1 else advanced(self, engine, work)[1]
