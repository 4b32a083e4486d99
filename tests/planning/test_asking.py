"""Planners ask for costs and are told them: who drives a search, and where its answers come from, changes no decision.

The driver here is plain Python: it stops at every ask, as a driver must whose simulators are other processes.
"""

import functools

import jax
import numpy as np
import pytest

import seriatim as st
from seriatim._compile import jit
from seriatim.planning._decision import base_control_of, engine_of, planner_keys
from seriatim.simulation._engine import Ask

# Costs are whole numbers, so their sums and means are the same in whatever program.
SIMULATION = st.Simulation(horizon=4, num_samples=4)
SCHEDULES = {
    "in turn": st.InTurn((2, 0, 1)),
    "speculative": st.Speculative(window=2),
    "best first": st.BestFirst(),
    "halving": st.InTurn(allocation=st.Halving()),
    "drawn": st.InTurn(candidates=st.Sampled(2)),
}


@functools.cache
def hunt():
    return st.problems.SpidersAndFlies(spiders=3, flies=2, width=3, height=3, fly_behaviour="wander")


def planners():
    model = hunt()
    base = model.base_policy()
    for name, schedule in SCHEDULES.items():
        marks = [] if name in ("in turn", "speculative") else [pytest.mark.slow]
        yield pytest.param(st.OneAtATimeRollout(model, base, SIMULATION, schedule=schedule), id=name, marks=marks)
    yield pytest.param(st.SignallingRollout(model, base, simulation=SIMULATION), id="signalling")
    yield pytest.param(st.StandardRollout(model, base, SIMULATION), id="standard", marks=pytest.mark.slow)


@functools.partial(jit, static_argnames=("samples", "is_reference"))
def answer(engine, controls, like, needed, *, samples, is_reference):
    """Simulate, as another process might: costs come back, and noise that may have been sorted."""
    costs, after = engine.answer(Ask(controls, samples, like, needed, is_reference))
    return costs, after.noise


def driven(planner, state, key):
    """Decide in plain Python; return the decision and the joint controls of each ask."""
    keys = planner_keys(key)
    engine, search = engine_of(planner, state, keys), planner.search(state, key)
    asked = []

    def told(asking, engine):
        try:
            ask = next(asking)
            while True:
                asked.append(len(ask.controls))
                options = {"samples": ask.samples, "is_reference": ask.is_reference}
                costs, noise = answer(engine, ask.controls, ask.like, ask.needed, **options)
                engine = engine._replace(noise=noise)
                ask = asking.send(costs)
        except StopIteration as end:
            return end.value, engine

    work, engine = told(search.begin(engine, base_control_of(planner.model, planner.base, state, keys.base)), engine)
    while int(search.left(work)) > 0:
        work, _ = told(search.step(engine, work), engine)
    return search.decision(engine, work), asked


@pytest.mark.parametrize("planner", list(planners()))
def test_a_search_that_is_driven_from_outside_decides_alike(planner):
    key = jax.random.key(2)
    state = hunt().initial_state(key)
    expected = planner.decide(state, key)
    found, asked = driven(planner, state, key)
    for field in ("control", "base_control", "q_factors", "num_simulations", "num_trajectories", "num_passes"):
        assert np.array_equal(getattr(found, field), getattr(expected, field)), field
    # What is counted is what was asked for; a round of halving asks again for those that are still in.
    assert sum(asked) >= int(expected.num_simulations)
    assert len(asked) == int(expected.num_passes) or isinstance(planner, st.SignallingRollout)
