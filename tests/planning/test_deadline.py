"""Decisions under a deadline, on machines whose clocks tell what the test says: no turn is taken by accident."""

import dataclasses
import functools

import jax
import numpy as np
import pytest

import seriatim as st
from seriatim._compile import jit
from seriatim.controls import is_admissible
from seriatim.planning import _standard
from seriatim.planning._anytime import PIECES
from seriatim.planning._decision import planner_keys
from seriatim.planning._pace import MARGIN, Pace, affordable
from seriatim.planning._schedule import given_order

# Of each kind one: coupled constraints and few controls, in several samples; many controls and a deterministic model.
MODELS = {
    "team": (
        lambda: st.problems.random_team(2, states=6, agents=3, controls=(2, 3, 3), discount=0.9, infeasible=0.4),
        st.Simulation(horizon=4, num_samples=16),
    ),
    "spiders": (
        lambda: st.problems.SpidersAndFlies(spiders=6, flies=5, width=7, height=7, collisions=False),
        st.Simulation(horizon=30),
    ),
}
CASES = [("team", "random"), pytest.param("team", "optimised", marks=pytest.mark.slow), ("spiders", None)]
TURN = 1.0  # seconds of the made-up machines


class Machine:
    """Runs the pieces of a decision, and says that each took as long as it was told."""

    def __init__(self, pieces, *, base=0.0, begin=0.0, call=0.0, turn=TURN):
        self.now, self.begins, self.counts = 0.0, 0, []
        self.seconds = {"base": base, "begin": begin, "call": call, "turn": turn}
        self.pieces = pieces._replace(
            base=lambda *given: self._ran(base, pieces.base(*given)),
            begin=lambda *given: self._began(pieces.begin(*given)),
            advance=lambda *given: self._advanced(pieces.advance(*given), given[-1]),
        )

    def clock(self):
        return self.now

    def _ran(self, seconds, result):
        self.now += seconds
        return result

    def _began(self, result):
        self.begins += 1
        return self._ran(self.seconds["begin"], result)

    def _advanced(self, result, count):
        self.counts.append(count)
        return self._ran(self.seconds["call"] + count * self.seconds["turn"], result)


@functools.cache
def planner(name, order=None):
    make, simulation = MODELS[name]
    model = make()
    schedule = st.BestFirst() if order == "optimised" else st.InTurn(order)
    return st.OneAtATimeRollout(model, model.base_policy(), simulation, schedule=schedule)


def standard():
    model = st.problems.random_team(3, states=8, agents=5, controls=3, discount=0.9, infeasible=0.3)
    return st.StandardRollout(model, model.base_policy(), st.Simulation(horizon=2, num_samples=4))


def paced(planner, **paces):
    anytime = st.Anytime(planner)
    anytime.pace = Pace(**{"begin": 0.0, "call": 0.0, "turn": TURN} | paces)
    return anytime


@jit
def initial_state(model, key):
    return model.initial_state(key)


def decided(planner, seconds, seed=0, **machine):
    """Decide on a made-up machine, as if for the first time."""
    machine = Machine(PIECES, **machine)
    patient = planner if isinstance(planner, st.Anytime) else st.Anytime(planner)
    anytime = st.Anytime(patient.planner, clock=machine.clock)
    anytime.pace, anytime._pieces = patient.pace, machine.pieces
    key = jax.random.key(seed)
    state = initial_state(anytime.model, key)
    return anytime.act(state, key, budget_ms=None if seconds is None else 1e3 * seconds), machine


def same(one, other, *but):
    fields = [field.name for field in dataclasses.fields(one) if field.name not in but]
    return all(np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True) for name in fields)


@pytest.mark.parametrize(("name", "order"), [CASES[0], CASES[2]])
def test_time_for_k_turns_gives_the_first_k_turns_bit_for_bit(name, order):
    patient = paced(planner(name, order))
    m, c = patient.model.num_agents, patient.model.num_controls
    for seed in range(3):
        key = jax.random.key(seed)
        whole = patient.decide(patient.model.initial_state(key), key)
        agents = given_order(order, m, planner_keys(key).order)
        for turns in range(m + 1):
            found, machine = decided(patient, turns + 0.5, seed)
            first = np.isin(np.arange(m), np.asarray(agents)[:turns])
            found = jax.tree.map(np.asarray, found)
            assert sum(machine.counts) == turns
            np.testing.assert_array_equal(found.control, np.where(first, whole.control, whole.base_control))
            np.testing.assert_array_equal(found.base_control, whole.base_control)
            np.testing.assert_array_equal(found.q_factors[first], np.asarray(whole.q_factors)[first])
            assert found.num_q_factors == turns * c
            # Turns of agents that have no choice are not simulated.
            assert found.num_simulations <= turns * (c - 1) + 1


@pytest.mark.parametrize(("name", "order"), CASES)
def test_with_time_enough_the_decision_is_that_of_decide_bit_for_bit(name, order):
    patient = planner(name, order)
    for seed in range(3):
        key = jax.random.key(seed)
        expected = patient.decide(patient.model.initial_state(key), key)
        for seconds in (None, 1e6):
            assert same(decided(patient, seconds, seed)[0], expected)
            assert same(decided(paced(patient), seconds, seed)[0], expected)


@pytest.mark.parametrize(("name", "order"), CASES)
def test_at_any_moment_the_control_may_be_applied_and_is_no_worse_than_the_base(name, order):
    hurried = paced(planner(name, order))
    model = hurried.model
    for seed in range(4):
        state = model.initial_state(jax.random.key(seed))
        improvement = 0.0
        for turns in range(model.num_agents + 1):
            found, _ = decided(hurried, turns + 0.5, seed)
            assert is_admissible(found.control, model.control_mask(state))
            assert not hasattr(model, "feasible") or model.feasible(state, found.control)
            assert found.improvement >= improvement
            improvement = float(found.improvement)


@pytest.mark.parametrize("make", [lambda: planner("spiders"), standard])
def test_without_time_to_simulate_it_is_the_base_control_and_says_that_it_knows_nothing(make):
    hurried = paced(make(), begin=2.0)
    found, machine = decided(hurried, 1.0, begin=2.0)
    assert (machine.begins, machine.counts, machine.now) == (0, [], 0.0)
    np.testing.assert_array_equal(found.control, found.base_control)
    assert np.isnan(found.q_factors).all()
    assert (found.improvement, found.standard_error) == (0, 0)
    assert (found.num_q_factors, found.num_simulations, found.num_passes) == (0, 0, 0)


def test_a_planner_without_a_pace_measures_its_first_turn():
    found, machine = decided(planner("spiders"), 4.5)
    assert machine.counts == [1, 1, 1, 1]
    assert machine.now == 4.0
    # The base control comes first; where even that is late, nothing follows.
    _, machine = decided(planner("spiders"), 4.5, base=5.0)
    assert machine.begins == 0
    # The first turn is begun on trust, and only the first.
    _, machine = decided(planner("spiders"), 4.5, turn=7.0)
    assert machine.counts == [1]
    assert found.num_simulations == 17


@pytest.mark.parametrize("times_slower", [1, 1.9, 2, 4])
def test_turns_slower_than_those_timed_are_noticed(times_slower):
    hurried = paced(planner("spiders"))
    for seconds in np.arange(0.5, 8, 0.25):
        _, machine = decided(hurried, seconds, turn=times_slower)
        # A piece is expected to take half of the time left, or one turn: it is late by no more than what those miss.
        assert machine.now <= max(seconds * max(1, times_slower / 2), times_slower)
        if len(machine.counts) > 1:
            assert machine.now <= max(seconds, times_slower)


def test_a_slow_start_is_a_warning():
    hurried = paced(planner("spiders"), begin=0.5)
    assert decided(hurried, 3.0, begin=0.5)[1].counts == [1, 1]
    assert decided(hurried, 3.0, begin=1.0)[1].counts == []


def test_the_budget_is_used():
    """Where the times are as expected, all turns that fit are taken, in few pieces."""
    hurried = paced(planner("spiders"), begin=0.25, call=0.125)
    for seconds in np.arange(0.5, 8, 0.25):
        _, machine = decided(hurried, seconds, begin=0.25, call=0.125)
        left = seconds - machine.now
        assert left >= 0
        assert sum(machine.counts) == 6 or left < MARGIN * (TURN + 0.125)
        assert len(machine.counts) <= 5


@pytest.mark.parametrize(
    ("left", "pace", "count"),
    [
        (8.0 * MARGIN, Pace(0.0, 0.0, 1.0), 4),
        (100.0, Pace(0.0, 0.0, 1.0), 15),
        (1.0 * MARGIN, Pace(0.0, 0.0, 1.0), 1),
        (1.0, Pace(0.0, 0.0, 1.0), 0),
        (1.5, Pace(0.0, 1.0, 1.0), 0),
        (-1.0, Pace(0.0, 0.0, 0.0), 0),
        (1.0, Pace(0.0, 0.0, 0.0), 15),
        # Turns cheaper than the call that takes them are not worth a second one.
        (2.0 * MARGIN, Pace(0.0, 1.0, 0.125), 8),
        (float("inf"), Pace(0.0, 0.0, 1.0), 15),
        (float("inf"), None, 15),
        (1.0, None, 1),
        (0.0, None, 0),
    ],
)
def test_turns_handed_over(left, pace, count):
    assert affordable(left, 15, pace) == count


def test_standard_rollout_compares_blocks_and_keeps_the_best():
    patient = paced(standard())
    model = patient.model
    block, joint = _standard.BLOCK, 3**5
    key = jax.random.key(1)
    state = model.initial_state(key)
    whole = patient.decide(state, key)
    improvement = 0.0
    for blocks in range(-(-joint // block) + 1):
        found, machine = decided(patient, blocks + 0.5, 1)
        assert sum(machine.counts) == blocks
        compared = min(blocks * block, joint)
        np.testing.assert_array_equal(found.q_factors[:compared], whole.q_factors[:compared])
        assert np.isnan(found.q_factors[compared:]).all()
        assert (found.num_q_factors, found.num_simulations) == (compared, compared + 1)
        assert model.feasible(state, found.control)
        assert found.improvement >= improvement
        improvement = float(found.improvement)
    assert same(found, whole, "num_simulations", "num_passes", "num_trajectories", "num_truncated")
    assert same(patient.act(state, key), whole, "num_simulations", "num_passes", "num_trajectories", "num_truncated")


def test_a_team_of_agents_without_choice_has_no_turns():
    model = st.problems.random_team(0, states=3, agents=3, controls=1, discount=0.9)
    idle = st.OneAtATimeRollout(model, model.base_policy(), st.Simulation(horizon=2, expectation="exact"))
    key = jax.random.key(0)
    state = model.initial_state(key)
    assert same(st.Anytime(idle).warmup().act(state, key, budget_ms=1e6), idle.decide(state, key))


@pytest.fixture
def compiled():
    """What the compiler has been given, one entry a program."""
    seen = []

    def listen(event, _, **__):
        if event == "/jax/core/compile/backend_compile_duration":
            seen.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield seen
    jax.monitoring.unregister_event_duration_listener(listen)


@pytest.mark.parametrize(
    "make",
    [
        lambda: planner("team", "random"),
        pytest.param(lambda: planner("team", "optimised"), marks=pytest.mark.slow),
        lambda: planner("spiders"),
        standard,
    ],
    ids=["random", "optimised", "spiders", "standard"],
)
def test_nothing_is_compiled_after_warmup(make, compiled):
    cold = st.Anytime(make())
    warm = st.Anytime(cold.planner).warmup()
    model = warm.model
    keys = jax.random.split(jax.random.key(5), 4)
    state = model.initial_state(keys[0])
    w = model.sample_disturbance(keys[1])
    successor = model.transition(state, model.base_policy()(state, keys[2]), w).state
    compiled.clear()
    for at in (state, successor):
        for used in (
            warm,
            cold,
            *(paced(cold.planner, **it) for it in ({"turn": 1e-9}, {"turn": 1e9}, {"begin": 1e9})),
        ):
            for budget in (None, 1e-9, 1e6, 1e9):
                used.act(at, keys[3], budget_ms=budget)
    assert not compiled


def test_with_a_clock_a_planner_decides_alike():
    plain = planner("team", "random")
    key = jax.random.key(2)
    state = plain.model.initial_state(key)
    warm = st.Anytime(plain)
    assert warm.pace is None
    assert warm.warmup(state, key) is warm
    assert all(seconds >= 0 for seconds in warm.pace)
    assert same(warm.decide(state, key), plain.decide(state, key))
    assert same(warm.act(state, key), plain.decide(state, key))
    assert np.array_equal(warm(state, key), plain(state, key))
    # As a policy it is compiled as the planner is: what it has measured is no part of a program.
    assert same(jax.jit(lambda policy: policy.decide(state, key))(warm), plain.decide(state, key))


@pytest.mark.parametrize("budget", [0, -1.0, float("nan"), "5"])
def test_budgets_that_are_none_are_refused(budget, without_type_checks):
    patient = st.Anytime(planner("team"))
    key = jax.random.key(0)
    state = patient.model.initial_state(key)
    with pytest.raises(st.InputError, match="give the milliseconds a decision may take, a number above 0, or None"):
        without_type_checks(lambda: patient.act(state, key, budget_ms=budget))


def test_no_time_passes_inside_a_transformation():
    patient = st.Anytime(planner("team"))
    key = jax.random.key(0)
    state = patient.model.initial_state(key)
    with pytest.raises(st.InputError, match="act was called inside jit, vmap"):
        jax.jit(lambda at: patient.act(at, key, budget_ms=1.0))(state)
    calls = {
        "of the planner": lambda by: st.Anytime(dataclasses.replace(patient.planner, significance=by)).act(
            state, key, budget_ms=1e6
        ),
        "with everything known": lambda by: patient.act(state, key),
        "of a warmup": lambda by: patient.warmup(state, key).pace.turn,
    }
    for what, call in calls.items():
        name = "warmup" if what == "of a warmup" else "act"
        with pytest.raises(st.InputError, match=f"{name} was called inside jit, vmap"):
            jax.jit(call)(1.0)
