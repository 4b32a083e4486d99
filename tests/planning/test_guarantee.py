"""The theorem the library stands on, checked at every state of random finite teams, with exact Q-factors.

    J*(x) <= J_one-at-a-time(x) <= J_base(x),   in every order; J*(x) <= J_standard(x) <= J_base(x).

The planners are compiled ones at work; what they decide at each state is evaluated exactly. Their decisions are also
compared with planners written a second time in plain Python.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference

import seriatim as st

# (agents, controls of each agent, states, discount): different numbers of controls become masks.
SHAPES = [
    (2, (2, 3), 12, 0.5),
    (2, (4, 3), 10, 0.95),
    (3, (2, 3, 2), 9, 1.0),
    (3, (3, 3, 3), 8, 0.9),
    (4, (2, 2, 1, 2), 7, 1.0),
]
MODELS_OF_EACH_SHAPE = 41
TOLERANCE = 1e-4


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


def planners(model, simulation):
    base = model.base_policy()
    reverse = tuple(range(model.num_agents))[::-1]
    return {
        "standard": st.StandardRollout(model, base, simulation, significance=0.0),
        "in turn": st.OneAtATimeRollout(model, base, simulation, significance=0.0),
        "reversed": st.OneAtATimeRollout(model, base, simulation, order=reverse, significance=0.0),
        "random": st.OneAtATimeRollout(model, base, simulation, order="random", significance=0.0),
        "optimised": st.OneAtATimeRollout(model, base, simulation, order="optimised", significance=0.0),
    }


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_no_state_is_worse_than_under_the_base_policy(shape):
    strictly_better = 0
    for seed in range(MODELS_OF_EACH_SHAPE):
        model = team(shape, seed)
        tables = st.exact.tabulate(model)
        base = st.exact.cost_to_go(model, np.asarray(model.base_control))
        best = st.exact.policy_iteration(tables, initial=np.asarray(model.base_control)).cost_to_go
        slack = TOLERANCE * (1 + np.abs(base))
        for name, planner in planners(model, exact(model, base)).items():
            cost = st.exact.cost_to_go(tables, np.asarray(everywhere(planner, seed).control))
            assert np.all(best <= cost + slack), name
            assert np.all(cost <= base + slack), name
            strictly_better += bool(np.any(cost < base - slack))
    # The inequality would hold of planners that do nothing; these do something nearly always.
    assert strictly_better > 4 * MODELS_OF_EACH_SHAPE


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_decisions_are_those_of_the_plain_planners(shape):
    for seed in range(8):
        model = team(shape, seed)
        m, c = model.num_agents, model.num_controls
        tables = st.exact.tabulate(model)
        base_cost = st.exact.cost_to_go(model, np.asarray(model.base_control))
        q = st.exact.bellman(tables, base_cost)
        found = {name: everywhere(p) for name, p in planners(model, exact(model, base_cost)).items()}
        np.testing.assert_allclose(found["standard"].q_factors, q, rtol=1e-4, atol=1e-4)
        for s, base in enumerate(np.asarray(model.base_control).tolist()):
            row, base = reference.table(q[s], m, c), tuple(base)
            plain = {
                "standard": reference.standard(row, base),
                "in turn": reference.one_at_a_time(row, base, range(m), c),
                "reversed": reference.one_at_a_time(row, base, range(m)[::-1], c),
                "optimised": reference.optimised(row, base, c),
            }
            for name, expected in plain.items():
                control = tuple(np.asarray(found[name].control[s]).tolist())
                # Where two controls cost the same to rounding, either may be chosen.
                assert control == expected or abs(row[control] - row[expected]) < TOLERANCE * (1 + abs(row[expected]))


@pytest.mark.parametrize("shape", SHAPES[:3], ids=str)
def test_a_planner_on_a_planner_improves_again(shape):
    """Planners nest: rollout on rollout, with exact Q-factors for each, is no worse than rollout."""
    for seed in range(10):
        model = team(shape, seed)
        base = st.exact.cost_to_go(model, np.asarray(model.base_control))
        once = st.OneAtATimeRollout(model, model.base_policy(), exact(model, base), significance=0.0)
        first = st.exact.cost_to_go(model, np.asarray(everywhere(once).control))
        twice = st.OneAtATimeRollout(model, once, exact(model, first), significance=0.0)
        second = st.exact.cost_to_go(model, np.asarray(everywhere(twice).control))
        assert np.all(second <= first + TOLERANCE * (1 + np.abs(first)))


def test_with_one_agent_all_planners_coincide():
    """Under one key, sample by sample: they compare the same controls under the same disturbances."""
    for seed in range(10):
        model = team((1, (4,), 10, 0.9), seed)
        base = model.base_policy()
        simulation = st.Simulation(num_samples=5, horizon=8)
        chosen = [
            everywhere(kind(model, base, simulation=simulation), seed)
            for kind in (st.StandardRollout, st.OneAtATimeRollout, st.SignallingRollout)
        ]
        for other in chosen[1:]:
            assert np.array_equal(chosen[0].control, other.control)
            np.testing.assert_allclose(chosen[0].q_factors, other.q_factors[:, 0], rtol=1e-5)
            np.testing.assert_allclose(chosen[0].improvement, other.improvement, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [SHAPES[0], SHAPES[3]], ids=str)
def test_multistep_lookahead_is_the_bellman_operator_repeated(shape):
    """With exact expectations, standard rollout with lookahead l minimises over l stages: T^l of the terminal cost."""
    for lookahead in (1, 2, 3):
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
    for seed in range(5):
        model = team((2, (2, 3), 6, 0.9), seed)
        base = st.exact.cost_to_go(model, np.asarray(model.base_control))
        value = st.exact.TableValue(model, jnp.asarray(base, jnp.float32))
        simulation = st.Simulation(horizon=2, lookahead=2, expectation="exact", terminal_cost=value)
        planner = st.OneAtATimeRollout(model, model.base_policy(), simulation, significance=0.0)
        cost = st.exact.cost_to_go(model, np.asarray(everywhere(planner).control))
        assert np.all(cost <= base + TOLERANCE * (1 + np.abs(base)))
