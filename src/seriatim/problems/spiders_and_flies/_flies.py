"""The behaviour of flies: they stay, wander or flee, and arrive during the game.

The random number of a fly is drawn without its position. Its move then depends on this number and on the positions of
the fly and the spiders.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from seriatim._record import record, static
from seriatim.model import Key
from seriatim.problems.spiders_and_flies._terrain import MOVES, NARROW, Terrain

# The chances of one fly's choices: wander by move 0..4; or flee, with ties broken from move 0..4 on, or stay.
CHANCES = {"stay": (1.0,), "wander": (0.2,) * 5, "flee": (0.1,) * 5 + (0.5,)}
# The place in CHANCES of staying.
NOTHING = {"stay": 0, "wander": 0, "flee": 5}
# Slots for flies that arrive at random, besides those of caught ones.
SPARE_SLOTS = 4


@record
class Luck:
    """A disturbance of the game.

    Attributes:
        moves: the choice of each fly, a place in `CHANCES`, `[n]`; None if flies stay.
        arrivals: the cells in which flies would arrive, as places in the list of cells, -1 for none: one for each
            scheduled arrival, then one for a random arrival if there is a rate. None without arrivals.
    """

    moves: Int[Array, " n"] | None
    arrivals: Int[Array, " k"] | None


@record
class Swarm:
    """The flies of a game.

    A state has a slot for each fly at the start, then one for each scheduled arrival, then spare ones: `most` in all,
    or as many as the arrivals need. A fly that arrives at random takes the first free slot that is not reserved;
    without such a slot, it does not come.
    """

    count: int = static()
    behaviour: Literal["stay", "wander", "flee"] = static()
    arrival_rate: float | int = static()
    arrival_stages: tuple[int, ...] = static()
    most: int | None = static(default=None)

    @property
    def arrives(self) -> bool:
        """Whether flies arrive during the game."""
        return self.arrival_rate > 0 or bool(self.arrival_stages)

    @property
    def num_slots(self) -> int:
        """The number of flies for which a state has room, n."""
        if self.most is not None:
            return self.most
        return self.num_reserved + (SPARE_SLOTS if self.arrival_rate > 0 else 0)

    @property
    def num_reserved(self) -> int:
        """The number of slots reserved for flies that are certain to come: those at the start and those scheduled."""
        return self.count + len(self.arrival_stages)

    def free(self, alive: Bool[Array, " n"]) -> Bool[Array, " n"]:
        """Say which slots a fly without a reserved slot may take."""
        slots = jnp.arange(self.num_slots)
        return ~alive & ((slots < self.count) | (slots >= self.num_reserved))

    def draw(self, key: Key, num_cells: int) -> Luck:
        """Draw the choices of the flies and the cells in which new ones would arrive."""
        if not self.arrives:
            return Luck(self._moves(key), None)
        for_moves, for_cells, for_rate = jax.random.split(key, 3)
        moves = self._moves(for_moves)
        cells = jax.random.randint(for_cells, (self._num_arrivals,), 0, num_cells, jnp.int32)
        if self.arrival_rate > 0:
            cells = cells.at[-1].set(jnp.where(jax.random.uniform(for_rate) < self.arrival_rate, cells[-1], -1))
        return Luck(moves, cells)

    def _moves(self, key: Key) -> Int[Array, " n"] | None:
        """Draw the choice of each fly. Dividing 32 random bits favours no outcome by more than one in 10**8."""
        if self.behaviour == "stay":
            return None
        # All chances are multiples of a tenth.
        tenths = jax.random.bits(key, (self.num_slots,), jnp.uint32) % 10
        return (tenths // 2 if self.behaviour == "wander" else jnp.minimum(tenths, 5)).astype(NARROW)

    def nothing(self) -> Luck:
        """Return the disturbance in which flies stay where they are and none arrive."""
        still = jnp.full(self.num_slots, NOTHING[self.behaviour], NARROW)
        nowhere = jnp.full(self._num_arrivals, -1, jnp.int32)
        return Luck(None if self.behaviour == "stay" else still, nowhere if self.arrives else None)

    def moved(
        self,
        terrain: Terrain,
        flies: Int[Array, "n 2"],
        alive: Bool[Array, " n"],
        spiders: Int[Array, "m 2"],
        active: Bool[Array, " m"] | None,
        luck: Int[Array, " n"],
    ) -> Int[Array, "n 2"]:
        """Move the living flies; flies do not flee from absent spiders."""
        moves = luck if self.behaviour == "wander" else _flight(terrain, flies, spiders, active, luck)
        return jnp.where(alive[:, None], terrain.step(flies, moves), flies)

    def arrived(
        self,
        terrain: Terrain,
        flies: Int[Array, "n 2"],
        alive: Bool[Array, " n"],
        stage: Int[Array, ""] | None,
        arrivals: Int[Array, " k"],
    ) -> tuple[Int[Array, "n 2"], Bool[Array, " n"]]:
        """Put new flies into their slots; `stage` is the first stage at which they are seen."""
        scheduled = len(self.arrival_stages)
        place = jnp.full(self.num_slots, -1, jnp.int32)
        if scheduled:
            due = jnp.asarray(self.arrival_stages) == stage
            place = place.at[self.count : self.num_reserved].set(jnp.where(due, arrivals[:scheduled], -1))
        if self.arrival_rate > 0:
            place = jnp.where(first(self.free(alive)), arrivals[-1], place)
        comes = place >= 0
        # An arrival of -1 looks up some cell, which is not used.
        return jnp.where(comes[:, None], terrain.cells[place], flies), alive | comes

    def no_more(self, stage: Int[Array, ""] | None) -> Bool[Array, ""] | bool:
        """Say whether no fly can arrive after the one seen first at `stage`."""
        return self.arrival_rate == 0 and (stage is None or stage >= max(self.arrival_stages))

    @property
    def _num_arrivals(self) -> int:
        return len(self.arrival_stages) + (self.arrival_rate > 0)


def first(free: Bool[Array, " n"]) -> Bool[Array, " n"]:
    """Mark the first slot that is free, if any is."""
    return free & (jnp.arange(free.shape[0]) == jnp.argmax(free))


def _flight(
    terrain: Terrain,
    flies: Int[Array, "n 2"],
    spiders: Int[Array, "m 2"],
    active: Bool[Array, " m"] | None,
    luck: Int[Array, " n"],
) -> Int[Array, " n"]:
    """Return the moves farthest away from the nearest spider, of equal ones the first from `luck` on, or a stay."""
    score = []
    for move in range(len(MOVES)):
        there = terrain.step(flies, jnp.full_like(luck, move))
        course = terrain.course(there, spiders)
        if active is not None:
            course = jnp.where(active[None], course, jnp.asarray(terrain.no_course(), course.dtype))
        distance = jnp.min(course, axis=1) // 8
        # The distance decides and, between equal distances, the order of moves that begins with `luck`.
        # The second part is 4 for the move `luck`, 3 for the next one, and so on: never as much as one more distance.
        score.append(8 * distance + (luck - move - 1) % len(MOVES))
    return jnp.where(luck == NOTHING["flee"], 0, jnp.argmax(jnp.stack(score), axis=0))
