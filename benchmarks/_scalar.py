"""The yardstick: one-agent-at-a-time rollout for spiders and flies as a scalar compiled program of one thread.

The same rules as `OneAtATimeRollout(SpidersAndFlies(...), NearestFly)`: the same order of agents, m(c-1) + 1 simulated
joint controls, ties to the present control, alternatives in the same cyclic order, the same threshold of significance;
so, fed the same disturbances, the same controls (`benchmarks/decisions.py` insists on it before it measures).

Written as one would in C, for one state at a time: nothing is allocated in loops, caught flies leave the list, catches
are found by a stamp on the grid instead of a comparison of all pairs, a simulation ends with its last fly, disturbances
are drawn once, when first needed, and shared by all candidates, and the courses of one cell lie side by side.
Compiled by numba without fast mathematics; its inner minimum over flies is short, branchless and open to SIMD.
"""

from typing import Any, NamedTuple

import numba
import numpy as np

from seriatim.problems import SpidersAndFlies

CONTROLS = 5
# Rows and columns of the moves stay, up, down, left, right.
DOWN = np.array([0, -1, 1, 0, 0], np.int16)
RIGHT = np.array([0, 0, 0, -1, 1], np.int16)


class Ground(NamedTuple):
    """A grid; with walls, possible moves as bits `[grid]` and courses `[grid, targets]`, both empty without."""

    height: int
    width: int
    moves: np.ndarray
    courses: np.ndarray
    target: np.ndarray


class Luck(NamedTuple):
    """Moves of wandering flies `[samples, stages, n]`, the stages drawn of each sample, and a generator's state.

    `moves` is empty where flies stay. Where `drawn` is full beforehand, nothing is drawn.
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


def ground_of(model: SpidersAndFlies) -> Ground:
    """Take the grid out of a model."""
    terrain = model.terrain
    if terrain.open_moves is None:
        nothing = np.zeros((0, 0), np.int16)
        return Ground(terrain.height, terrain.width, np.zeros(0, np.uint8), nothing, np.zeros(0, np.int32))
    return Ground(
        terrain.height,
        terrain.width,
        np.asarray(terrain.open_moves),
        np.ascontiguousarray(np.asarray(terrain.courses).T),
        np.asarray(terrain.target),
    )


def room_for(model: SpidersAndFlies) -> Room:
    """Allocate, once."""
    m, n, grid = model.spiders, model.flies, model.height * model.width
    return Room(
        row=np.zeros(m, np.int16),
        column=np.zeros(m, np.int16),
        fly_row=np.zeros(n, np.int16),
        fly_column=np.zeros(n, np.int16),
        fly=np.zeros(n, np.int64),
        stamp=np.zeros(grid, np.int64),
        clock=np.zeros(1, np.int64),
    )


def no_luck() -> Luck:
    """Flies stay."""
    return Luck(np.zeros((0, 0, 0), np.int8), np.zeros(0, np.int64), np.zeros(1, np.uint64))


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


@numba.njit(inline="always")
def _bound(value: Any, size: Any) -> Any:
    return min(max(value, 0), size - 1)


@numba.njit(inline="always")
def _can(ground: Any, row: Any, column: Any, move: Any) -> bool:
    """Say whether a move is possible."""
    if ground.moves.shape[0]:
        return ground.moves[row * ground.width + column] >> move & 1 == 1
    after_row, after_column = row + DOWN[move], column + RIGHT[move]
    return 0 <= after_row < ground.height and 0 <= after_column < ground.width


@numba.njit(inline="always")
def _step(ground: Any, rows: Any, columns: Any, i: int, move: Any) -> None:
    """Move one; a move that is not possible is a stay."""
    if _can(ground, rows[i], columns[i], move):
        rows[i] += DOWN[move]
        columns[i] += RIGHT[move]


@numba.njit
def _nearest_open(row: Any, column: Any, fly_row: Any, fly_column: Any, living: int) -> Any:
    """Return the first move towards a nearest fly: the least of 8 * distance + move."""
    least = np.int16(32767)
    for j in range(living):
        down, right = np.int16(fly_row[j] - row), np.int16(fly_column[j] - column)
        sideways = np.int16(3) if right < 0 else (np.int16(4) if right > 0 else np.int16(0))
        move = np.int16(1) if down < 0 else (np.int16(2) if down > 0 else sideways)
        least = min(least, np.int16(np.int16(8) * np.int16(abs(down) + abs(right)) + move))
    return least & 7


@numba.njit
def _nearest_walled(ground: Any, row: Any, column: Any, room: Any, living: int) -> Any:
    """The same around walls: the least course of this cell."""
    courses = ground.courses[row * ground.width + column]
    least = courses[ground.target[room.fly_row[0] * ground.width + room.fly_column[0]]]
    for j in range(1, living):
        least = min(least, courses[ground.target[room.fly_row[j] * ground.width + room.fly_column[j]]])
    return least & 7


@numba.njit(inline="always")
def _nearest(ground: Any, room: Any, i: int, living: int) -> Any:
    if living == 0:
        return 0
    if ground.moves.shape[0]:
        return _nearest_walled(ground, room.row[i], room.column[i], room, living)
    return _nearest_open(room.row[i], room.column[i], room.fly_row, room.fly_column, living)


@numba.njit
def _catch(ground: Any, room: Any, living: int) -> int:
    """Take flies on stamped cells off the list; return how many are left."""
    j = 0
    while j < living:
        if room.stamp[room.fly_row[j] * ground.width + room.fly_column[j]] == room.clock[0]:
            living -= 1
            room.fly_row[j], room.fly_column[j] = room.fly_row[living], room.fly_column[living]
            room.fly[j] = room.fly[living]
        else:
            j += 1
    return living


@numba.njit
def _begin(room: Any, spiders: Any, flies: Any, alive: Any) -> int:
    """Copy a state; return how many flies live."""
    room.row[:], room.column[:] = spiders[:, 0], spiders[:, 1]
    living = 0
    for j in range(flies.shape[0]):
        if alive[j]:
            room.fly_row[living], room.fly_column[living], room.fly[living] = flies[j, 0], flies[j, 1], j
            living += 1
    return living


@numba.njit
def _stage(ground: Any, room: Any, control: Any, living: int, luck: Any, sample: int, t: int) -> int:
    """Play one stage, by `control` first and by the heuristic later; return how many flies are left."""
    room.clock[0] += 1
    for i in range(room.row.shape[0]):
        _step(ground, room.row, room.column, i, control[i] if t == 0 else _nearest(ground, room, i, living))
        room.stamp[room.row[i] * ground.width + room.column[i]] = room.clock[0]
    living = _catch(ground, room, living)
    if luck.drawn.shape[0] and living:
        _draw(luck, sample, t)
        for j in range(living):
            _step(ground, room.fly_row, room.fly_column, j, luck.moves[sample, t, room.fly[j]])
        living = _catch(ground, room, living)
    return living


@numba.njit
def simulated_cost(
    ground: Any, room: Any, spiders: Any, flies: Any, alive: Any, control: Any, horizon: int, luck: Any, sample: int
) -> int:
    """Return the stages until the last fly is caught, at most `horizon`."""
    living, t = _begin(room, spiders, flies, alive), 0
    while living and t < horizon:
        living = _stage(ground, room, control, living, luck, sample, t)
        t += 1
    return t


@numba.njit
def _base_control(ground: Any, room: Any, spiders: Any, flies: Any, alive: Any, control: Any) -> None:
    living = _begin(room, spiders, flies, alive)
    for i in range(control.shape[0]):
        control[i] = _nearest(ground, room, i, living)


@numba.njit
def _wins(present: Any, other: Any, significance: float) -> tuple[bool, float]:
    """Say whether the paired gain exceeds its standard error, and rounding; and the alternative's mean cost."""
    samples = present.shape[0]
    gain = np.mean(present - other)
    error = 0.0 if samples == 1 else np.sqrt(np.sum((present - other - gain) ** 2) / (samples - 1) / samples)
    mean = np.mean(other)
    return gain > significance * error + 8 * 1.2e-7 * abs(mean), mean


@numba.njit
def decide(ground: Any, room: Any, rules: Any, spiders: Any, flies: Any, alive: Any, luck: Any) -> Any:
    """Let the agents choose in turn at one state; return the joint control."""
    m = spiders.shape[0]
    control, present = np.zeros(m, np.int64), np.zeros(rules.samples)
    other, best = present.copy(), present.copy()
    _base_control(ground, room, spiders, flies, alive, control)
    for s in range(rules.samples):
        present[s] = simulated_cost(ground, room, spiders, flies, alive, control, rules.horizon, luck, s)
    for i in range(m):
        own, choice, least = control[i], control[i], np.inf
        for k in range(1, CONTROLS):
            control[i] = (own + k) % CONTROLS
            if not _can(ground, spiders[i, 0], spiders[i, 1], control[i]):
                continue
            for s in range(rules.samples):
                other[s] = simulated_cost(ground, room, spiders, flies, alive, control, rules.horizon, luck, s)
            wins, mean = _wins(present, other, rules.significance)
            if wins and mean < least:
                choice, least = control[i], mean
                best[:] = other
        control[i] = choice
        if least < np.inf:
            present[:] = best
    return control


@numba.njit
def decide_many(ground: Any, room: Any, rules: Any, spiders: Any, flies: Any, alive: Any, luck: Any) -> Any:
    """Decide at every state, one after the other; what was drawn for one state is drawn anew for the next."""
    controls = np.zeros(spiders.shape[:2], np.int64)
    for k in range(spiders.shape[0]):
        luck.drawn[:] = 0
        controls[k] = decide(ground, room, rules, spiders[k], flies[k], alive[k], luck)
    return controls
