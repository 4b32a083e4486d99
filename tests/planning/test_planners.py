"""What every planner does, whatever its kind. A new planner joins these laws by one line in PLANNERS."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from test_guarantee import everywhere, team

import seriatim as st
from seriatim._compile import jit


def in_turn(*args, **options):
    """Without guesses: they change nothing (test_speculative), and their programs are twice as large."""
    return st.OneAtATimeRollout(*args, **({"schedule": st.InTurn()} | options))


def optimised(*args, **options):
    return in_turn(*args, schedule=st.BestFirst(), **options)


def shuffled(*args, **options):
    return in_turn(*args, schedule=st.InTurn("random"), **options)


def with_signal(model, base, simulation=None, **options):
    signal = in_turn(model, base, simulation, **options)
    return st.SignallingRollout(model, base, signal, simulation, **options)


PLANNERS = {
    "standard": st.StandardRollout,
    "in turn": in_turn,
    "optimised": optimised,
    "shuffled": shuffled,
    "signalling": lambda model, base, simulation, **o: st.SignallingRollout(model, base, None, simulation, **o),
    "signalling, own signal": with_signal,
}
# Also with a quick witness elsewhere: random orders in test_guarantee, a planner as a signal in test_signalling.
LARGE = ("shuffled", "signalling, own signal")
every_planner = pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, id=name, marks=[pytest.mark.slow] if name in LARGE else []) for name, kind in PLANNERS.items()],
)

SHAPE = (3, (2, 3, 2), 9, 0.9)
SAMPLED = st.Simulation(num_samples=6, horizon=10)
ENUMERATED = st.Simulation(horizon=2, expectation="exact")
# Numbers of the joint controls of three agents with three controls each.
JOINT = np.array([9, 3, 1])
FOUR = np.array([[0, 0, 0], [1, 2, 1], [0, 0, 0], [1, 0, 1]], np.int32)
sampled = jit(st.simulation.q_samples)


@every_planner
def test_controls_are_admissible_and_inadmissible_ones_infinite(kind):
    model = team(SHAPE, 0)
    found = everywhere(kind(model, model.base_policy(), SAMPLED))
    chosen = np.take_along_axis(np.asarray(model.mask), np.asarray(found.control)[..., None], axis=2)
    assert chosen.all()
    assert np.isfinite(found.q_factors).any()
    if found.q_factors.ndim == 3:
        assert np.array_equal(np.isinf(found.q_factors) | np.asarray(model.mask), np.ones_like(model.mask))
        assert not np.isfinite(np.asarray(found.q_factors)[~np.asarray(model.mask)]).any()


@every_planner
def test_one_compilation_serves_all_parameters(kind):
    traces = []

    @st.record
    class Counting:
        control: jax.Array

        def __call__(self, state, key):
            traces.append(None)
            return self.control[state]

    counts = []
    for seed in range(3):
        model = team(SHAPE, seed)
        everywhere(kind(model, Counting(model.base_control), ENUMERATED, significance=float(seed)))
        counts.append(len(traces))
    assert counts[0] == counts[1] == counts[2] > 0


@every_planner
def test_ties_go_to_the_base_control(kind):
    """Where all controls cost the same, sampled or not, nothing is changed."""
    model = team(SHAPE, 1)
    same = st.problems.Tabular(
        successors=jnp.zeros_like(model.successors),
        probabilities=jnp.broadcast_to(model.probabilities[0, 0], model.probabilities.shape),
        costs=jnp.broadcast_to(jnp.arange(model.costs.shape[-1] * 1.0), model.costs.shape),
        done=jnp.zeros_like(model.done),
        mask=model.mask,
        discount=0.9,
        base_control=model.base_control,
    )
    for significance in (0.0, 1.0):
        found = everywhere(kind(same, same.base_policy(), SAMPLED, significance=significance))
        assert np.array_equal(found.control, found.base_control)
        assert not np.any(found.improvement)
        assert not np.any(found.standard_error)


@every_planner
def test_an_infinite_significance_never_leaves_the_base(kind):
    model = team(SHAPE, 2)
    found = everywhere(kind(model, model.base_policy(), SAMPLED, significance=1e9))
    assert np.array_equal(found.control, np.asarray(model.base_control))


@every_planner
def test_what_is_left_behind_was_significantly_worse(kind):
    """Sampled: no decision rests on less than `significance` standard errors, unless agents choose apart."""
    model = team(SHAPE, 3)
    found = everywhere(kind(model, model.base_policy(), SAMPLED, significance=2.0))
    moved = np.any(np.asarray(found.control) != np.asarray(found.base_control), axis=1)
    if kind is st.StandardRollout:
        assert np.all(np.asarray(found.improvement)[moved] > 2 * np.asarray(found.standard_error)[moved])
    if kind not in (PLANNERS["signalling"],):
        assert np.all(np.asarray(found.improvement)[moved] > 0)
    assert not np.any(np.asarray(found.improvement)[~moved])


@every_planner
def test_decide_many_is_decide_at_each_state(kind):
    model = team(SHAPE, 4)
    planner = kind(model, model.base_policy(), SAMPLED)
    states, keys = model.states(), jax.random.split(jax.random.key(1), 9)
    many = st.decide_many(planner, states, keys)
    for i in (0, 5, 8):
        one = planner.decide(np.int32(i), keys[i])
        assert np.array_equal(one.control, many.control[i])
        np.testing.assert_allclose(one.q_factors, many.q_factors[i], rtol=1e-5)


@every_planner
def test_a_planner_that_is_called_gives_the_control_it_decides(kind):
    model = team(SHAPE, 4)
    planner = kind(model, model.base_policy(), ENUMERATED, significance=0.0)
    for i, key in enumerate(jax.random.split(jax.random.key(1), 9)):
        assert np.array_equal(planner(np.int32(i), key), planner.decide(np.int32(i), key).control)


@every_planner
def test_coupled_constraints_are_kept(kind):
    """Infeasible joint controls are never chosen, though the base policy alone is known to be feasible."""
    model = team(SHAPE, 5)
    rng = np.random.default_rng(0)
    feasible = rng.random((9, 27)) < 0.5
    index = np.asarray(model.base_control) @ JOINT
    feasible[np.arange(9), index] = True
    constrained = dataclasses.replace(model, is_feasible=jnp.asarray(feasible))
    found = everywhere(kind(constrained, constrained.base_policy(), SAMPLED, significance=0.0))
    chosen = np.asarray(found.control) @ JOINT
    assert feasible[np.arange(9), chosen].all()
    assert np.any(chosen != index)


@every_planner
def test_one_control_leaves_nothing_to_choose(kind):
    model = team((3, (1, 1, 1), 6, 0.9), 0)
    found = everywhere(kind(model, model.base_policy(), ENUMERATED))
    assert not np.any(found.control)


@pytest.mark.parametrize("order", [None, pytest.param((2, 0, 1), marks=pytest.mark.slow)])
def test_each_agents_best_estimate_is_no_larger_than_its_predecessors(order):
    """For every seed, without tolerance: the samples of the joint control so far are one of the alternatives."""
    turns = list(order or range(3))
    for seed in range(10):
        model = team(SHAPE, seed)
        found = everywhere(
            in_turn(model, model.base_policy(), SAMPLED, schedule=st.InTurn(order), significance=0.0), seed
        )
        q = np.asarray(found.q_factors)
        chosen = np.take_along_axis(q, np.asarray(found.control)[..., None], axis=2)[..., 0]
        before = np.take_along_axis(q, np.asarray(found.base_control)[..., None], axis=2)[..., 0]
        assert np.all(chosen <= before)
        # Each turn starts from the very estimate its predecessor ended with.
        assert np.array_equal(before[:, turns[1:]], chosen[:, turns[:-1]])
        np.testing.assert_allclose(found.improvement, before[:, turns[0]] - chosen[:, turns[-1]], rtol=1e-3, atol=1e-4)


def test_sampled_q_factors_are_unbiased():
    """Against exact ones; the statement is false by chance once in 10,000 runs, over all states and controls."""
    model = team((2, (2, 2), 6, 0.9), 0)
    base = st.exact.cost_to_go(model, np.asarray(model.base_control))
    q = st.exact.bellman(st.exact.tabulate(model), base)
    controls = jnp.array([[0, 0], [0, 1], [1, 0], [1, 1]], jnp.int32)
    simulation = st.Simulation(num_samples=4000, horizon=200)
    key = jax.random.key(7)
    limit = scipy.stats.norm.isf(0.5e-4 / 24)
    for s in range(6):
        samples = np.asarray(sampled(model, (model.base_policy(),), simulation, np.int32(s), controls, key), float)
        allowed = np.isfinite(q[s])
        error = samples.std(axis=1, ddof=1) / np.sqrt(4000)
        assert np.all(np.abs(samples.mean(axis=1) - q[s])[allowed] < (limit * error + 1e-3)[allowed])


def test_common_random_numbers_are_common():
    """The same control under the same key has the same samples, whatever else is in the list."""
    model = team(SHAPE, 0)
    args = (model, (model.base_policy(),), SAMPLED, np.int32(0))
    four = sampled(*args, FOUR, jax.random.key(0))
    one = sampled(*args, FOUR[1:2], jax.random.key(0))
    assert np.array_equal(four[0], four[2])
    np.testing.assert_allclose(four[1], one[0], rtol=1e-6)


def test_truncation_adds_the_terminal_cost():
    """With the base policy's own cost-to-go as terminal cost, any horizon gives the same Q-factors."""
    model = team(SHAPE, 6)
    base = st.exact.cost_to_go(model, np.asarray(model.base_control))
    value = st.exact.TableValue(model, jnp.asarray(base, jnp.float32))
    rows = []
    for horizon in (1, 2, 3):
        simulation = st.Simulation(horizon=horizon, expectation="exact", terminal_cost=value)
        rows.append(everywhere(st.StandardRollout(model, model.base_policy(), simulation)).q_factors)
    np.testing.assert_allclose(rows[1], rows[0], rtol=1e-4)
    np.testing.assert_allclose(rows[2], rows[0], rtol=1e-4)


@st.record
class Drift:
    """A cost of |x| on the integers, pushed by the control and by noise of mean zero; its nominal noise is zero."""

    discount: float = 0.9
    num_agents: int = st.static(default=1)
    num_controls: int = st.static(default=3)

    def initial_state(self, key):
        return jnp.float32(4.0)

    def control_mask(self, state):
        return jnp.ones((1, 3), bool)

    def sample_disturbance(self, key):
        return jax.random.normal(key)

    def nominal_disturbance(self):
        return jnp.float32(0.0)

    def transition(self, state, control, disturbance):
        after = state + control[0] - 1 + disturbance
        return st.Transition(after, after**2, jnp.array(False))


def stay(state, key):
    return jnp.ones(1, jnp.int32)


@pytest.mark.parametrize(("nominal_from", "noise"), [(0, 0.0), (1, 1.0), (None, 1 + 0.9 * 2)])
def test_certainty_equivalence_takes_the_noise_away_from_a_stage_on(nominal_from, noise):
    """Two stages from x with control v: (x + v)^2 (1 + a) plus the variance met, 1 in the first and 2 in the second."""
    n = 20_000
    simulation = st.Simulation(horizon=2, num_samples=n, nominal_from=nominal_from)
    if nominal_from == 1:
        noise = 1 + 0.9
    controls = jnp.arange(3, dtype=jnp.int32)[:, None]
    samples = np.asarray(sampled(Drift(), (stay,), simulation, np.float32(4.0), controls, jax.random.key(0)), float)
    truth = np.array([3.0, 4.0, 5.0]) ** 2 * 1.9 + noise
    error = samples.std(axis=1) / np.sqrt(n)
    assert np.all(np.abs(samples.mean(axis=1) - truth) <= 5.5 * error + 1e-3)
    assert (error.max() == 0) == (nominal_from == 0)


def test_the_default_number_of_samples_follows_the_model():
    found = st.StandardRollout(Drift(), stay, st.Simulation(horizon=3)).decide(jnp.float32(4.0), jax.random.key(0))
    assert np.isfinite(found.standard_error)
    assert float(found.standard_error) > 0
    one = st.StandardRollout(Drift(), stay, st.Simulation(horizon=3, num_samples=1))
    assert np.isnan(one.decide(jnp.float32(4.0), jax.random.key(0)).standard_error)


def test_many_lanes_are_taken_in_turns(monkeypatch):
    """Bounding the memory changes nothing in the answer."""
    model = team(SHAPE, 0)
    args = (model, (model.base_policy(),), SAMPLED, np.int32(0), FOUR, jax.random.key(0))
    whole = sampled(*args)
    monkeypatch.setattr("seriatim.simulation._q_samples.MAX_LANES", 12)
    # Compiled anew, whatever was compiled before.
    parts = jit(lambda *args: st.simulation.q_samples(*args))(*args)
    np.testing.assert_allclose(whole, parts, rtol=1e-6)


@pytest.mark.parametrize(
    "names", [["standard", "in turn", "signalling"], pytest.param(["shuffled"], marks=pytest.mark.slow)]
)
def test_counts_of_q_factors(names):
    model = team(SHAPE, 0)
    turns = [3 * 3, 3 * 2 + 1]
    expected = {"standard": [27, 27], "in turn": turns, "shuffled": turns, "signalling": [3 * 3, 3 * 2 + 2]}
    base = model.base_policy()
    count = {
        name: [int(n[0]) for n in (found.num_q_factors, found.num_simulations)]
        for name, found in ((name, everywhere(PLANNERS[name](model, base, SAMPLED))) for name in names)
    }
    assert [count[name] for name in names] == [expected[name] for name in names]


REFUSED = {
    "no stages": (lambda m: st.Simulation(horizon=0), "horizon=0"),
    "negative samples": (lambda m: st.Simulation(num_samples=-1), "num_samples=-1"),
    "no lookahead": (lambda m: st.Simulation(lookahead=0), "lookahead=0"),
    "horizon below lookahead": (lambda m: st.Simulation(horizon=1, lookahead=2), "horizon=1 is shorter"),
    "exact without horizon": (lambda m: st.Simulation(expectation="exact"), "needs a horizon"),
    "exact and nominal": (
        lambda m: st.Simulation(expectation="exact", horizon=1, nominal_from=0),
        "contradict each other",
    ),
    "negative significance": (
        lambda m: st.OneAtATimeRollout(m, m.base_policy(), significance=-1.0),
        r"significance=-1\.0",
    ),
    "a window of True": (lambda m: st.Speculative(window=True), "window=True: give a whole"),
    "an order that forgets an agent": (
        lambda m: st.OneAtATimeRollout(m, m.base_policy(), schedule=st.InTurn((0, 1))),
        r"order=\(0, 1\) is no order of 3 agents",
    ),
    "too many joint controls": (
        lambda m: st.StandardRollout(m, m.base_policy(), max_joint_controls=10),
        r"3\*\*3 = 27 joint controls.*one-at-a-time would compare 9",
    ),
    "nominal without a method": (
        lambda m: everywhere(st.OneAtATimeRollout(m, m.base_policy(), st.Simulation(nominal_from=0))),
        r"has no method nominal_disturbance\(\)",
    ),
    "too many outcomes": (
        lambda m: everywhere(st.OneAtATimeRollout(m, m.base_policy(), st.Simulation(horizon=30, expectation="exact"))),
        r"would enumerate \d\*\*30 = .* outcomes, more than 1,048,576",
    ),
    "fewer keys than states": (
        lambda m: st.decide_many(
            st.OneAtATimeRollout(m, m.base_policy()), m.states(), jax.random.split(jax.random.key(0), 2)
        ),
        "lengths 2, 9",
    ),
}


@pytest.mark.parametrize("planner", [st.OneAtATimeRollout, st.StandardRollout, st.SignallingRollout])
@pytest.mark.parametrize(
    ("returned", "seen"),
    [
        (jnp.zeros(2, jnp.int32), r"an array of shape \(2,\) and type int32"),
        (jnp.zeros(3), r"an array of shape \(3,\) and type float32"),
        (jnp.zeros(3, bool), r"an array of shape \(3,\) and type bool"),
        ([0, 0, 0], r"\[0, 0, 0\]"),
        (None, "None"),
    ],
)
def test_a_base_policy_that_returns_no_joint_control_is_refused(planner, returned, seen):
    model = team(SHAPE, 0)
    refuses = pytest.raises(st.InputError, match=f"The base policy returned {seen}; return a joint control")
    with refuses:
        planner(model, lambda state, key: returned).decide(model.initial_state(jax.random.key(0)), jax.random.key(1))


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_done_is_refused_in_a_sentence(case):
    attempt, sentence = REFUSED[case]
    with pytest.raises(st.InputError, match=sentence):
        attempt(team(SHAPE, 0))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"significance": "a"}, "significance=a: give the number of standard errors"),
        ({"significance": jnp.ones(3)}, "significance=.*: give the number of standard errors"),
        ({"simulation": None}, "simulation=None: give st.Simulation"),
        ({"model": type(team(SHAPE, 0))}, "model=Tabular is a class; give a model made of it"),
    ],
)
def test_what_is_of_another_type_is_refused_in_a_sentence(options, sentence, without_type_checks):
    model = team(SHAPE, 0)
    options = {"model": model, "base": model.base_policy(), **options}
    with pytest.raises(st.InputError, match=sentence):
        without_type_checks(lambda: st.OneAtATimeRollout(**options))


def test_standard_rollout_names_the_count_and_the_alternative():
    model = st.problems.SpidersAndFlies()
    with pytest.raises(st.InputError, match=r"5\*\*15 = 30,517,578,125 joint controls.*one-at-a-time would compare 75"):
        st.StandardRollout(model, model.base_policy())
    planner = st.OneAtATimeRollout(model, model.base_policy(), st.Simulation(horizon=1, num_samples=1))
    key = jax.random.key(0)
    found = jax.eval_shape(planner.decide, jax.eval_shape(model.initial_state, key), key)
    assert found.q_factors.shape == (15, 5)


def test_a_lookahead_that_nobody_could_wait_for_is_refused():
    with pytest.raises(st.InputError, match=r"lookahead=40: the work grows as .*; give at most 6"):
        st.Simulation(lookahead=40)
