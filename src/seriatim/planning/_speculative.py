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

Speculative execution is old; for one-agent-at-a-time rollout it is this project's own.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from seriatim.planning._choice import choose
from seriatim.planning._turns import Progress, Setting, deviations


class _Pass(NamedTuple):
    """Final turns, the guess of the others, and the progress up to the last final turn."""

    final: Int[Array, ""]
    guess: Int[Array, " m"]
    now: Progress


class _Turn(NamedTuple):
    """One turn of a window, all in its guessed context."""

    agent: Int[Array, ""]
    exists: Bool[Array, ""]
    controls: Int[Array, "c_less_1 m"]
    samples: Float[Array, "c_less_1 samples"]
    allowed: Bool[Array, " c_less_1"]


class _Link(NamedTuple):
    """What a turn hands to the next one of its window; `right` says whether all guesses before were right."""

    reference: Float[Array, " samples"]
    right: Bool[Array, ""]
    guess: Int[Array, " m"]
    now: Progress


def speculatively(
    setting: Setting, start: Progress, order: Int[Array, " m"], guess: Int[Array, " m"], window: int
) -> Progress:
    """Let the agents choose as if one after the other.

    Args:
        setting: of the decision.
        start: the base control and its samples.
        order: the agents in their turn.
        guess: what they are expected to choose.
        window: how many turns are computed at once.
    """
    m, c = setting.model.num_agents, setting.model.num_controls

    def play(one: _Pass) -> _Pass:
        turns = _window(setting, one, order, window)
        used = jnp.sum(turns.exists, dtype=jnp.int32)
        new = used * (c - 1)
        now = one.now._replace(
            passes=one.now.passes + 1,
            simulated=one.now.simulated + new,
            trajectories=one.now.trajectories + new * one.now.samples.shape[0],
        )
        first = _Link(now.samples, jnp.array(True), one.guess, now)
        last, accepted = jax.lax.scan(lambda link, turn: _linked(setting, link, turn), first, turns)
        return _Pass(one.final + jnp.sum(accepted, dtype=jnp.int32), last.guess, last.now)

    zero = jnp.zeros((), jnp.int32)
    return jax.lax.while_loop(lambda one: one.final < m, play, _Pass(zero, guess, start)).now


def _window(setting: Setting, one: _Pass, order: Int[Array, " m"], window: int) -> _Turn:
    """Simulate the candidates of the next turns, each in the context of the guesses before it."""
    m, c = setting.model.num_agents, setting.model.num_controls
    place = jnp.zeros(m, jnp.int32).at[order].set(jnp.arange(m, dtype=jnp.int32))

    def candidates(turn: Int[Array, ""]) -> Int[Array, "c_less_1 m"]:
        guessed = (place >= one.final) & (place < turn)
        return deviations(jnp.where(guessed, one.guess, one.now.control), order[turn], c)

    turns = one.final + jnp.arange(window, dtype=jnp.int32)
    inside = jnp.minimum(turns, m - 1)
    controls = jax.vmap(candidates)(inside)
    flat = controls.reshape(-1, m)
    return _Turn(
        agent=order[inside],
        exists=turns < m,
        controls=controls,
        samples=setting.samples(flat).reshape(window, c - 1, -1),
        allowed=setting.allowed(flat).reshape(window, c - 1),
    )


def _linked(setting: Setting, link: _Link, turn: _Turn) -> tuple[_Link, Bool[Array, ""]]:
    """Let one agent choose; accept its choice if the guesses before it were right."""
    c = setting.model.num_controls
    choice = choose(link.reference, turn.samples, turn.allowed, setting.significance)
    stays = choice.best < 0
    base = link.now.control[turn.agent]
    chosen = jnp.where(stays, base, turn.controls[choice.best, turn.agent])
    samples = jnp.where(stays, link.reference, turn.samples[choice.best])
    own = turn.controls[:, turn.agent]
    row = jnp.full(c, jnp.mean(link.reference)).at[own].set(choice.q_factors)
    errors = jnp.zeros(c, row.dtype).at[own].set(choice.errors)
    accepted = link.right & turn.exists
    final = link.now._replace(
        control=link.now.control.at[turn.agent].set(chosen),
        samples=samples,
        q_factors=link.now.q_factors.at[turn.agent].set(row),
        q_errors=link.now.q_errors.at[turn.agent].set(errors),
        compared=link.now.compared + c,
    )
    guessed = link.guess[turn.agent]
    # The next turn's context holds the guess, whose samples are among this turn's.
    place = (guessed - base) % c - 1
    reference = jnp.where(place < 0, link.reference, turn.samples[place])
    after = _Link(
        reference,
        accepted & (chosen == guessed),
        jnp.where(turn.exists, link.guess.at[turn.agent].set(chosen), link.guess),
        jax.tree.map(lambda new, old: jnp.where(accepted, new, old), final, link.now),
    )
    return after, accepted
