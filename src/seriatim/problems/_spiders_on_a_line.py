"""Spiders on a line that must step: the smallest example in which agents that guess wrongly go on for ever.

A fly sits at each end of a line of cells. Every spider steps left or right at every stage; the team pays 1 a stage
until both flies are caught. The heuristic sends every spider towards the nearest living fly, to the right if both are
equally near.

From any two positions between the flies, one-at-a-time rollout is optimal: one spider goes left, the other right. If
the agents choose at once, each guesses that the others follow the heuristic. Two spiders in one cell then both turn
away from the fly that they expect the other to take. So they swing between two cells, and no fly is ever caught.

Source: D. Bertsekas, Multiagent Reinforcement Learning: Rollout and Policy Iteration, IEEE/CAA Journal of Automatica
Sinica 8(2), 2021, the example of two spiders and two flies on a line.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from seriatim._errors import InputError
from seriatim._record import record, static
from seriatim.model import Key, Transition
from seriatim.problems._mixed_radix import MixedRadix
from seriatim.problems.spiders_and_flies._ground import at_least, check_discount
from seriatim.rendering import Mark, grid_svg, grid_text

LEFT, RIGHT = 0, 1


@record
class LineState:
    """The places of the spiders, `[m]`, and which of the flies at the left and the right end live, `[2]`."""

    spiders: Int[Array, "*batch m"]
    alive: Bool[Array, "*batch 2"]


@record
class NearestEnd:
    """Each spider steps towards the nearest living fly, to the right if both are equally near."""

    length: int = static()

    def __call__(self, info: LineState, key: Key) -> Int[Array, " m"]:
        """Choose the steps; `key` is not used. At an end of the line a spider can only turn back."""
        del key
        to_left = jnp.where(info.alive[LEFT], info.spiders, self.length)
        to_right = jnp.where(info.alive[RIGHT], self.length - 1 - info.spiders, self.length)
        wanted = jnp.where(to_left < to_right, LEFT, RIGHT)
        at_end = jnp.where(info.spiders == 0, RIGHT, wanted)
        return jnp.where(info.spiders == self.length - 1, LEFT, at_end)


@record
class SpidersOnALine:
    """Spiders that must step left (0) or right (1) at every stage, between two flies at the ends of a line.

    Attributes:
        length: cells of the line, at least 3; the flies sit in the first and the last.
        spiders: their number, m.
        starts: their cells at the start; None draws cells between the flies anew for each episode.
        discount: in (0, 1].

    Raises:
        InputError: a field is out of range.
    """

    length: int = static(default=9)
    spiders: int = static(default=2)
    starts: tuple[int, ...] | None = static(default=None)
    discount: float | int | Float[Array, ""] = 1.0

    def __post_init__(self) -> None:
        at_least(3, "length", self.length, "cells of the line, a fly at each end and room between")
        at_least(1, "spiders", self.spiders, "the number of agents")
        check_discount(self.discount)
        inside = self.starts is None or all(0 < cell < self.length - 1 for cell in self.starts)
        if not inside or (self.starts is not None and len(self.starts) != self.spiders):
            raise InputError(
                f"starts={self.starts!r}: give {self.spiders} cells between the flies, from 1 to {self.length - 2}."
            )

    @property
    def num_agents(self) -> int:
        """The number of spiders, m."""
        return self.spiders

    @property
    def num_controls(self) -> int:
        """The number of controls, 2."""
        return 2

    def initial_state(self, key: Key) -> LineState:
        """Put each spider where `starts` says, or into a random cell between the flies."""
        if self.starts is not None:
            return LineState(jnp.asarray(self.starts, jnp.int32), jnp.ones(2, bool))
        spiders = jax.random.randint(key, (self.spiders,), 1, self.length - 1, jnp.int32)
        return LineState(spiders, jnp.ones(2, bool))

    def control_mask(self, state: LineState) -> Bool[Array, "m 2"]:
        """Admit both steps, but at the ends of the line only the one back."""
        return jnp.stack([state.spiders > 0, state.spiders < self.length - 1], axis=1)

    def sample_disturbance(self, key: Key) -> None:
        """Return an empty disturbance: the model is deterministic."""
        del key

    def transition(self, state: LineState, control: Int[Array, " m"], disturbance: None) -> Transition:
        """Step, and catch the flies whose cells are reached."""
        del disturbance
        spiders = jnp.clip(state.spiders + 2 * control - 1, 0, self.length - 1).astype(state.spiders.dtype)
        reached = jnp.stack([jnp.any(spiders == 0), jnp.any(spiders == self.length - 1)])
        alive = state.alive & ~reached
        cost = jnp.any(state.alive).astype(float)
        return Transition(LineState(spiders, alive), cost=cost, done=~jnp.any(alive))

    def base_policy(self) -> NearestEnd:
        """Return the heuristic: each spider towards its nearest fly."""
        return NearestEnd(self.length)

    def states(self) -> LineState:
        """Enumerate the states."""
        digits = self._radix().digits()
        return LineState(jnp.asarray(digits[:, :-2], jnp.int32), jnp.asarray(digits[:, -2:].astype(bool)))

    def index(self, state: LineState) -> Int[Array, ""]:
        """Return the number of a state."""
        return self._radix().number(jnp.concatenate([state.spiders, state.alive.astype(jnp.int32)]))

    def outcomes(self, state: LineState, control: Int[Array, " m"]) -> tuple[Transition, Float[Array, " k"]]:
        """Return the only outcome."""
        only = self.transition(state, control, None)
        return jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], only), jnp.ones(1)

    def draw(self, state: LineState) -> str:
        """Draw a state as SVG."""
        return grid_svg(1, self.length, self._marks(state))

    def text(self, state: LineState) -> str:
        """Draw a state for the terminal."""
        return grid_text(1, self.length, self._marks(state))

    def _marks(self, state: LineState) -> list[Mark]:
        ends = zip((0, self.length - 1), np.asarray(state.alive), strict=True)
        flies = [Mark(0, column, "target" if lives else "gone") for column, lives in ends]
        return flies + [Mark(0, int(column), "agent", str(i)) for i, column in enumerate(state.spiders, 1)]

    def _radix(self) -> MixedRadix:
        return MixedRadix((self.length,) * self.spiders + (2, 2))
