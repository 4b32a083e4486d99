"""Speculation: the answer of taking turns, without waiting for every turn.

Guess what the agents will choose. Given the guess, all turns can be computed at once: turn k in the context of guessed
predecessors. Compare choices with guesses from the first turn on. Up to and including the first turn whose choice is
not what was guessed, every context was right, so those choices are final. Take the choices as the new guess and go on
from there.

Theorem. The controls and Q-factors are those of taking turns, for every guess: by induction, the context of a turn is
accepted only when it consists of final choices, and the engine gives a joint control the same samples whatever else it
simulates. Every pass makes at least one turn final, so there are at most m passes; there is one if the guess is right.

A pass simulates c - 1 controls for each turn in its window and no context: the samples of turn k + 1's context are
those of turn k's candidate that was guessed. Work in turns after the first wrong guess is wasted; a window bounds it.
No turn of a window waits for another: contexts are guesses, all turns choose at once, and only then is it seen how far
the guesses were right.

Speculative execution is old; for one-agent-at-a-time rollout it is this project's own.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from seriatim._mapping import unless_mapped
from seriatim.planning._choice import choose
from seriatim.planning._contest import chosen_samples
from seriatim.planning._in_turn import in_own_order
from seriatim.planning._search import Asking, Reference, advanced
from seriatim.planning._turns import Progress, Rules, begin, deviations, row_of
from seriatim.policy import Decision
from seriatim.simulation._engine import Ask, Engine


class Pass(NamedTuple):
    """Final turns, the guess of the others, and the progress up to the last final turn."""

    reference: Reference
    final: Int[Array, ""]
    guess: Int[Array, " m"]
    now: Progress


class _Turns(NamedTuple):
    """The turns of a window, each in its guessed context; the last ones may be beyond the last agent."""

    agent: Int[Array, " window"]
    exists: Bool[Array, " window"]
    controls: Int[Array, "window c_less_1 m"]
    samples: Float[Array, "window c_less_1 samples"]
    allowed: Bool[Array, "window c_less_1"]
    truncated: Int[Array, " window"]


class GuessedTurns(NamedTuple):
    """The search in which a step is a pass: a window of turns, computed at once from guesses of what precedes them.

    `guess` is what the agents are expected to choose, None the base control. `unless_together` says that where many
    states are decided together, they fill the machine by themselves, and turns, which waste nothing, are taken instead.
    """

    rules: Rules
    order: Int[Array, " m"]
    guess: Int[Array, " m"] | None
    window: int
    unless_together: bool

    def begin(self, engine: Engine, base_control: Int[Array, " m"]) -> Asking[Pass]:
        reference, now = yield from begin(engine, base_control, all_samples=True)
        return Pass(reference, jnp.zeros((), jnp.int32), base_control if self.guess is None else self.guess, now)

    def step(self, engine: Engine, work: Pass) -> Asking[Pass]:
        """Simulate the controls of the next turns, each in the context of the guesses before it."""
        m, c, window = engine.num_agents, engine.num_controls, self.window
        place = jnp.argmax(self.order == jnp.arange(m)[:, None], axis=1).astype(jnp.int32)

        def candidates(turn: Int[Array, ""]) -> Int[Array, "c_less_1 m"]:
            guessed = (place >= work.final) & (place < turn)
            return deviations(jnp.where(guessed, work.guess, work.now.control), self.order[turn], c)

        turns = work.final + jnp.arange(window, dtype=jnp.int32)
        inside = jnp.minimum(turns, m - 1)
        controls = jax.vmap(candidates)(inside)
        flat = controls.reshape(-1, m)
        found = yield Ask(flat)
        simulated = _Turns(
            agent=self.order[inside],
            exists=turns < m,
            controls=controls,
            samples=found.costs.reshape(window, c - 1, -1),
            allowed=engine.allowed(flat).reshape(window, c - 1),
            truncated=jnp.sum(found.truncated.reshape(window, c - 1), axis=1, dtype=jnp.int32),
        )
        return _accepted(self.rules.significance, work, simulated, place)

    def left(self, work: Pass) -> Int[Array, ""]:
        return self.order.shape[0] - work.final

    def decision(self, engine: Engine, work: Pass) -> Decision:
        return work.now.decision(engine, work.reference)

    def finished(self, engine: Engine, work: Pass) -> Pass:
        if not self.unless_together:
            return advanced(self, engine, work)[1]
        turns = unless_mapped(_in_passes, _in_turn, like=lambda _search, _engine, work: work.now)
        return work._replace(now=turns(self, engine, work))


def _in_passes(search: GuessedTurns, engine: Engine, work: Pass) -> Progress:
    return advanced(search, engine, work)[1].now


def _in_turn(search: GuessedTurns, engine: Engine, work: Pass) -> Progress:
    return in_own_order(search.rules, engine, work.now, search.order)


def _accepted(significance: float | Float[Array, ""], one: Pass, turns: _Turns, place: Int[Array, " m"]) -> Pass:
    """Let the agents of a window choose; accept their choices as far as the guesses before them were right."""
    now, window, c = one.now, turns.agent.shape[0], turns.controls.shape[1] + 1
    base, guessed = now.control[turns.agent], one.guess[turns.agent]
    references = _references(now.samples, turns.samples, (guessed - base) % c - 1)
    choice = jax.vmap(choose, (0, 0, 0, None))(references, turns.samples, turns.allowed, significance)
    own = turns.controls[jnp.arange(window), choice.best, turns.agent]
    chosen = jnp.where(choice.best < 0, base, own)
    # Every turn up to the first wrong guess is final, that turn included.
    used = jnp.sum(turns.exists, dtype=jnp.int32)
    first_wrong = jnp.min(jnp.where(chosen == guessed, window, jnp.arange(window, dtype=jnp.int32)))
    count = jnp.minimum(first_wrong + 1, used)
    last = count - 1
    # Where an agent's turn stands in the window.
    turn = place - one.final
    at = jnp.clip(turn, 0, window - 1)
    has_turn, is_final = (turn >= 0) & (turn < window), (turn >= 0) & (turn < count)
    here = jnp.mean(references, axis=1)
    rows = jax.vmap(row_of)(base, here, choice.q_factors)
    errors = jax.vmap(row_of)(base, jnp.zeros_like(here), choice.errors)
    new = used * (c - 1)
    progress = Progress(
        control=jnp.where(is_final, chosen[at], now.control),
        samples=chosen_samples(choice.best[last], references[last], turns.samples[last]),
        q_factors=jnp.where(is_final[:, None], rows[at], now.q_factors),
        q_errors=jnp.where(is_final[:, None], errors[at], now.q_errors),
        compared=now.compared + c * count,
        simulated=now.simulated + new,
        passes=now.passes + 1,
        trajectories=now.trajectories + new * now.samples.shape[0],
        incomparable=now.incomparable + jnp.sum(jnp.where(jnp.arange(window) < count, choice.incomparable, 0)),
        truncated=now.truncated + jnp.sum(jnp.where(turns.exists, turns.truncated, 0)),
    )
    return Pass(one.reference, one.final + count, jnp.where(has_turn, chosen[at], one.guess), progress)


def _references(
    start: Float[Array, " samples"], candidates: Float[Array, "window c_less_1 samples"], guessed: Int[Array, " window"]
) -> Float[Array, "window samples"]:
    """Return the samples of each turn's context: of the last candidate that was guessed before it, or of the start.

    `guessed` says which candidate is the guess, -1 where it is the agent's present control.
    """
    turns = jnp.arange(candidates.shape[0])
    leaves = (turns < turns[:, None]) & (guessed >= 0)
    last = jnp.max(jnp.where(leaves, turns, -1), axis=1)
    return jnp.where((last < 0)[:, None], start, candidates[last, guessed[last]])
