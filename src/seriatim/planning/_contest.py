"""Comparing alternatives with a present control: all samples for all, or fewer and fewer alternatives.

Most alternatives lose clearly, and a few samples show it. *Sequential halving* spends the others where the choice is
close: all alternatives get a first block of samples, the better half gets the next, and so on, until one is left and
has all N. Here every round doubles the samples of those still in, so that n = 2**R alternatives take

    N + R * N / 2   simulations instead of   n * N        (4: half of them; 128: one in 28).

How the guarantee is kept. A control is left only for one that has all N samples, by the rule of choice on all N:
uniform allocation would compare these two in the same way. So each agent's chosen estimate is no larger than its
predecessor's, and `significance` means what it meant. An improvement can be lost, where the best alternative falls
behind early, but costs never rise. Alternatives are ranked by their paired gains over the present control, whose N
samples are known from the turn before. It takes no part in the rounds, and cannot be dropped.

Differences to the source. It throws the samples of earlier rounds away, which its analysis needs; here they are kept,
since the finalist must have all N. It spends the same in every round, where we double, because blocks then depend on
nothing but the numbers n and N. Its bound on the chance of dropping the best, for independent rewards in [0, 1],

    P(best lost) <= 3 log2(n) exp(-T / (8 H2 log2(n))),   H2 = max_i i / gap_i**2,   T samples in all,

therefore describes the method, not this variant of it; the tests bound ours directly.

Source: Z. Karnin, T. Koren, O. Somekh, Almost Optimal Exploration in Multi-Armed Bandits, ICML 2013. Planning with it:
I. Danihelka, A. Guez, J. Schrittwieser, D. Silver, Policy Improvement by Planning with Gumbel, ICLR 2022.
"""

import math
from typing import NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from seriatim._compile import unknown
from seriatim._record import record
from seriatim.planning._choice import are_comparable, choose, gain
from seriatim.planning._search import Asking
from seriatim.simulation._engine import Ask
from seriatim.simulation._futures import Costs

# With fewer samples than this no alternative is dropped: they tell more of luck than of controls.
FIRST_BLOCK = 4


class Round(NamedTuple):
    """A round: how many alternatives are still in, and the samples they get."""

    alternatives: int
    samples: range


class Contest(NamedTuple):
    """The result of a comparison.

    `best` is the alternative chosen, -1 for the present control, and `samples` are the costs of what was chosen.
    `q_factors` of alternatives that were dropped rest on the samples they got, taken relative to the present control,
    and `errors` are those of the differences to it.
    `trajectories` counts simulations of one sample each, `truncated` those of them that had not ended where they were
    cut off; `passes`, calls of the engine; `incomparable`, allowed alternatives whose gain is no number.
    """

    best: Int[Array, ""]
    samples: Float[Array, " samples"]
    q_factors: Float[Array, " n"]
    errors: Float[Array, " n"]
    trajectories: int | Int[Array, ""]
    passes: int | Int[Array, ""]
    incomparable: Int[Array, ""]
    truncated: Int[Array, ""]


@runtime_checkable
class Allocation(Protocol):
    """How samples are shared out among the alternatives of a turn."""

    def rounds(self, alternatives: int, samples: int) -> tuple[Round, ...]:
        """Plan the rounds; the first has all alternatives, and those in the last get all samples."""
        ...


@record
class Uniform:
    """All alternatives get all samples, at once."""

    def rounds(self, alternatives: int, samples: int) -> tuple[Round, ...]:
        """Plan one round."""
        return (Round(alternatives, range(samples)),)


@record
class Halving:
    """Samples go where the choice is close: they double and alternatives halve, from round to round.

    Alternatives that trail after a part of the samples are dropped, and one that is chosen has all, so that both
    guarantees hold as they stand. With 5 controls and 32 samples it takes half of the simulations
    (`Decision.num_trajectories`), in more passes. Q-factors of dropped controls rest on the samples they got, relative
    to the present control's.

    One alternative, or samples too few to drop any, make one round. With many alternatives and few samples there are
    not enough doublings for halving; each round then drops more.
    """

    def rounds(self, alternatives: int, samples: int) -> tuple[Round, ...]:
        """Plan the rounds, until one alternative is left and has all samples."""
        # Enough doublings to halve the alternatives down to one, but the first round keeps FIRST_BLOCK samples.
        doublings = min(math.ceil(math.log2(alternatives)), int(math.log2(max(1, samples / FIRST_BLOCK))))
        rounds, first = [], 0
        for left in range(doublings, -1, -1):
            last = samples >> left
            # n ** (left / doublings) alternatives, in whole numbers: n, ..., 1.
            still_in = math.ceil(alternatives ** (left / doublings) - 1e-9) if doublings else alternatives
            rounds.append(Round(still_in, range(first, last)))
            first = last
        return tuple(rounds)


def contest(
    rounds: tuple[Round, ...],
    reference: Float[Array, " samples"],
    controls: Int[Array, "n m"],
    allowed: Bool[Array, " n"],
    significance: Float[Array, ""] | float,
) -> Asking[Contest]:
    """Compare alternatives with the present control, whose samples are `reference`, round by round.

    Where no alternative may be chosen, none is simulated; over a batch of states, where that is so at all of them. The
    counts are those of the simulations that each state needed.

    Args:
        rounds: from an allocation, for as many alternatives and samples as there are.
        reference: the present control's costs.
        controls: the alternatives.
        allowed: which of them may be chosen; the others are the first to be dropped.
        significance: of the choice among those that have all samples.
    """
    chooses = jnp.any(allowed)
    # Beside an infinite present control only the alternatives' own costs can be told apart.
    anchor = jnp.where(jnp.isfinite(jnp.mean(reference)), reference, 0.0)
    # The usual case, without the bookkeeping of alternatives that were dropped.
    if len(rounds) == 1:
        costs = yield Ask(controls, like=reference, needed=chooses)
        found = _one_round(costs, reference, anchor, allowed, significance)
    else:
        found = yield from _many_rounds(rounds, reference, anchor, controls, allowed, significance)
    return _of_use(found, chooses)


def _many_rounds(
    rounds: tuple[Round, ...],
    reference: Float[Array, " samples"],
    anchor: Float[Array, " samples"],
    controls: Int[Array, "n m"],
    allowed: Bool[Array, " n"],
    significance: Float[Array, ""] | float,
) -> Asking[Contest]:
    """Compare round by round, and drop the alternatives that trail."""
    chooses = jnp.any(allowed)
    truncated = jnp.zeros((), jnp.int32)
    still_in = jnp.arange(controls.shape[0], dtype=jnp.int32)
    known = jnp.zeros((controls.shape[0], 0), reference.dtype)
    q_factors = jnp.full(controls.shape[0], jnp.inf, reference.dtype)
    errors = jnp.full(controls.shape[0], unknown(), reference.dtype)
    for alternatives, samples in rounds:
        if alternatives < still_in.shape[0]:
            # A Q-factor that is no number, or minus infinity, comes last, or it would crowd out those that are.
            rank = jnp.where(q_factors > -jnp.inf, q_factors, jnp.inf)[still_in]
            better = jax.lax.top_k(-rank, alternatives)[1]
            still_in, known = still_in[better], known[better]
        # Only the new samples are asked for: those of earlier rounds are kept.
        costs = yield Ask(controls[still_in], samples, like=reference, needed=chooses)
        known = jnp.concatenate([known, costs.costs], axis=1)
        truncated += jnp.sum(costs.truncated, dtype=jnp.int32)
        # The mean of all N of the present control, less the gain on the samples so far: gains have far less noise.
        q = jnp.mean(anchor) + jnp.mean(known - anchor[: samples.stop], axis=1)
        q_factors = q_factors.at[still_in].set(jnp.where(allowed[still_in], q, jnp.inf))
        errors = errors.at[still_in].set(gain(anchor[: samples.stop], known)[1])
    choice = choose(reference, known, allowed[still_in], significance)
    stays = choice.best < 0
    # Finalists have all samples, and their means are Q-factors as in one round.
    q_factors = q_factors.at[still_in].set(choice.q_factors)
    present = jnp.mean(reference)
    compared = are_comparable(present - q_factors, present, q_factors)
    return Contest(
        # The place among the finalists, as a place among all alternatives.
        best=jnp.where(stays, -1, still_in[choice.best]),
        samples=chosen_samples(choice.best, reference, known),
        q_factors=q_factors,
        errors=errors,
        trajectories=sum(alternatives * len(samples) for alternatives, samples in rounds),
        passes=len(rounds),
        incomparable=jnp.sum(allowed & ~compared, dtype=jnp.int32),
        truncated=truncated,
    )


def _of_use(found: Contest, chooses: Bool[Array, ""]) -> Contest:
    """Count nothing where there was no choice."""
    nothing = jnp.zeros((), jnp.int32)
    return found._replace(
        passes=jnp.where(chooses, found.passes, nothing),
        trajectories=jnp.where(chooses, found.trajectories, nothing),
        truncated=jnp.where(chooses, found.truncated, nothing),
    )


def _one_round(
    costs: Costs,
    reference: Float[Array, " samples"],
    anchor: Float[Array, " samples"],
    allowed: Bool[Array, " n"],
    significance: Float[Array, ""] | float,
) -> Contest:
    """Compare in one round, in which no alternative is dropped: as many rounds would, without their bookkeeping."""
    known = costs.costs
    choice = choose(reference, known, allowed, significance)
    return Contest(
        best=choice.best,
        samples=chosen_samples(choice.best, reference, known),
        q_factors=choice.q_factors,
        errors=gain(anchor, known)[1],
        trajectories=known.size,
        passes=1,
        incomparable=choice.incomparable,
        truncated=jnp.sum(costs.truncated, dtype=jnp.int32),
    )


def chosen_samples(
    best: Int[Array, ""], reference: Float[Array, " samples"], alternatives: Float[Array, "n samples"]
) -> Float[Array, " samples"]:
    """Return the samples of the control that was chosen, the reference's where `best` is -1."""
    return jnp.where(best < 0, reference, alternatives[best])
