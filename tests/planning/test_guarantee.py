"""The theorem the library stands on, checked at every state of random finite teams, with exact Q-factors.

    J*(x) <= J_one-at-a-time(x) <= J_base(x),   in every order; J*(x) <= J_standard(x) <= J_base(x).

The planners are compiled ones at work; what they decide at each state is evaluated exactly. Their decisions are also
compared with planners written a second time in plain Python.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference

import seriatim as st
from seriatim._compile import jit

# (agents, controls of each agent, states, discount): different numbers of controls become masks.
SHAPES = [
    (2, (2, 3), 12, 0.5),
    (3, (2, 3, 2), 9, 1.0),
    (2, (4, 3), 10, 0.95),
    (3, (3, 3, 3), 8, 0.9),
    (4, (2, 2, 1, 2), 7, 1.0),
]
MODELS_OF_EACH_SHAPE = 41
TOLERANCE = 1e-4


def some_fast(cases, fast):
    """The first cases, and the rest where slow tests run."""
    return [*cases[:fast], *(pytest.param(case, marks=pytest.mark.slow) for case in cases[fast:])]


def team(shape, seed):
    agents, controls, states, discount = shape
    return st.problems.random_team(
        seed, states=states, agents=agents, controls=controls, successors=3, discount=discount, termination=0.1
    )


def exact(model, cost_to_go):
    """One stage enumerated, then the base policy's exact cost-to-go: exact Q-factors."""
    value = st.exact.TableValue(model, jnp.asarray(cost_to_go, jnp.float32))
    return st.Simulation(horizon=1, expectation="exact", terminal_cost=value)


def everywhere(planner, seed=0):
    states = planner.model.states()
    return st.decide_many(planner, states, jax.random.split(jax.random.key(seed), len(states)))


PLANNERS = {
    "standard": lambda model, simulation: st.StandardRollout(model, model.base_policy(), simulation, significance=0.0),
    "in turn": lambda model, simulation: st.OneAtATimeRollout(model, model.base_policy(), simulation, significance=0.0),
    "reversed": lambda model, simulation: st.OneAtATimeRollout(
        model,
        model.base_policy(),
        simulation,
        schedule=st.Speculative(tuple(range(model.num_agents))[::-1]),
        significance=0.0,
    ),
    "random": lambda model, simulation: st.OneAtATimeRollout(
        model, model.base_policy(), simulation, schedule=st.Speculative("random"), significance=0.0
    ),
    "optimised": lambda model, simulation: st.OneAtATimeRollout(
        model, model.base_policy(), simulation, schedule=st.BestFirst(), significance=0.0
    ),
}


@functools.cache
def solved(shape):
    """Every model of a shape, with what the base policy costs, and the best one: exactly."""
    models = [team(shape, seed) for seed in range(MODELS_OF_EACH_SHAPE)]
    tables = [st.exact.tabulate(model) for model in models]
    bases = [np.asarray(model.base_control) for model in models]
    base = [st.exact.cost_to_go(t, control) for t, control in zip(tables, bases, strict=True)]
    best = [st.exact.policy_iteration(t, initial=control).cost_to_go for t, control in zip(tables, bases, strict=True)]
    return models, tables, base, best


def stacked(records):
    return jax.tree.map(lambda *leaves: np.stack(leaves), *records)


@jit
def decided_everywhere(planners, keys):
    """What each of several planners decides at every state of its model: one program for all."""
    return jax.vmap(lambda planner, keys: jax.vmap(planner.decide)(planner.model.states(), keys))(planners, keys)


def decided_by(planners):
    keys = [jax.random.split(jax.random.key(seed), len(p.model.states())) for seed, p in enumerate(planners)]
    found = decided_everywhere(stacked(planners), jnp.stack(keys))
    return jax.tree.map(np.asarray, found)


@functools.cache
def decided(shape, name):
    """Decide at all states of all models of a shape."""
    models, _, base, _ = solved(shape)
    return decided_by([PLANNERS[name](model, exact(model, cost)) for model, cost in zip(models, base, strict=True)])


@pytest.mark.parametrize("name", PLANNERS)
@pytest.mark.parametrize("shape", some_fast(SHAPES, 2), ids=str)
def test_no_state_is_worse_than_under_the_base_policy(shape, name):
    strictly_better = 0
    for tables, base, best, control in zip(*solved(shape)[1:], decided(shape, name).control, strict=True):
        slack = TOLERANCE * (1 + np.abs(base))
        cost = st.exact.cost_to_go(tables, control)
        assert np.all(best <= cost + slack)
        assert np.all(cost <= base + slack)
        strictly_better += bool(np.any(cost < base - slack))
    # The inequality would hold of planners that do nothing; these do something nearly always.
    assert strictly_better > 0.8 * MODELS_OF_EACH_SHAPE


@pytest.mark.parametrize("shape", some_fast(SHAPES, 2), ids=str)
def test_decisions_are_those_of_the_plain_planners(shape):
    models, every_tables, base_costs, _ = solved(shape)
    found = {name: decided(shape, name) for name in PLANNERS if name != "random"}
    for seed in range(8):
        model = models[seed]
        m, c = model.num_agents, model.num_controls
        q = st.exact.bellman(every_tables[seed], base_costs[seed])
        np.testing.assert_allclose(found["standard"].q_factors[seed], q, rtol=1e-4, atol=1e-4)
        for s, base in enumerate(np.asarray(model.base_control).tolist()):
            row, base = reference.table(q[s], m, c), tuple(base)
            plain = {
                "standard": reference.standard(row, base),
                "in turn": reference.one_at_a_time(row, base, range(m), c),
                "reversed": reference.one_at_a_time(row, base, range(m)[::-1], c),
                "optimised": reference.optimised(row, base, c),
            }
            for name, expected in plain.items():
                control = tuple(found[name].control[seed, s].tolist())
                # Where two controls cost the same to rounding, either may be chosen.
                assert control == expected or abs(row[control] - row[expected]) < TOLERANCE * (1 + abs(row[expected]))


@pytest.mark.parametrize("shape", some_fast(SHAPES[:3], 1), ids=str)
def test_a_planner_on_a_planner_improves_again(shape):
    """Planners nest: rollout on rollout, with exact Q-factors for each, is no worse than rollout."""
    models, every_tables, base_costs, _ = (part[:10] for part in solved(shape))
    controls = decided(shape, "in turn").control
    costs = [st.exact.cost_to_go(tables, u) for tables, u in zip(every_tables, controls[:10], strict=True)]
    once = [PLANNERS["in turn"](model, exact(model, base)) for model, base in zip(models, base_costs, strict=True)]
    twice = decided_by(
        [
            st.OneAtATimeRollout(first.model, first, exact(first.model, cost), significance=0.0)
            for first, cost in zip(once, costs, strict=True)
        ]
    )
    for tables, first, control in zip(every_tables, costs, twice.control, strict=True):
        second = st.exact.cost_to_go(tables, control)
        assert np.all(second <= first + TOLERANCE * (1 + np.abs(first)))


ONE_AGENT = (1, (4,), 10, 0.9)


@functools.cache
def of_one_agent(kind):
    """Decide at two states of each of ten models."""
    found = []
    for seed in range(10):
        model = team(ONE_AGENT, seed)
        planner = kind(model, model.base_policy(), simulation=st.Simulation(num_samples=5, horizon=8))
        found += [planner.decide(np.int32(state), jax.random.key(seed)) for state in (seed, 9 - seed)]
    return found


@pytest.mark.parametrize("kind", [st.OneAtATimeRollout, st.SignallingRollout])
def test_with_one_agent_all_planners_coincide(kind):
    """Under one key, sample by sample: they compare the same controls under the same disturbances."""
    for standard, other in zip(of_one_agent(st.StandardRollout), of_one_agent(kind), strict=True):
        assert np.array_equal(standard.control, other.control)
        np.testing.assert_allclose(standard.q_factors, other.q_factors[0], rtol=1e-5)
        np.testing.assert_allclose(standard.improvement, other.improvement, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", some_fast([SHAPES[0], SHAPES[3]], 1), ids=str)
@pytest.mark.parametrize("lookahead", [1, 2, 3])
def test_multistep_lookahead_is_the_bellman_operator_repeated(shape, lookahead):
    """With exact expectations, standard rollout with lookahead l minimises over l stages: T^l of the terminal cost."""
    model = team((2, (2, 3), 6, 0.9) if lookahead == 3 else shape, 1)
    tables = st.exact.tabulate(model)
    terminal = np.linspace(0.0, 30.0, len(model.states()))
    cost = terminal
    for _ in range(lookahead - 1):
        cost = st.exact.bellman(tables, cost).min(axis=1)
    value = st.exact.TableValue(model, jnp.asarray(terminal, jnp.float32))
    simulation = st.Simulation(horizon=lookahead, lookahead=lookahead, expectation="exact", terminal_cost=value)
    found = everywhere(st.StandardRollout(model, model.base_policy(), simulation, significance=0.0))
    np.testing.assert_allclose(found.q_factors, st.exact.bellman(tables, cost), rtol=1e-4)


def test_longer_lookahead_with_exact_values_is_no_worse_than_the_base():
    models = [team((2, (2, 3), 6, 0.9), seed) for seed in range(5)]
    bases = [st.exact.cost_to_go(model, np.asarray(model.base_control)) for model in models]
    planners = []
    for model, base in zip(models, bases, strict=True):
        value = st.exact.TableValue(model, jnp.asarray(base, jnp.float32))
        simulation = st.Simulation(horizon=2, lookahead=2, expectation="exact", terminal_cost=value)
        planners += [st.OneAtATimeRollout(model, model.base_policy(), simulation, significance=0.0)]
    for model, base, control in zip(models, bases, decided_by(planners).control, strict=True):
        cost = st.exact.cost_to_go(model, control)
        assert np.all(cost <= base + TOLERANCE * (1 + np.abs(base)))
