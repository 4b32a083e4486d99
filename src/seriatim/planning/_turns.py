"""An agent's turn: its other controls are compared with its present one, given the present controls of all others.

Every turn of a decision meets the same noise. The samples of the present joint control are carried along, so a turn
simulates only the controls whose costs are not known yet: c - 1, or those drawn for it where an agent has very many.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from seriatim import distributions
from seriatim.planning._candidates import Drawn
from seriatim.planning._contest import Allocation, Contest, contest
from seriatim.planning._decision import decision
from seriatim.planning._search import Asking, Reference
from seriatim.policy import Decision
from seriatim.simulation._engine import Ask, Engine


class Progress(NamedTuple):
    """How far a decision has come: the joint control so far, its sampled costs, and the estimates behind it.

    `passes` counts the asks that had to wait for one another; `simulated` the joint controls in them, `trajectories`
    their simulations of one sample each, `truncated` those of them that had not ended where they were cut off;
    `incomparable` the alternatives whose gain is no number.
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

    def decision(self, engine: Engine, reference: Reference) -> Decision:
        """Return the decision that ends here."""
        return decision(
            engine,
            reference,
            control=self.control,
            q_factors=self.q_factors,
            q_errors=self.q_errors,
            chosen=self.samples,
            num_q_factors=self.compared,
            num_simulations=self.simulated,
            num_incomparable=self.incomparable,
            num_truncated=self.truncated,
            num_passes=self.passes,
            num_trajectories=self.trajectories,
        )


class Rules(NamedTuple):
    """How agents choose in their turns; `drawn` is None where all of an agent's controls are compared."""

    significance: float | Float[Array, ""]
    allocation: Allocation
    drawn: Drawn | None = None

    def alternatives(
        self, engine: Engine, control: Int[Array, " m"], agent: Int[Array, ""]
    ) -> tuple[Int[Array, "n m"], Bool[Array, " n"]]:
        """List the joint controls that an agent's turn compares with the present one, and which may be chosen."""
        controls = deviations(control, agent, engine.num_controls)
        may = engine.allowed(controls)
        if self.drawn is None:
            return controls, may
        logits = self.drawn.logits[agent, controls[:, agent]]
        # An agent's draw does not depend on when its turn is.
        key = jax.random.fold_in(self.drawn.key, agent)
        # Gumbel top-k, where those that may not be chosen come last, and each control is still met once.
        perturbed = distributions.gumbels(distributions.masked(logits, may), key)
        value, some = jax.lax.top_k(perturbed, self.drawn.alternatives)
        return controls[some], value > -jnp.inf

    def compare(
        self, reference: Float[Array, " samples"], controls: Int[Array, "n m"], may: Bool[Array, " n"]
    ) -> Asking[Contest]:
        """Compare alternatives with the present joint control, whose samples are known."""
        rounds = self.allocation.rounds(controls.shape[0], reference.shape[0])
        return contest(rounds, reference, controls, may, self.significance)


def begin(engine: Engine, base_control: Int[Array, " m"], *, all_samples: bool) -> Asking[tuple[Reference, Progress]]:
    """Simulate the base control, where every order of the agents starts.

    Args:
        engine: of the state.
        base_control: the base policy's.
        all_samples: whether every later ask is for all samples, which may then be sorted. A part of them must not be a
            chosen part.
    """
    found = yield Ask(base_control[None], is_reference=all_samples)
    samples = found.costs[0]
    shape = (engine.num_agents, engine.num_controls)
    zero, one = jnp.zeros((), jnp.int32), jnp.ones((), jnp.int32)
    progress = Progress(
        control=base_control,
        samples=samples,
        q_factors=jnp.full(shape, jnp.mean(samples)),
        q_errors=jnp.zeros(shape, samples.dtype),
        # With one control each, every agent has had its turn.
        compared=zero if engine.num_controls > 1 else one * engine.num_agents,
        simulated=one,
        passes=one,
        trajectories=one * samples.shape[0],
        incomparable=zero,
        truncated=found.truncated[0],
    )
    return Reference(base_control, engine.allowed(base_control[None])[0], samples), progress


def turn(rules: Rules, engine: Engine, now: Progress, agent: Int[Array, ""]) -> Asking[Progress]:
    """Let one agent choose, given the present controls of the others."""
    controls, may = rules.alternatives(engine, now.control, agent)
    found = yield from rules.compare(now.samples, controls, may)
    row, errors = rows(rules, engine, now, agent, controls[:, agent], found)
    now = now._replace(q_factors=with_row(now.q_factors, agent, row), q_errors=with_row(now.q_errors, agent, errors))
    return after(now, found, controls, controls.shape[0] + 1)


def after(now: Progress, found: Contest, controls: Int[Array, "n m"], compared: int | Int[Array, ""]) -> Progress:
    """Return the progress after a contest, which may have chosen another control."""
    return now._replace(
        # At -1 a row is looked up that is not used.
        control=jnp.where(found.best < 0, now.control, controls[found.best]),
        samples=found.samples,
        compared=now.compared + compared,
        # Without a choice nothing was simulated.
        simulated=now.simulated + jnp.where(found.passes > 0, controls.shape[0], 0),
        passes=now.passes + found.passes,
        trajectories=now.trajectories + found.trajectories,
        incomparable=now.incomparable + found.incomparable,
        truncated=now.truncated + found.truncated,
    )


def rows(
    rules: Rules, engine: Engine, now: Progress, agent: Int[Array, ""], own: Int[Array, " n"], found: Contest
) -> tuple[Float[Array, " c"], Float[Array, " c"]]:
    """Return an agent's Q-factors and their errors; of controls that were not compared, infinity and 0."""
    present, here = now.control[agent], jnp.mean(now.samples)
    if rules.drawn is None:
        return row_of(present, here, found.q_factors), row_of(present, jnp.zeros_like(here), found.errors)
    # Controls that were not drawn are unknown, and must never look best.
    row = jnp.full(engine.num_controls, jnp.inf).at[present].set(here)
    return row.at[own].set(found.q_factors), jnp.zeros_like(row).at[own].set(found.errors)


def other_controls(control: Int[Array, ""], num_controls: int) -> Int[Array, " c_less_1"]:
    """List an agent's controls other than its present one."""
    # Counted on from the present control: as many, whatever it is, and `row_of` finds them again.
    steps = jnp.arange(1, num_controls, dtype=control.dtype)
    return (jnp.broadcast_to(control, steps.shape) + steps) % num_controls


def deviations(control: Int[Array, " m"], agent: Int[Array, ""], num_controls: int) -> Int[Array, "c_less_1 m"]:
    """List the joint controls in which only `agent` leaves its present control."""
    others = other_controls(control[agent], num_controls)
    own = jnp.arange(control.shape[0]) == agent
    return jnp.where(own, others[:, None], control)


def with_row(table: Float[Array, "m c"], agent: Int[Array, ""], row: Float[Array, " c"]) -> Float[Array, "m c"]:
    """Put one agent's row into a table."""
    # Selected, not scattered: with a different agent at each state a scatter would write them one by one.
    return jnp.where((jnp.arange(table.shape[0]) == agent)[:, None], row, table)


def row_of(present: Int[Array, ""], here: Float[Array, ""], others: Float[Array, " c_less_1"]) -> Float[Array, " c"]:
    """Return the numbers of an agent's controls: `here` of the present one, `others` in `other_controls`' order."""
    c = others.shape[0] + 1
    # The inverse of `other_controls`, which counts on from the present control.
    return jnp.concatenate([here[None], others])[(jnp.arange(c, dtype=present.dtype) - present) % c]
