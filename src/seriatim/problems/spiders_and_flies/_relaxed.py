"""The hunt with soft controls: where spiders are, and which flies live, as probabilities with a gradient.

A soft control `[m, 5]` gives each spider a distribution over its moves. Suppose that moves are drawn from them, each
spider and stage by itself. Then spiders are independent, and a fly lives if *no* spider has met it. Of spider i and
fly j it is therefore enough to carry

    untouched[i, j, x] = P(spider i is in cell x, and has not met fly j yet)
    P(fly j lives)     = product over i of  sum over x of  untouched[i, j, x]

These numbers move as spiders do: linearly in the soft control of a spider, and they become 0 where the fly is. The past
of a spider must be carried for each fly. With its present place alone, a spider that waits where it caught the fly
would count as one that tries again and again: with chance 1/2 to be there, the fly would live with chance 1/4 after two
stages, not 1/2.

Theorem. Let flies stay, wander, or arrive at set stages, and let the soft controls not depend on the state. At every
disturbance the relaxed number of living flies is the mean of the true one over independent draws of all moves. So with
`cost="flies"` the relaxed cost of a trajectory is the multilinear extension of the true cost: its gradient in the
control of one spider at one stage, at a corner, is what another move of this spider at this stage would save.

The relaxation is not exact in these cases:

* soft controls that depend on the relaxed state: a true spider knows where it is, the relaxed one only probabilities;
* `cost="stages"`: the chance that *some* fly lives is computed as if flies lived independently (exact with one fly);
* random arrivals: a new fly takes a slot whose fly is probably dead, and the remaining chance of that fly is lost.

All three are exact at the corners, which straight-through samples never leave.

Source: multilinear extension: G. Owen, Multilinear Extensions of Games, Management Science 18(5), 1972. Relaxed
controls in simulators: E. Jang, S. Gu, B. Poole, Categorical Reparameterization with Gumbel-Softmax, ICLR 2017.
"""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from seriatim._errors import InputError
from seriatim._record import record
from seriatim.model import Transition
from seriatim.problems.spiders_and_flies._flies import Luck
from seriatim.problems.spiders_and_flies._hunt import Hunt
from seriatim.problems.spiders_and_flies._terrain import MOVES, Terrain

# An expected number of living flies below this is rounding: the hunt is over.
OVER = 1e-3
# A move that is possible with less chance than this is not admissible: rounding at a corner leaves such chances.
POSSIBLE = 1e-3


@record
class RelaxedHunt:
    """A hunt in probabilities. If it is made from a `Hunt`, it says the same in zeros and ones.

    Attributes:
        spiders: the chance that a spider is in a cell, `[m, height, width]`.
        untouched: the chance that it is in a cell and has not met this fly, `[m, n, height, width]`; 0 for a fly that
            is dead or has not arrived.
        flies: (row, column), `[n, 2]`: the disturbance alone moves flies, so their cells are certain.
        stage: the number of this stage, where arrivals are scheduled; otherwise None.
        active: which spiders are at work, `[m]`; None: all.
    """

    spiders: Float[Array, "*batch m height width"]
    untouched: Float[Array, "*batch m n height width"]
    flies: Int[Array, "*batch n 2"]
    stage: Int[Array, "*batch"] | None
    active: Bool[Array, "*batch m"] | None = None

    @property
    def not_met(self) -> Float[Array, "*batch m n"]:
        """The chance that a spider has not met a fly."""
        return jnp.sum(self.untouched, axis=(-2, -1))

    @property
    def alive(self) -> Float[Array, "*batch n"]:
        """The chance that a fly lives."""
        return _alive(self.untouched)

    @property
    def position(self) -> Float[Array, "*batch m 2"]:
        """The expected row and column of each spider."""
        height, width = self.spiders.shape[-2:]
        rows = jnp.sum(self.spiders, axis=-1) @ jnp.arange(height, dtype=float)
        columns = jnp.sum(self.spiders, axis=-2) @ jnp.arange(width, dtype=float)
        return jnp.stack([rows, columns], axis=-1)


def check_relaxable(model: Any) -> None:
    """Refuse a hunt that has no relaxation.

    Raises:
        InputError: flies flee, or spiders may not share a cell.
    """
    if model.fly_behaviour == "flee":
        raise InputError(
            "fly_behaviour='flee' has no relaxed model, since where flies flee to jumps with where spiders are; use "
            "'stay' or 'wander', or a score-function estimator, which needs no relaxed model."
        )
    if not model.collisions:
        raise InputError(
            "collisions=False has no relaxed model, since soft controls cannot be told infeasible; use "
            "collisions=True, or a score-function estimator, which needs no relaxed model."
        )


def relax(model: Any, state: Hunt) -> RelaxedHunt:
    """Write a state in probabilities of zero and one.

    Raises:
        InputError: see `check_relaxable`.
    """
    check_relaxable(model)
    spiders = _at(model.terrain, state.spiders).astype(float)
    untouched = spiders[:, None] * state.alive[None, :, None, None].astype(float)
    return RelaxedHunt(spiders, untouched, state.flies, state.stage, state.active)


def possible_moves(model: Any, state: RelaxedHunt) -> Bool[Array, "m 5"]:
    """Say which moves are possible from any cell in which a spider may be; an absent spider stays."""
    chance = jnp.einsum("mhw,khw->mk", state.spiders, _open_moves(model.terrain).astype(float))
    moves = (chance > POSSIBLE).at[:, 0].set(True)
    return moves if state.active is None else moves & (state.active[:, None] | (jnp.arange(len(MOVES)) == 0))


def relaxed_stage(model: Any, state: RelaxedHunt, control: Float[Array, "m 5"], disturbance: Luck) -> Transition:
    """Play one stage in probabilities, in the order of `SpidersAndFlies`."""
    open_moves = _open_moves(model.terrain)
    spiders = _spread(state.spiders, control, open_moves)
    untouched = _missed(model, state, _spread(state.untouched, control, open_moves), state.flies)
    # A slot must be free or not. At a corner this is exact; in between, the likelier case is taken.
    flies, lives = state.flies, _alive(untouched) > 0.5
    if disturbance.moves is not None:
        # Dead flies move too. This changes nothing, because their `untouched` is 0.
        flies = jnp.where(flies[:, :1] >= 0, model.terrain.step(flies, disturbance.moves), flies)
    stage = None if state.stage is None else state.stage + 1
    if disturbance.arrivals is not None:
        flies, present = model.swarm.arrived(model.terrain, flies, lives, stage, disturbance.arrivals)
        # A newcomer has not been met by any spider.
        untouched = jnp.where((present & ~lives)[None, :, None, None], spiders[:, None], untouched)
    if disturbance.moves is not None or disturbance.arrivals is not None:
        untouched = _missed(model, state, untouched, flies)
    after = RelaxedHunt(spiders, untouched, flies, stage, state.active)
    left = jnp.sum(after.alive)
    cost = 1 - jnp.prod(1 - state.alive) if model.cost == "stages" else left
    return Transition(state=after, cost=cost, done=(left < OVER) & model.swarm.no_more(stage))


def _alive(untouched: Float[Array, "*batch m n height width"]) -> Float[Array, "*batch n"]:
    return jnp.prod(jnp.sum(untouched, axis=(-2, -1)), axis=-2)


def _at(terrain: Terrain, positions: Int[Array, "k 2"]) -> Bool[Array, "k height width"]:
    """Mark the cell of each position; none for (-1, -1)."""
    places = positions.astype(jnp.int32)
    row = places[:, :1] == jnp.arange(terrain.height, dtype=jnp.int32)
    column = places[:, 1:] == jnp.arange(terrain.width, dtype=jnp.int32)
    return row[:, :, None] & column[:, None, :]


def _open_moves(terrain: Terrain) -> Bool[Array, "5 height width"]:
    """Mark for each move the cells from which it is possible."""
    rows, columns = jnp.indices((terrain.height, terrain.width))
    moves = terrain.moves(jnp.stack([rows.ravel(), columns.ravel()], axis=1))
    return moves.T.reshape(len(MOVES), terrain.height, terrain.width)


def _spread(
    mass: Float[Array, "m *n height width"], control: Float[Array, "m 5"], open_moves: Bool[Array, "5 height width"]
) -> Float[Array, "m *n height width"]:
    """Move each spider's mass by its soft control; a move that is not possible is a stay."""
    shares = jnp.where(open_moves, control[:, :, None, None], 0)
    # The shares of impossible moves stay where they are, so that no mass is lost.
    stays = jnp.sum(jnp.where(open_moves, 0, control[:, :, None, None]), axis=1) + shares[:, 0]
    # Shares differ between spiders and cells, and are the same for every fly.
    shape = (mass.shape[0], *(1,) * (mass.ndim - 3), *mass.shape[-2:])
    after = mass * stays.reshape(shape)
    for move, way in enumerate(MOVES[1:], 1):
        # `roll` carries nothing over the border, because no move is possible there.
        after = after + jnp.roll(mass * shares[:, move].reshape(shape), way, axis=(-2, -1))
    return after


def _missed(
    model: Any, state: RelaxedHunt, untouched: Float[Array, "m n height width"], flies: Int[Array, "n 2"]
) -> Float[Array, "m n height width"]:
    """Set the chance of each spider to 0 in the cell in which it meets the fly."""
    met = _at(model.terrain, flies)[None]
    return jnp.where(met if state.active is None else met & state.active[:, None, None, None], 0, untouched)
