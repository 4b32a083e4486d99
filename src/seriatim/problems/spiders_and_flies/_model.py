"""Spiders and flies: the field's standard example of a team that must share out its work.

Spiders walk on a grid, one cell a stage, and catch the flies whose cells they reach. Nobody tells them which spider
should take which fly. The heuristic sends each to its nearest fly, so that they crowd. A stage, in order:

    spiders move  ->  flies under them are caught  ->  the others stay, wander or flee  ->  new flies arrive
                  ->  flies that came under a spider are caught

The disturbance contains everything random: where a fly would go, and where a fly would arrive.

Source: D. Bertsekas, Multiagent Reinforcement Learning: Rollout and Policy Iteration, IEEE/CAA Journal of Automatica
Sinica 8(2), 2021, section I.
"""

import dataclasses
import math
from pathlib import Path
from typing import Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from seriatim._errors import InputError
from seriatim._record import record, static
from seriatim.formats import GridMap
from seriatim.model import Features, Key, Transition
from seriatim.problems.spiders_and_flies._features import hunt_features
from seriatim.problems.spiders_and_flies._finite import all_hunts, hunt_number, hunt_outcomes
from seriatim.problems.spiders_and_flies._flies import Luck, Swarm
from seriatim.problems.spiders_and_flies._ground import MOST, Cells, at_least, check_discount, hunting_ground
from seriatim.problems.spiders_and_flies._hunt import (
    Hunt,
    NearestFly,
    NearestSeenFly,
    caught,
    in_sight,
    marks,
    same_cell,
)
from seriatim.problems.spiders_and_flies._memory import SpiderObservation, sight
from seriatim.problems.spiders_and_flies._relaxed import RelaxedHunt, possible_moves, relax, relaxed_stage
from seriatim.problems.spiders_and_flies._roster import fly_goes, fly_joins, spider_goes, spider_joins
from seriatim.problems.spiders_and_flies._terrain import MOVES, Terrain
from seriatim.problems.spiders_and_flies._view import observe
from seriatim.rendering import grid_svg, grid_text

# The types of an operator's arguments: a (row, column) pair; the number of a spider or of a fly's slot.
Cell: TypeAlias = tuple[int, int] | Int[ArrayLike, "2"]
Agent: TypeAlias = int | Int[ArrayLike, ""]


@record
class SpidersAndFlies:
    """Spiders hunt flies on a grid, with or without walls.

    A control is a move: 0 stay, 1 up, 2 down, 3 left, 4 right; moves into walls are not admissible. The model is finite
    (`states`, `index`, `outcomes`) while it is small and no flies arrive, and deterministic while flies stay and none
    arrive.

    An operator may change the numbers of spiders and flies from stage to stage, up to `max_spiders` and `max_flies`.
    The methods `with_spider`, `without_spider`, `with_fly` and `without_fly` return the changed state. Its shapes are
    those of the old one, so nothing is compiled again. The model itself never changes the team: planners expect that
    it stays as it is.

    Attributes:
        spiders: the number of spiders at the start, which is m unless `max_spiders` is given.
        flies: the number of flies at the start.
        width: columns; if a map is given, those of the map.
        height: rows; if a map is given, those of the map.
        map: a MovingAI `.map` file or a `GridMap`; None is an open grid. The game is played in the largest connected
            part.
        starts: the cells in which spiders start: an `.agents` file, a `.scen` file (its starts) or (row, column) pairs,
            of which the first m count; None draws cells for each episode. Two spiders may be told to share a cell.
        fly_cells: the cells in which flies start, in the same forms; in a `.scen` file they are the goals.
        fly_behaviour: "stay"; "wander": each stage one of the five moves with equal chance, a move into a wall being a
            stay; "flee": with chance 1/2 the move that leads farthest from the nearest spider, otherwise a stay.
        arrival_rate: the chance, at each stage, that a fly arrives in a random cell, if there is a free slot.
        arrival_stages: stages at which a fly arrives in a random cell, each from 1 up. The game does not end before.
        cost: of a stage: "stages", 1 if a fly lives at its start; "flies", the number of flies that live at its end.
        vision: how far a spider sees, in moves on an open grid; None is everything. It affects the results of
            `visible` and `agent_observations` and the pictures; the state and the heuristic contain all flies.
        collisions: whether spiders may share a cell. If not, joint controls that lead two into one cell are infeasible.
        discount: in (0, 1].
        max_spiders: the number of spiders for which a state has room, m; the others are absent until they join. None:
            the team never changes.
        max_flies: the number of flies for which a state has room, n; None: those at the start and those that arrive by
            themselves.

    Raises:
        InputError: a field is out of range, a file or a cell is wrong, or there is not enough room.
    """

    spiders: int = static(default=15)
    flies: int = static(default=15)
    width: int = static(default=20)
    height: int = static(default=20)
    map: str | Path | GridMap | None = static(default=None)
    starts: Cells | None = static(default=None)
    fly_cells: Cells | None = static(default=None)
    fly_behaviour: Literal["stay", "wander", "flee"] = static(default="stay")
    arrival_rate: float | int = static(default=0.0)
    arrival_stages: tuple[int, ...] = static(default=())
    cost: Literal["stages", "flies"] = static(default="stages")
    vision: float | int | None = static(default=None)
    collisions: bool = static(default=True)
    discount: float | int | Float[Array, ""] = 1.0
    max_spiders: int | None = static(default=None)
    max_flies: int | None = static(default=None)
    terrain: Terrain = dataclasses.field(init=False, repr=False)
    start_cells: Int[Array, "m 2"] | None = dataclasses.field(init=False, repr=False)
    first_fly_cells: Int[Array, "n 2"] | None = dataclasses.field(init=False, repr=False)
    walls: Bool[Array, "height width"] | None = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        _check(self)
        # If flies stay, their cells are the only targets, so courses to other cells are not needed.
        settled = self.fly_behaviour == "stay" and not self.swarm.arrives and self.max_flies is None
        ground = hunting_ground(self, everywhere=not settled)
        kind = ground.terrain.cells.dtype
        derived = {
            "terrain": ground.terrain,
            "start_cells": None if ground.starts is None else ground.starts.astype(kind),
            "first_fly_cells": None if ground.fly_cells is None else ground.fly_cells.astype(kind),
            "walls": ground.walls,
            "width": ground.terrain.width,
            "height": ground.terrain.height,
        }
        for name, value in derived.items():
            # The record is frozen, and these fields follow from the others.
            object.__setattr__(self, name, jnp.asarray(value) if isinstance(value, np.ndarray) else value)

    @property
    def num_agents(self) -> int:
        """The number of spiders, m, including those that may join."""
        return self.spiders if self.max_spiders is None else self.max_spiders

    @property
    def num_controls(self) -> int:
        """The number of moves, 5."""
        return len(MOVES)

    @property
    def swarm(self) -> Swarm:
        """The flies: their behaviour, and the slots that a state has for them."""
        return Swarm(self.flies, self.fly_behaviour, self.arrival_rate, self.arrival_stages, self.max_flies)

    def initial_state(self, key: Key) -> Hunt:
        """Put each spider and fly without a given cell into a random cell of its own."""
        # The cells with the largest of independent random numbers are a draw without replacement.
        priority = jax.random.uniform(key, (self.terrain.cells.shape[0],))
        for given in (self.start_cells, self.first_fly_cells):
            if given is not None:
                # The given cells get the smallest numbers. They would be drawn last, so they are never drawn.
                priority = priority.at[self.terrain.place(given)].set(-1.0)
        need = self.spiders * (self.start_cells is None) + self.flies * (self.first_fly_cells is None)
        drawn = self.terrain.cells[jax.lax.top_k(priority, need)[1]]
        spiders = drawn[: self.spiders] if self.start_cells is None else self.start_cells
        flies = drawn[need - self.flies :] if self.first_fly_cells is None else self.first_fly_cells
        slots, team = self.swarm.num_slots, self.num_agents
        # Spiders that have not joined yet are kept in a cell of the grid too, so that no look-up leaves its table.
        waiting = jnp.broadcast_to(self.terrain.cells[0], (team - self.spiders, 2))
        return Hunt(
            spiders=jnp.concatenate([spiders, waiting]),
            flies=jnp.concatenate([flies, jnp.full((slots - self.flies, 2), -1, flies.dtype)]),
            alive=jnp.arange(slots) < self.flies,
            stage=jnp.zeros((), jnp.int32) if self.arrival_stages else None,
            active=None if self.max_spiders is None else jnp.arange(team) < self.spiders,
        )

    def control_mask(self, state: Hunt) -> Bool[Array, "m 5"]:
        """Admit moves that no wall or border stops; staying is always admissible, and the only control when absent."""
        moves = self.terrain.moves(state.spiders)
        return moves if state.active is None else moves & (state.active[:, None] | (jnp.arange(len(MOVES)) == 0))

    def feasible(self, state: Hunt, control: Int[Array, " m"]) -> Bool[Array, ""]:
        """Say whether the spiders end in different cells, if they must."""
        if self.collisions:
            return jnp.array(True)
        after = self.terrain.step(state.spiders, control)
        # The triangle below the diagonal has each pair of spiders once, and no spider with itself.
        meet = same_cell(after, after) & jnp.tri(self.num_agents, k=-1, dtype=bool)
        return ~jnp.any(meet if state.active is None else meet & state.active[None] & state.active[:, None])

    def sample_disturbance(self, key: Key) -> Luck:
        """Draw the choices of the flies and the cells in which new ones would arrive."""
        return self.swarm.draw(key, self.terrain.cells.shape[0])

    def nominal_disturbance(self) -> Luck:
        """Return the disturbance in which flies stay and none arrive."""
        return self.swarm.nothing()

    def transition(self, state: Hunt, control: Int[Array, " m"], disturbance: Luck) -> Transition:
        """Play one stage, in the order at the top of this file."""
        swarm, spiders = self.swarm, self.terrain.step(state.spiders, control)
        flies, alive = state.flies, state.alive & ~caught(spiders, state.active, state.flies)
        if disturbance.moves is not None:
            flies = swarm.moved(self.terrain, flies, alive, spiders, state.active, disturbance.moves)
        stage = None if state.stage is None else state.stage + 1
        if disturbance.arrivals is not None:
            flies, alive = swarm.arrived(self.terrain, flies, alive, stage, disturbance.arrivals)
        # Flies may have moved or arrived where a spider is.
        if disturbance.moves is not None or disturbance.arrivals is not None:
            alive = alive & ~caught(spiders, state.active, flies)
        left = jnp.sum(alive)
        # "stages" looks at the beginning of the stage, and "flies" counts at its end.
        cost = jnp.any(state.alive) if self.cost == "stages" else left
        return Transition(
            state=Hunt(spiders, flies, alive, stage, state.active),
            cost=cost.astype(float),
            done=(left == 0) & swarm.no_more(stage),
        )

    def relaxed_state(self, state: Hunt) -> RelaxedHunt:
        """Write a state in probabilities of zero and one; soft controls then lead to values in between.

        Raises:
            InputError: flies flee, or spiders may not share a cell.
        """
        return relax(self, state)

    def relaxed_mask(self, state: RelaxedHunt) -> Bool[Array, "m 5"]:
        """Say which moves are possible from any cell in which a spider may be."""
        return possible_moves(self, state)

    def relaxed_transition(self, state: RelaxedHunt, control: Float[Array, "m 5"], disturbance: Luck) -> Transition:
        """Play one stage with soft controls: expected costs, exact where `RelaxedHunt` says so."""
        return relaxed_stage(self, state, control, disturbance)

    def base_policy(self) -> NearestFly:
        """Return the heuristic: each spider towards its nearest fly."""
        return NearestFly(self.terrain, self.collisions)

    def local_policy(self) -> NearestSeenFly:
        """Return the heuristic for spiders that know only what they see: towards the nearest fly, or a random move."""
        return NearestSeenFly(self.terrain, self.vision, self.collisions)

    def with_spider(self, state: Hunt, cell: Cell, agent: Agent | None = None) -> Hunt:
        """Return `state` with one more spider at work, in `cell`: `agent`, or the first that is absent.

        Raises:
            InputError: no `max_spiders` was given, nobody or not this agent is absent, or nobody can stand in `cell`.
                In compiled code nothing is checked: without a free place the state stays as it is.
        """
        return spider_joins(self, state, cell, agent)

    def without_spider(self, state: Hunt, agent: Agent) -> Hunt:
        """Return `state` without a spider that has broken down or left; it keeps its number, and may return.

        Raises:
            InputError: no `max_spiders` was given, or the spider is not at work. In compiled code nothing is checked.
        """
        return spider_goes(self, state, agent)

    def with_fly(self, state: Hunt, cell: Cell) -> Hunt:
        """Return `state` with one more fly, in the first free slot; a spider already there catches it if it stays.

        Raises:
            InputError: no `max_flies` was given, no slot is free, or no fly can be in `cell`. In compiled code nothing
                is checked: without a free slot the state stays as it is.
        """
        return fly_joins(self, state, cell)

    def without_fly(self, state: Hunt, fly: Agent) -> Hunt:
        """Return `state` without a living fly, given by its slot: no spider need catch it any more.

        Raises:
            InputError: the fly is not alive. In compiled code nothing is checked.
        """
        return fly_goes(state, fly)

    def visible(self, state: Hunt) -> Bool[Array, "m n"]:
        """Say which living flies each spider sees: those within `vision` moves, walls not counted."""
        return in_sight(state, self.vision)

    def agent_observations(self, state: Hunt | RelaxedHunt) -> Float[Array, "m k"]:
        """Return each spider's view within `vision`: its place, then flies, other spiders and walls cell by cell.

        `k = 2 + 3 * (2 v**2 + 2 v + 1)` for a whole `vision` v that is less than height and width. Of a relaxed state
        the numbers are expectations. The order of cells is that of `seriatim.problems.spiders_and_flies._view`.
        """
        return observe(self, state)

    def observation(self, state: Hunt, control: Int[Array, " m"], disturbance: Luck) -> SpiderObservation:
        """Return each spider's observation of the new state: its cell, and the living flies within `vision` moves."""
        del control, disturbance
        return sight(self, state)

    def features(self, state: Hunt, agent: Int[Array, ""]) -> Features:
        """Return the features of a state for one spider: every living fly, and the others that might catch it.

        See `seriatim.problems.spiders_and_flies._features`.
        """
        return hunt_features(self, state, agent)

    def states(self) -> Hunt:
        """Enumerate the states: cells of spiders, spiders at work (if they may change), cells of flies (unless flies
        stay in given cells), flies alive.

        Raises:
            InputError: flies arrive or join, or there are more than a million states.
        """
        return all_hunts(self)

    def index(self, state: Hunt) -> Int[Array, ""]:
        """Return the number of a state."""
        return hunt_number(self, state)

    def outcomes(self, state: Hunt, control: Int[Array, " m"]) -> tuple[Transition, Float[Array, " k"]]:
        """Enumerate the possible behaviours of the flies.

        Raises:
            InputError: flies arrive or join.
        """
        return hunt_outcomes(self, state, control)

    def draw(self, state: Hunt) -> str:
        """Draw a state as SVG."""
        return grid_svg(self.height, self.width, marks(state), walls=self._walls(), vision=self.vision)

    def text(self, state: Hunt) -> str:
        """Draw a state for the terminal."""
        return grid_text(self.height, self.width, marks(state), walls=self._walls())

    def _walls(self) -> Bool[np.ndarray, "height width"] | None:
        return None if self.walls is None else np.asarray(self.walls)


def _check(model: SpidersAndFlies) -> None:
    at_least(1, "spiders", model.spiders, "the number of agents")
    at_least(1, "flies", model.flies, "the number of flies at the start")
    for name, value, choices in (
        ("fly_behaviour", model.fly_behaviour, ("stay", "wander", "flee")),
        ("cost", model.cost, ("stages", "flies")),
    ):
        if value not in choices:
            raise InputError(f"{name}={value!r}: give one of {', '.join(map(repr, choices))}.")
    if not 0 <= model.arrival_rate <= 1:
        raise InputError(f"arrival_rate={model.arrival_rate}: a chance at each stage; give a number from 0 to 1.")
    for stage in model.arrival_stages:
        at_least(1, "arrival_stages", stage, "stages at which flies arrive")
    if model.vision is not None and not (0 <= model.vision <= MOST or model.vision == math.inf):
        raise InputError(
            f"vision={model.vision}: a distance in moves; give a number from 0 up to {MOST:,}, or None for no limit."
        )
    check_discount(model.discount)
    if model.max_spiders is not None:
        at_least(model.spiders, "max_spiders", model.max_spiders, f"room for the {model.spiders} spiders at the start")
    if model.max_flies is not None:
        certain = model.flies + len(model.arrival_stages)
        meaning = f"room for the {model.flies} flies at the start and {len(model.arrival_stages)} scheduled"
        at_least(certain, "max_flies", model.max_flies, meaning)
