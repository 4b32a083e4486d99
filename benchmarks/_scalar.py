"""The yardstick: one-agent-at-a-time rollout for spiders and flies as a scalar compiled program of one thread.

The same rules as `OneAtATimeRollout(SpidersAndFlies(...), NearestFly)`: the same order of agents, m(c-1) + 1 simulated
joint controls, ties to the present control, alternatives in the same cyclic order, the same threshold of significance;
so, fed the same disturbances, the same controls (`benchmarks/decisions.py` insists on it before it measures).

Written as one would in C, for one state at a time: nothing is allocated in loops, caught flies leave the list, catches
are found by a stamp on the grid instead of a comparison of all pairs, a simulation ends with its last fly, disturbances
are drawn once, when first needed, and shared by all candidates, and the courses of one cell lie side by side.
Compiled by numba without fast mathematics. One function plays a whole simulation in numbers of 32 bits: how it is cut
into functions matters threefold, and this is the best of some twenty cuts, two thirds to three quarters as fast as the
same loops in C under gcc -O3, and faster than DynaPlex.
"""

from typing import Any, NamedTuple

import numba
import numpy as np

from seriatim.problems import SpidersAndFlies

CONTROLS = 5
# Rows and columns of the moves stay, up, down, left, right.
DOWN = np.array([0, -1, 1, 0, 0], np.int32)
RIGHT = np.array([0, 0, 0, -1, 1], np.int32)


class Ground(NamedTuple):
    """The size of a grid."""

    height: int
    width: int


class Walls(NamedTuple):
    """Possible moves as bits `[grid]`, and courses `[grid, targets]`; None where there are no walls."""

    moves: np.ndarray
    courses: np.ndarray
    target: np.ndarray


class Luck(NamedTuple):
    """Moves of wandering flies `[samples, stages, n]`, the stages drawn of each sample, and a generator's state.

    Where `drawn` is full beforehand, nothing is drawn. None stands for flies that stay.
    """

    moves: np.ndarray
    drawn: np.ndarray
    seed: np.ndarray


class Room(NamedTuple):
    """What one simulation needs to write on: positions, the flies that live, and when a cell was last walked on."""

    row: np.ndarray
    column: np.ndarray
    fly_row: np.ndarray
    fly_column: np.ndarray
    fly: np.ndarray
    stamp: np.ndarray
    clock: np.ndarray


class Rules(NamedTuple):
    """Stages and samples of a simulation, and the standard errors by which an alternative must win."""

    horizon: int
    samples: int
    significance: float


def ground_of(model: SpidersAndFlies) -> tuple[Ground, Walls | None]:
    """Take the grid out of a model."""
    terrain = model.terrain
    ground = Ground(terrain.height, terrain.width)
    if terrain.open_moves is None:
        return ground, None
    courses = np.ascontiguousarray(np.asarray(terrain.courses).T)
    return ground, Walls(np.asarray(terrain.open_moves), courses, np.asarray(terrain.target))


def room_for(model: SpidersAndFlies) -> Room:
    """Allocate, once."""
    m, n, grid = model.spiders, model.flies, model.height * model.width
    return Room(
        row=np.zeros(m, np.int32),
        column=np.zeros(m, np.int32),
        fly_row=np.zeros(n, np.int32),
        fly_column=np.zeros(n, np.int32),
        fly=np.zeros(n, np.int64),
        stamp=np.zeros(grid, np.int64),
        clock=np.zeros(1, np.int64),
    )


def own_luck(samples: int, stages: int, flies: int, seed: int) -> Luck:
    """Flies wander, drawn as needed."""
    moves = np.zeros((samples, stages, flies), np.int8)
    return Luck(moves, np.zeros(samples, np.int64), np.array([seed], np.uint64))


def given_luck(moves: np.ndarray) -> Luck:
    """Flies wander as told, `[samples, stages, n]`."""
    return Luck(moves.astype(np.int8), np.full(len(moves), moves.shape[1], np.int64), np.zeros(1, np.uint64))


@numba.njit(inline="always")
def _random(seed: Any) -> Any:
    """Draw 64 bits: splitmix64, G. Steele, D. Lea, C. Flood, Fast splittable pseudorandom number generators, 2014."""
    seed[0] += np.uint64(0x9E3779B97F4A7C15)
    z = seed[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@numba.njit
def _draw(luck: Any, sample: int, stage: int) -> None:
    """Draw the stages of a sample up to `stage`, if they have not been."""
    while luck.drawn[sample] <= stage:
        moves = luck.moves[sample, luck.drawn[sample]]
        for j in range(moves.shape[0]):
            moves[j] = ((_random(luck.seed) >> np.uint64(32)) * np.uint64(CONTROLS)) >> np.uint64(32)
        luck.drawn[sample] += 1


# What is None is known to be None when a function is compiled, and the branch for it is all that is left.


@numba.njit
def _can(ground: Any, walls: Any, row: Any, column: Any, move: Any) -> bool:
    """Say whether a move is possible."""
    if walls is not None:
        return walls.moves[row * ground.width + column] >> move & 1 == 1
    after_row, after_column = row + DOWN[move], column + RIGHT[move]
    return 0 <= after_row < ground.height and 0 <= after_column < ground.width


@numba.njit(inline="always")
def _blocked(ground: Any, walls: Any, row: Any, column: Any, move: Any) -> bool:
    if walls is None:
        return False
    return walls.moves[row * ground.width + column] >> move & 1 == 0


@numba.njit(inline="always")
def _step(ground: Any, walls: Any, rows: Any, columns: Any, i: int, move: Any) -> None:
    """Move one; a move that is not possible is a stay."""
    row, column = rows[i], columns[i]
    if _blocked(ground, walls, row, column, move):
        return
    if move == 1 and row > 0:
        rows[i] = row - 1
    elif move == 2 and row < ground.height - 1:
        rows[i] = row + 1
    elif move == 3 and column > 0:
        columns[i] = column - 1
    elif move == 4 and column < ground.width - 1:
        columns[i] = column + 1


@numba.njit
def _course(down: Any, right: Any) -> Any:
    """Return 8 * distance + move, rows first."""
    sideways = np.int32(3) if right < 0 else (np.int32(4) if right > 0 else np.int32(0))
    move = np.int32(1) if down < 0 else (np.int32(2) if down > 0 else sideways)
    return np.int32(np.int32(8) * np.int32(abs(down) + abs(right)) + move)


@numba.njit
def _nearest(ground: Any, walls: Any, row: Any, column: Any, fly_row: Any, fly_column: Any, living: int) -> Any:
    """Return the first move towards a nearest fly, that of the least course."""
    least = np.int32(1 << 30)
    if walls is None:
        for j in range(living):
            course = _course(np.int32(fly_row[j] - row), np.int32(fly_column[j] - column))
            if course < least:
                least = course
    else:
        courses = walls.courses[row * ground.width + column]
        for j in range(living):
            course = np.int32(courses[walls.target[fly_row[j] * ground.width + fly_column[j]]])
            if course < least:
                least = course
    return least & 7


@numba.njit(inline="always")
def _catch(ground: Any, room: Any, living: int, clock: int) -> int:
    """Take flies on cells stamped now off the list; return how many are left."""
    j = 0
    while j < living:
        if room.stamp[room.fly_row[j] * ground.width + room.fly_column[j]] == clock:
            living -= 1
            room.fly_row[j], room.fly_column[j] = room.fly_row[living], room.fly_column[living]
            room.fly[j] = room.fly[living]
        else:
            j += 1
    return living


@numba.njit(inline="always")
def _begin(room: Any, spiders: Any, flies: Any, alive: Any) -> int:
    """Copy a state; return how many flies live."""
    for i in range(spiders.shape[0]):
        room.row[i], room.column[i] = spiders[i, 0], spiders[i, 1]
    living = 0
    for j in range(flies.shape[0]):
        if alive[j]:
            room.fly_row[living], room.fly_column[living], room.fly[living] = flies[j, 0], flies[j, 1], j
            living += 1
    return living


@numba.njit
def simulated_cost(
    ground: Any,
    walls: Any,
    room: Any,
    spiders: Any,
    flies: Any,
    alive: Any,
    control: Any,
    horizon: int,
    luck: Any,
    sample: int,
) -> int:
    """Return the stages until the last fly is caught, at most `horizon`: first by `control`, then by the heuristic."""
    m, row, column, clock = spiders.shape[0], room.row, room.column, room.clock[0]
    living, t = _begin(room, spiders, flies, alive), 0
    while living > 0 and t < horizon:
        clock += 1
        for i in range(m):
            move = control[i]
            if t > 0:
                move = _nearest(ground, walls, row[i], column[i], room.fly_row, room.fly_column, living)
            _step(ground, walls, row, column, i, move)
            room.stamp[row[i] * ground.width + column[i]] = clock
        living = _catch(ground, room, living, clock)
        if luck is not None:
            _draw(luck, sample, t)
            for j in range(living):
                _step(ground, walls, room.fly_row, room.fly_column, j, luck.moves[sample, t, room.fly[j]])
            living = _catch(ground, room, living, clock)
        t += 1
    room.clock[0] = clock
    return t


@numba.njit
def _base_control(ground: Any, walls: Any, room: Any, spiders: Any, flies: Any, alive: Any, control: Any) -> None:
    living = _begin(room, spiders, flies, alive)
    for i in range(control.shape[0]):
        if living > 0:
            control[i] = _nearest(ground, walls, room.row[i], room.column[i], room.fly_row, room.fly_column, living)


@numba.njit
def _wins(present: Any, other: Any, significance: float) -> tuple[bool, float]:
    """Say whether the paired gain exceeds its standard error, and rounding; and the alternative's mean cost."""
    samples = present.shape[0]
    gain = np.mean(present - other)
    error = 0.0 if samples == 1 else np.sqrt(np.sum((present - other - gain) ** 2) / (samples - 1) / samples)
    mean = np.mean(other)
    return gain > significance * error + 8 * 1.2e-7 * abs(mean), mean


@numba.njit
def decide(ground: Any, walls: Any, room: Any, rules: Any, spiders: Any, flies: Any, alive: Any, luck: Any) -> Any:
    """Let the agents choose in turn at one state; return the joint control."""
    m = spiders.shape[0]
    control, present = np.zeros(m, np.int64), np.zeros(rules.samples)
    other, best = present.copy(), present.copy()
    _base_control(ground, walls, room, spiders, flies, alive, control)
    for s in range(rules.samples):
        present[s] = simulated_cost(ground, walls, room, spiders, flies, alive, control, rules.horizon, luck, s)
    for i in range(m):
        own, choice, least = control[i], control[i], np.inf
        for k in range(1, CONTROLS):
            control[i] = (own + k) % CONTROLS
            if not _can(ground, walls, spiders[i, 0], spiders[i, 1], control[i]):
                continue
            for s in range(rules.samples):
                other[s] = simulated_cost(ground, walls, room, spiders, flies, alive, control, rules.horizon, luck, s)
            wins, mean = _wins(present, other, rules.significance)
            if wins and mean < least:
                choice, least = control[i], mean
                best[:] = other
        control[i] = choice
        if least < np.inf:
            present[:] = best
    return control


@numba.njit
def decide_many(ground: Any, walls: Any, room: Any, rules: Any, spiders: Any, flies: Any, alive: Any, luck: Any) -> Any:
    """Decide at every state, one after the other; what was drawn for one state is drawn anew for the next."""
    controls = np.zeros(spiders.shape[:2], np.int64)
    for k in range(spiders.shape[0]):
        if luck is not None:
            luck.drawn[:] = 0
        controls[k] = decide(ground, walls, room, rules, spiders[k], flies[k], alive[k], luck)
    return controls
