"""The memory of one spider for its observations and messages: it is never wrong about a living fly.

The memory is for flies that stay. It keeps the cell in which each spider was last seen or heard, the cells in which
flies were found, which of these flies are gone (their cell was in view, without them), and which cells have been in
view. A fly that was never found is in a cell that was never in view. This holds even if messages are lost: a spider may
believe that a caught fly lives, and go there to look, but it never gives up a fly that lives.

The memory is an agent filter (`seriatim.beliefs.AgentFilter`): it completes a state to plan on.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from seriatim._errors import InputError
from seriatim._record import record, static
from seriatim.model import Key
from seriatim.problems.spiders_and_flies._hunt import Hunt, in_sight


@record
class SpiderObservation:
    """The spiders' cells `[m, 2]`, the living flies that each sees `[m, n]`, and their cells `[m, n, 2]`, or 0."""

    spiders: Int[Array, "*batch m 2"]
    seen: Bool[Array, "*batch m n"]
    flies: Int[Array, "*batch m n 2"]


@record
class Memory:
    """The memory of one spider.

    Attributes:
        agent: which spider it is.
        spiders: the cell in which each spider was last seen or heard, `[m, 2]`.
        flies: the cell in which each fly was found, `[n, 2]`; 0 for a fly that was not.
        found: which flies were found, `[n]`.
        gone: flies that were found and are not there any more, `[n]`.
        viewed: cells of the terrain that have been in view, `[cells]`.
    """

    agent: Int[Array, "*batch"]
    spiders: Int[Array, "*batch m 2"]
    flies: Int[Array, "*batch n 2"]
    found: Bool[Array, "*batch n"]
    gone: Bool[Array, "*batch n"]
    viewed: Bool[Array, "*batch cells"]


@record
class WithinMoves:
    """Says which spiders can hear each other: those within `radius` moves on an open grid; walls do not matter."""

    radius: int | float = static()

    def __call__(self, state: Hunt) -> Bool[Array, "m m"]:
        """Return which spiders are in reach of each other."""
        return _apart(state.spiders, state.spiders) <= self.radius


@record
class LastSeenFilter:
    """The memory of every spider, as an agent filter for `seriatim.beliefs.InformationModel`.

    Assumption: all spiders know where all of them start. The filter is sound: a living fly is alive in every
    completion. Each fly that was not found is completed by itself, in a cell that was never in view; another fly in
    that cell does not matter.

    Attributes:
        model: spiders of limited `vision`, a team that stays as it is, flies that stay and do not arrive.

    Raises:
        InputError: the model is another game, or `vision` is None or below 1.
    """

    model: Any

    def __post_init__(self) -> None:
        model = self.model
        settled = getattr(model, "fly_behaviour", None) == "stay" and not model.swarm.arrives
        if not settled or model.max_flies is not None or model.max_spiders is not None:
            raise InputError(
                f"This {type(model).__name__} is not one of spiders and flies that stay; give SpidersAndFlies with "
                "fly_behaviour='stay', no arrivals, no max_spiders and no max_flies."
            )
        if model.vision is None or model.vision < 1:
            raise InputError(
                f"vision={model.vision}: give a number of moves from 1 up, so that there is something to tell."
            )

    def initial(self, key: Key) -> Memory:
        """Return the memory of each spider at the start, `[m]`."""
        state = self.model.initial_state(key)
        m, seen = self.model.num_agents, sight(self.model, state)
        everyone = jnp.arange(m, dtype=jnp.int32)

        def one(agent: Int[Array, ""]) -> Memory:
            nothing = jnp.zeros(state.alive.shape, bool)
            viewed = jnp.zeros(self._cells.shape[0], bool)
            blank = Memory(agent, state.spiders, jnp.zeros_like(state.flies), nothing, nothing, viewed)
            return self.update(blank, agent, everyone, seen, everyone == agent)

        return jax.vmap(one)(everyone)

    def sample_disturbance(self, key: Key) -> Float[Array, "n cells"]:
        """Draw a number for each fly and cell; an unfound fly is where the greatest is, of cells never in view."""
        return jax.random.uniform(key, (self.model.swarm.num_slots, self._cells.shape[0]))

    def update(
        self,
        known: Memory,
        agent: Int[Array, ""],
        control: Int[Array, " m"],
        observation: SpiderObservation,
        heard: Bool[Array, " m"],
        disturbance: Float[Array, "n cells"] | None = None,
    ) -> Memory:
        """Add the observation of this spider, and those of the spiders it heard."""
        del agent, control, disturbance
        near = _apart(observation.spiders, self._cells) <= self.model.vision
        viewed = jnp.any(near & heard[:, None], axis=0)
        seen = observation.seen & heard[:, None]
        here = jnp.any(seen, axis=0)
        # All spiders that saw a fly saw it in the same cell. The others have 0 here, so the maximum is that cell.
        cells = jnp.max(jnp.where(seen[..., None], observation.flies, 0), axis=0)
        in_view = _apart(observation.spiders, known.flies) <= self.model.vision
        # A spider that was heard had the fly's cell in view, and did not see the fly. Since flies stay, it was caught.
        missing = known.found & jnp.any(in_view & heard[:, None], axis=0) & ~here
        return Memory(
            agent=known.agent,
            spiders=jnp.where(heard[:, None], observation.spiders, known.spiders),
            flies=jnp.where(here[:, None], cells, known.flies),
            found=known.found | here,
            gone=known.gone | missing,
            viewed=known.viewed | viewed,
        )

    def sample_state(self, known: Memory, disturbance: Float[Array, "n cells"]) -> Hunt:
        """Put each unfound fly into a cell never in view, drawn uniformly."""
        return self._completed(known, disturbance)

    def most_likely(self, known: Memory) -> Hunt:
        """Put all unfound flies into the cell never in view that is nearest to the spider: all are equally likely."""
        own = known.spiders[known.agent]
        nearness = -_apart(own[None], self._cells)[0].astype(float)
        shape = (known.found.shape[0], nearness.shape[0])
        return self._completed(known, jnp.broadcast_to(nearness, shape))

    def _completed(self, known: Memory, priority: Float[Array, "n cells"]) -> Hunt:
        places = jnp.argmax(jnp.where(known.viewed, -jnp.inf, priority), axis=1)
        guessed = self._cells[places].astype(known.flies.dtype)
        flies = jnp.where(known.found[:, None], known.flies, guessed)
        # A fly never found must be dead once every cell has been in view.
        alive = jnp.where(known.found, ~known.gone, ~jnp.all(known.viewed))
        return Hunt(known.spiders, flies, alive, None)

    @property
    def _cells(self) -> Int[Array, "cells 2"]:
        return jnp.asarray(self.model.terrain.cells)


def sight(model: Any, state: Hunt) -> SpiderObservation:
    """Return the observation of each spider, by itself, within the model's vision."""
    seen = in_sight(state, model.vision)
    flies = jnp.where(seen[..., None], state.flies, jnp.zeros_like(state.flies))
    return SpiderObservation(state.spiders, seen, flies)


def _apart(one: Int[Array, "a 2"], other: Int[Array, "b 2"]) -> Int[Array, "a b"]:
    """Return distances in moves on an open grid."""
    return jnp.abs(one[:, None].astype(jnp.int32) - other[None].astype(jnp.int32)).sum(axis=2)
