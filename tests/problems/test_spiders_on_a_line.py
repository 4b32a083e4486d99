"""Spiders on a line: the published example, exactly, from every pair of positions.

D. Bertsekas, IEEE/CAA JAS 8(2), 2021. The optimal cost is found by enumeration here, apart from the package's solvers.
"""

import itertools

import jax
import jax.numpy as jnp
import pytest

import seriatim as st
from seriatim.problems._spiders_on_a_line import LineState

LEFT, RIGHT = 0, 1


def shortest(length, spiders):
    """The optimal number of stages by breadth-first search over (positions, which flies live)."""
    goal = {(x, alive) for x in itertools.product(range(length), repeat=spiders) for alive in [(False, False)]}
    cost, depth = dict.fromkeys(goal, 0), 0
    while True:
        depth += 1
        new = {}
        for x in itertools.product(range(length), repeat=spiders):
            for alive in itertools.product([True, False], repeat=2):
                if (x, alive) in cost:
                    continue
                if any(step(x, alive, u, length) in cost for u in itertools.product([-1, 1], repeat=spiders)):
                    new[x, alive] = depth
        if not new:
            return cost
        cost |= new


def step(positions, alive, moves, length):
    after = tuple(x + d for x, d in zip(positions, moves, strict=True))
    if any(not 0 <= x < length for x in after):
        return None
    return after, (alive[0] and 0 not in after, alive[1] and length - 1 not in after)


def stages(model, policy, start, horizon=80):
    state = LineState(jnp.array(start, jnp.int32), jnp.ones(2, bool))
    played = st.simulate(model, policy, jax.random.key(0), horizon=horizon, state=state)
    return int(played.length) if played.terminated else None


@pytest.mark.parametrize("length", [8, *(pytest.param(length, marks=pytest.mark.slow) for length in (4, 7))])
def test_one_agent_at_a_time_is_optimal_between_the_flies(length):
    model = st.problems.SpidersOnALine(length)
    simulation = st.Simulation(horizon=4 * length)
    planner = st.OneAtATimeRollout(model, model.base_policy(), simulation, schedule=st.InTurn())
    best = shortest(length, 2)
    for start in itertools.product(range(1, length - 1), repeat=2):
        assert stages(model, planner, start) == best[start, (True, True)]


def test_the_heuristic_is_not_optimal():
    model = st.problems.SpidersOnALine(7)
    costs = {x: stages(model, model.base_policy(), x) for x in itertools.product(range(1, 6), repeat=2)}
    best = shortest(7, 2)
    assert sum(costs[x] > best[x, (True, True)] for x in costs) == 13


def test_guessing_the_heuristic_two_spiders_in_one_cell_swing_for_ever():
    model = st.problems.SpidersOnALine(8)
    planner = st.SignallingRollout(model, model.base_policy(), simulation=st.Simulation(horizon=32))
    for cell in range(1, 7):
        assert stages(model, planner, (cell, cell)) is None
    assert stages(model, planner, (2, 3)) == shortest(8, 2)[(2, 3), (True, True)]


def test_the_table_says_that_they_are_stuck():
    model = st.problems.SpidersOnALine(9, starts=(4, 4))
    base = model.base_policy()
    planner = st.SignallingRollout(model, base, simulation=st.Simulation(horizon=32))
    found = st.compare(model, {"base": base, "signalling": planner}, jax.random.key(0), episodes=2, horizon=50)
    assert found.rows["base"].estimate.truncated == 0
    assert found.rows["signalling"].estimate.truncated == 1


MISTAKES = [{"length": 2}, {"spiders": 0}, {"starts": (0, 3)}, {"starts": (3,)}, {"discount": 2}]


@pytest.mark.parametrize("fields", MISTAKES)
def test_mistakes_are_refused(fields, without_type_checks):
    with pytest.raises(st.InputError, match=f"^{next(iter(fields))}="):
        without_type_checks(lambda: st.problems.SpidersOnALine(**fields))
