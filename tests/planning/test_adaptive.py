"""Halving and drawn candidates save simulations and keep what is promised: no sampled cost rises, at any seed.

Statistical tests draw from fixed keys and state how often a right program would fail them for another key.
"""

import dataclasses
import itertools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from hypothesis import given
from hypothesis import strategies as some

import seriatim as st
from seriatim._compile import jit
from seriatim.planning._contest import contest
from seriatim.planning._search import answered
from seriatim.simulation._engine import Ask, compiled_engine
from seriatim.simulation._futures import Costs

SAMPLES = 16
SIMULATION = st.Simulation(horizon=6, num_samples=SAMPLES)
FALSE_ALARM = 1e-6
EQUAL = ("control", "base_control", "improvement", "standard_error", "q_factors")
SAVINGS = {
    "halving": st.InTurn(allocation=st.Halving()),
    "drawn": st.InTurn(candidates=st.Sampled(3)),
    "both": st.InTurn("random", st.Sampled(4), st.Halving()),
    "optimised": st.BestFirst(st.Sampled(3), st.Halving()),
}


halving = st.Halving().rounds


def slow(*values, **options):
    return pytest.param(*values, marks=pytest.mark.slow, **options)


# Two that take few programs, and two that combine them with other options.
every_saving = pytest.mark.parametrize(
    "schedule",
    [
        pytest.param(schedule, id=name, marks=[] if name in ("halving", "drawn") else [pytest.mark.slow])
        for name, schedule in SAVINGS.items()
    ],
)


def team(seed=0, **options):
    shape = {"states": 8, "agents": 3, "controls": (5, 3, 5), "discount": 0.9, "infeasible": 0.2}
    return st.problems.random_team(seed, **(shape | options))


def planner(model, simulation=SIMULATION, schedule=None, significance=1.0):
    return st.OneAtATimeRollout(model, model.base_policy(), simulation, significance, schedule or st.InTurn())


def everywhere(policy, seed):
    """Decide at each state."""
    states = np.asarray(policy.model.states())
    keys = jax.random.split(jax.random.key(seed), len(states))
    found = [policy.decide(state, key) for state, key in zip(states, keys, strict=True)]
    return states, jax.tree.map(lambda *each: np.stack(each), *found)


def same(one, other):
    return all(np.array_equal(getattr(one, field), getattr(other, field), equal_nan=True) for field in EQUAL)


@jit
def sampled_costs(model, states, keys, controls):
    """Simulate joint controls at each state, as a planner does under the same keys."""

    def one(state, key, some):
        return st.simulation.q_samples(
            model, (model.base_policy(),), SIMULATION, state, some, jax.random.split(key, 4)[1]
        )

    return jax.vmap(one)(states, keys, controls)


# The engine's blocks


def test_a_sample_is_the_same_in_every_block():
    model = team()

    def policy(state, key):
        return jax.random.randint(key, (3,), 0, 3, jnp.int32)

    controls = jnp.array([[0, 0, 0], [1, 2, 1], [4, 0, 2]], jnp.int32)
    args = (model, (policy,), SIMULATION, jnp.int32(3), controls, jax.random.key(5))
    whole = np.asarray(jit(st.simulation.q_samples)(*args))
    assert len(np.unique(whole)) > SAMPLES

    def part(model, policies, simulation, state, controls, key):
        engine = compiled_engine(model, policies, simulation, state, key)
        return engine.answer(Ask(controls, range(4, 9)))[0].costs

    assert np.array_equal(jit(part)(*args), whole[:, 4:9])


# Rounds


@given(alternatives=some.integers(1, 300), samples=some.integers(1, 5000))
def test_rounds_end_with_all_samples_and_never_take_more(alternatives, samples):
    rounds = halving(alternatives, samples)
    assert [i for r in rounds for i in r.samples] == list(range(samples))
    assert rounds[0].alternatives == alternatives
    assert len(rounds) == 1 or rounds[-1].alternatives == 1
    left = [r.alternatives for r in rounds]
    assert all(later < earlier for earlier, later in itertools.pairwise(left))
    assert sum(r.alternatives * len(r.samples) for r in rounds) <= alternatives * samples


@pytest.mark.parametrize("halvings", range(1, 8))
def test_halving_takes_what_the_closed_form_says(halvings):
    alternatives, samples = 2**halvings, 2 ** (halvings + 3)
    rounds = halving(alternatives, samples)
    assert [r.alternatives for r in rounds] == [2**k for k in range(halvings, -1, -1)]
    taken = sum(r.alternatives * len(r.samples) for r in rounds)
    assert taken == samples + halvings * samples // 2


# The guarantee


@every_saving
def test_no_sampled_cost_rises_and_the_chosen_has_all_samples(schedule):
    """The improvement is what the controls give when they are simulated again, on all samples: nothing was left out."""
    improved = 0
    for seed in range(3):
        model = team(seed)
        states, found = everywhere(planner(model, schedule=schedule), seed)
        joint = found.control @ model.num_controls ** np.arange(model.num_agents - 1, -1, -1)
        assert np.asarray(model.is_feasible)[states, joint].all()
        both = np.stack([found.base_control, found.control], axis=1)
        costs = sampled_costs(model, states, jax.random.split(jax.random.key(seed), len(states)), both)
        gain = np.asarray(costs[:, 0] - costs[:, 1], np.float64)
        assert (gain.mean(axis=1) >= 0).all()
        np.testing.assert_allclose(found.improvement, gain.mean(axis=1), rtol=1e-4, atol=1e-5)
        error = gain.std(axis=1, ddof=1) / math.sqrt(SAMPLES)
        np.testing.assert_allclose(found.standard_error, error, rtol=1e-3, atol=1e-5)
        improved += int((gain.mean(axis=1) > 0).sum())
    assert improved > 5


@pytest.mark.parametrize("schedule", [SAVINGS["halving"], SAVINGS["drawn"]], ids=["halving", "drawn"])
def test_each_agents_estimate_is_no_larger_than_its_predecessors(schedule):
    for seed in range(3):
        policy = planner(team(seed), significance=0.0, schedule=schedule)
        _, found = everywhere(policy, seed)
        chosen = np.take_along_axis(np.asarray(found.q_factors), np.asarray(found.control)[..., None], axis=2)[..., 0]
        first = np.take_along_axis(np.asarray(found.q_factors)[:, 0], np.asarray(found.base_control)[:, :1], axis=1)
        path = np.concatenate([first, chosen], axis=1)
        assert np.all(np.diff(path, axis=1) <= 1e-6)
        np.testing.assert_allclose(path[:, 0] - path[:, -1], found.improvement, rtol=1e-3, atol=1e-5)


@every_saving
def test_ties_go_to_the_base_control(schedule):
    model = team()
    model = dataclasses.replace(model, costs=np.ones(model.costs.shape))
    _, found = everywhere(planner(model, schedule=schedule), 1)
    assert np.array_equal(found.control, model.base_control)
    assert not np.any(found.improvement)


# Where nothing is dropped, nothing changes


def test_one_round_is_uniform_allocation_bit_for_bit():
    model, simulation = team(), st.Simulation(horizon=6, num_samples=4)
    assert halving(4, 4) == st.planning.Uniform().rounds(4, 4)
    (_, plain), (_, halved) = (everywhere(planner(model, simulation, a), 3) for a in (None, SAVINGS["halving"]))
    assert same(plain, halved)
    assert np.array_equal(plain.num_trajectories, halved.num_trajectories)


def test_candidates_enough_for_all_are_all_controls_bit_for_bit():
    model = team()
    every = st.InTurn(candidates=st.Sampled(5))
    (_, plain), (_, drawn) = (everywhere(planner(model, schedule=s), 3) for s in (None, every))
    assert same(plain, drawn)


def test_where_nothing_is_random_halving_decides_as_uniform_allocation():
    """One sample tells all, so the best alternative is never dropped; significance has nothing to say."""
    for seed in range(3):
        model = team(seed)
        certain = np.zeros(model.probabilities.shape)
        certain[..., 0] = 1
        model = dataclasses.replace(model, probabilities=certain)
        found = [everywhere(planner(model, schedule=s), seed)[1] for s in (None, SAVINGS["halving"])]
        assert np.array_equal(found[0].control, found[1].control)
        np.testing.assert_allclose(found[0].q_factors, found[1].q_factors, rtol=1e-5)
        assert np.all(found[1].num_trajectories < found[0].num_trajectories)


@pytest.mark.parametrize("schedule", [SAVINGS["drawn"], slow(SAVINGS["both"])], ids=["drawn", "both"])
def test_one_state_is_decided_as_among_many(schedule):
    policy = planner(team(), schedule=schedule)
    states, alone = everywhere(policy, 2)
    found = st.decide_many(policy, policy.model.states(), jax.random.split(jax.random.key(2), len(states)))
    assert np.array_equal(found.control, alone.control)
    np.testing.assert_allclose(found.q_factors, alone.q_factors, rtol=1e-5)


# What is reported


def test_work_is_reported_truthfully():
    model = team()
    m, c = model.num_agents, model.num_controls

    def work(schedule=None):
        found = everywhere(planner(model, schedule=schedule), 0)[1]
        counts = (found.num_q_factors, found.num_simulations, found.num_trajectories, found.num_passes)
        return tuple(int(n[0]) for n in counts)

    simulations = m * (c - 1) + 1
    assert work() == (m * c, simulations, simulations * SAMPLES, m + 1)
    # 4 alternatives: 4 x 4, 2 x 4 and 1 x 8 samples, in three passes.
    assert work(SAVINGS["halving"]) == (m * c, simulations, SAMPLES + m * 32, 3 * m + 1)
    assert work(SAVINGS["drawn"]) == (m * 3, m * 2 + 1, (m * 2 + 1) * SAMPLES, m + 1)


def test_only_compared_controls_have_q_factors_and_they_are_the_same_as_ever():
    model = team()
    states, plain = everywhere(planner(model), 4)
    _, drawn = everywhere(planner(model, schedule=SAVINGS["drawn"]), 4)
    compared = np.isfinite(drawn.q_factors)
    assert compared.sum(axis=2).max() == 3
    own = np.take_along_axis(compared, np.asarray(drawn.control)[..., None], axis=2)
    assert own.all()
    # The first agent's turn does not depend on what others drew.
    first = compared[:, 0]
    np.testing.assert_allclose(
        np.asarray(drawn.q_factors)[:, 0][first], np.asarray(plain.q_factors)[:, 0][first], rtol=1e-5
    )
    assert len(states) == first.shape[0]


def test_a_dropped_control_keeps_its_paired_estimate():
    """Its mean on the samples it got, corrected by what the present control's mean on them is off by."""
    reference = jnp.arange(8.0)
    table = jnp.stack([reference - 1, reference + 2, reference + 5, reference + 3])
    rounds = halving(4, 8)
    assert [r.alternatives for r in rounds] == [4, 1]
    may = jnp.array([True, True, True, False])
    found = jit(lambda: answered(contest(rounds, reference, numbers(4), may, 0.0), Table(table))[0])()
    np.testing.assert_allclose(found.q_factors, [2.5, 5.5, 8.5, np.inf])
    assert found.best == 0


# Where samples go


def numbers(n):
    return jnp.arange(n, dtype=jnp.int32)[:, None]


class Table(NamedTuple):
    """An engine that reads costs from a table: a row for each alternative."""

    table: jax.Array

    def answer(self, ask):
        some = ask.samples or range(self.table.shape[1])
        costs = self.table[ask.controls[:, 0], some.start : some.stop]
        return Costs(costs, jnp.zeros(len(ask.controls), jnp.int32)), self


MEANS = np.array([0.0, 0.5, 0.7, 0.7, 0.9, 1.2, 1.2, 1.5])  # of the alternatives' costs; the noise has deviation 1
PRESENT = 1.0


def uniform_misses(samples):
    """Return the chance that the best mean is not the smallest of so many samples' means, by integration."""
    scale = 1 / math.sqrt(samples)

    def density(x):
        return scipy.stats.norm.pdf(x, MEANS[0], scale) * np.prod(scipy.stats.norm.sf(x, MEANS[1:], scale))

    return 1 - scipy.integrate.quad(density, -8 * scale, 8 * scale)[0]


def halving_misses_at_most(rounds):
    """Bound the same for halving: the best is dropped only if as many look better as stay in.

    The number that look better after t samples has the mean sum_i P(N(0, 2/t) > gap_i); Markov's inequality and a
    union over rounds do the rest.
    """
    bound = 0.0
    for earlier, later in itertools.pairwise(rounds):
        scale = math.sqrt(2 / earlier.samples.stop)
        bound += scipy.stats.norm.sf(MEANS[1:] - MEANS[0], scale=scale).sum() / later.alternatives
    return bound


def test_halving_finds_the_best_more_often_for_the_same_number_of_simulations(optimised):
    del optimised
    trials, samples = 4000, 64
    rounds = halving(8, samples)
    taken = sum(r.alternatives * len(r.samples) for r in rounds)
    assert taken == 8 * 20

    def trial(key):
        noise = jax.random.normal(key, (8, samples))
        reference = jnp.full(samples, PRESENT)
        table = jnp.asarray(MEANS, noise.dtype)[:, None] + noise
        return answered(contest(rounds, reference, numbers(8), jnp.ones(8, bool), 0.0), Table(table))[0].best

    best = jax.jit(jax.vmap(trial))(jax.random.split(jax.random.key(0), trials))
    misses = int((best != 0).sum())
    # A right program exceeds either number with a chance of less than FALSE_ALARM.
    for chance in (uniform_misses(20), halving_misses_at_most(rounds)):
        assert misses <= scipy.stats.binom.isf(FALSE_ALARM, trials, chance)


# Drawn candidates


@st.record
class Always:
    """A proposal of one control for everybody."""

    control: int
    shape: tuple = st.static()

    def __call__(self, info, key):
        return jnp.broadcast_to(jnp.where(jnp.arange(self.shape[1]) == self.control, 0.0, -jnp.inf), self.shape)


def test_a_proposal_decides_what_is_compared():
    model = team(infeasible=0.0, masked=0.0, controls=5)
    policy = planner(model, schedule=st.InTurn(candidates=st.Sampled(3, Always(2, (3, 5)))))
    _, found = everywhere(policy, 0)
    compared = np.isfinite(found.q_factors)
    present = np.asarray(found.base_control)[..., None] == np.arange(5)
    assert np.array_equal(compared, present | (np.arange(5) == 2))


# Mistakes


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: st.InTurn(allocation="racing"),
            r"allocation='racing': give st.Halving\(\), or st.planning.Uniform\(\)",
        ),
        (lambda: st.BestFirst(candidates=3), r"candidates=3: give Sampled\(number\), or None"),
        (lambda: st.Sampled(2.5), "number=2.5: a turn compares the present control and at least one other"),
        (lambda: st.Sampled(1), "number=1: a turn compares the present control and at least one other"),
        (lambda: st.Sampled(3, 7), "proposal=7 cannot be called"),
    ],
)
def test_mistakes_are_refused(make, sentence, without_type_checks):
    with pytest.raises(st.InputError, match=sentence):
        without_type_checks(make)


def test_logits_of_the_wrong_shape_are_refused(without_type_checks):
    policy = planner(team(), schedule=st.InTurn(candidates=st.Sampled(3, Always(0, (3, 4)))))
    with pytest.raises(st.InputError, match=r"logits of shape \(3, 4\); give one number for each agent"):
        without_type_checks(lambda: policy.decide(jnp.int32(0), jax.random.key(0)))
