"""The state of a hunt, its picture, and the heuristics that come with it."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from seriatim._record import record, static
from seriatim.model import Key
from seriatim.problems.spiders_and_flies._terrain import Terrain
from seriatim.rendering import Mark


@record
class Hunt:
    """A state of the game. A caught fly is not alive, and stays where it was caught.

    If spiders may come and go, those that are not at work are absent. They keep their place in every array, and the
    last cell in which they were. They only stay, catch nothing, and block no cell.

    Attributes:
        spiders: (row, column), `[m, 2]`.
        flies: (row, column), `[n, 2]`; of a slot whose fly has not arrived, (-1, -1).
        alive: `[n]`.
        stage: the number of this stage, where arrivals are scheduled; otherwise None.
        active: which spiders are at work, `[m]`, if they may come and go (`max_spiders`); None: always all of them.
    """

    spiders: Int[Array, "*batch m 2"]
    flies: Int[Array, "*batch n 2"]
    alive: Bool[Array, "*batch n"]
    stage: Int[Array, "*batch"] | None
    active: Bool[Array, "*batch m"] | None = None


@record
class NearestFly:
    """Each spider steps along a shortest path towards its nearest living fly; without a living fly, it stays.

    Of several nearest flies and shortest paths it takes the first of the moves up, down, left, right. If spiders may
    not share a cell, a spider stays if the cell it wants is occupied, or wanted by an earlier spider. The joint control
    is therefore always feasible, but two spiders that meet in a corridor may wait for ever.
    """

    terrain: Terrain
    collisions: bool = static(default=True)

    def __call__(self, info: Hunt, key: Key) -> Int[Array, " m"]:
        """Choose the moves; `key` is not used."""
        del key
        moves = self.terrain.towards_nearest(info.spiders, info.flies, info.alive[None])
        if info.active is not None:
            moves = jnp.where(info.active, moves, 0)
        return moves if self.collisions else give_way(self.terrain, info, moves)


@record
class NearestSeenFly:
    """Each spider steps towards the nearest living fly *it sees*; one that sees none takes a possible move at random.

    This is the heuristic of spiders that know only the cells within `vision` moves of them. Its moves are partly
    random, so its episodes differ for different keys, and no spider is stuck in a place without flies in sight. In all
    other respects it is `NearestFly`.
    """

    terrain: Terrain
    vision: float | int | None = static(default=None)
    collisions: bool = static(default=True)

    def __call__(self, info: Hunt, key: Key) -> Int[Array, " m"]:
        """Choose the moves."""
        known = in_sight(info, self.vision)
        possible = self.terrain.moves(info.spiders).at[:, 0].set(False)
        noise = jax.random.uniform(key, possible.shape)
        wandering = jnp.argmax(jnp.where(possible, noise, -1.0), axis=1)
        nearer = self.terrain.towards_nearest(info.spiders, info.flies, known)
        moves = jnp.where(jnp.any(known, axis=1), nearer.astype(wandering.dtype), wandering)
        if info.active is not None:
            moves = jnp.where(info.active, moves, 0)
        return moves if self.collisions else give_way(self.terrain, info, moves)


def in_sight(info: Hunt, vision: float | int | None) -> Bool[Array, "m n"]:
    """Say which living flies each spider at work sees: those within `vision` moves, walls not counted."""
    apart = jnp.abs(info.spiders[:, None] - info.flies[None]).sum(axis=2)
    seen = info.alive[None] & (apart.astype(float) <= (jnp.inf if vision is None else vision))
    return seen if info.active is None else seen & info.active[:, None]


def give_way(terrain: Terrain, info: Hunt, moves: Int[Array, " m"]) -> Int[Array, " m"]:
    """Let a spider stay if the cell it wants is occupied, or wanted by an earlier spider."""
    wanted = terrain.step(info.spiders, moves)
    m = moves.shape[0]
    others = ~jnp.eye(m, dtype=bool)
    earlier = jnp.tri(m, k=-1, dtype=bool)
    meets = same_cell(wanted, info.spiders) & others | same_cell(wanted, wanted) & earlier
    if info.active is not None:
        meets = meets & info.active[None]
    return jnp.where(jnp.any(meets, axis=1), 0, moves)


def same_cell(one: Int[Array, "k 2"], other: Int[Array, "l 2"]) -> Bool[Array, "k l"]:
    """Say which of the positions are one cell."""
    return jnp.all(one[:, None] == other[None], axis=2)


def caught(spiders: Int[Array, "m 2"], active: Bool[Array, " m"] | None, flies: Int[Array, "n 2"]) -> Bool[Array, " n"]:
    """Say which flies are under a spider at work."""
    under = same_cell(spiders, flies)
    return jnp.any(under if active is None else under & active[:, None], axis=0)


def marks(state: Hunt) -> list[Mark]:
    """Return the marks of a picture, without flies that have not arrived and spiders that are absent."""
    here = [(int(row), int(column), bool(lives)) for (row, column), lives in zip(state.flies, state.alive, strict=True)]
    flies = [Mark(row, column, "target" if lives else "gone") for row, column, lives in here if row >= 0]
    at_work = [True] * len(state.spiders) if state.active is None else state.active
    team = enumerate(zip(state.spiders, at_work, strict=True), 1)
    return flies + [Mark(int(row), int(column), "agent", str(i)) for i, ((row, column), works) in team if works]
