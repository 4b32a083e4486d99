"""Signalling: equal to one at a time when the signal is perfect, without any guarantee when it is not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from test_guarantee import everywhere, exact, team

import seriatim as st

SHAPE = (3, (2, 3, 2), 9, 0.9)


@st.record
class Table:
    """A policy read from a table `[s, m]`."""

    control: jax.Array

    def __call__(self, state, key):
        return self.control[state]


@pytest.mark.parametrize("order", [(2, 0, 1), pytest.param(None, marks=pytest.mark.slow)])
def test_a_perfect_signal_is_one_at_a_time(order):
    for seed in range(10):
        model = team(SHAPE, seed)
        simulation = exact(model, st.exact.cost_to_go(model, np.asarray(model.base_control)))
        base = model.base_policy()
        in_turn = everywhere(st.OneAtATimeRollout(model, base, simulation, 0.0, st.Speculative(order)))
        signal = Table(in_turn.control)
        at_once = everywhere(st.SignallingRollout(model, base, signal, simulation, order=order, significance=0.0))
        assert np.array_equal(in_turn.control, at_once.control)
        np.testing.assert_allclose(in_turn.q_factors, at_once.q_factors, rtol=1e-5)
        np.testing.assert_allclose(in_turn.improvement, at_once.improvement, rtol=1e-4, atol=1e-4)


def test_a_planner_may_be_the_signal():
    model = team(SHAPE, 3)
    simulation = exact(model, st.exact.cost_to_go(model, np.asarray(model.base_control)))
    in_turn = st.OneAtATimeRollout(model, model.base_policy(), simulation, significance=0.0)
    at_once = st.SignallingRollout(model, model.base_policy(), in_turn, simulation, significance=0.0)
    assert np.array_equal(everywhere(in_turn).control, everywhere(at_once).control)


@pytest.mark.parametrize("guess", ["base", "other"])
def test_decisions_are_those_of_the_plain_planner(guess):
    for seed in range(10):
        model = team(SHAPE, seed)
        m, c = model.num_agents, model.num_controls
        base_control = np.asarray(model.base_control)
        base_cost = st.exact.cost_to_go(model, base_control)
        other = np.asarray(jnp.argmax(model.mask, axis=-1))
        signal = None if guess == "base" else Table(jnp.asarray(other, jnp.int32))
        planner = st.SignallingRollout(
            model, model.base_policy(), signal, exact(model, base_cost), order=(1, 2, 0), significance=0.0
        )
        found = everywhere(planner)
        q = st.exact.bellman(st.exact.tabulate(model), base_cost)
        for s, base in enumerate(base_control.tolist()):
            row = reference.table(q[s], m, c)
            told = base if guess == "base" else other[s].tolist()
            chosen = tuple(np.asarray(found.control[s]).tolist())
            assert chosen in {
                reference.signalling(row, tuple(base), tuple(told), (1, 2, 0), c, rounding)
                for rounding in (reference.SURE, reference.UNSURE)
            }
            # The certificate is of the joint control they arrive at, and may be negative.
            np.testing.assert_allclose(
                float(found.improvement[s]), row[tuple(base)] - row[chosen], rtol=1e-3, atol=1e-3
            )


def test_improving_alone_at_the_same_time_can_be_worse_than_the_base():
    """Bertsekas 2021: cost 0 where two agents differ, 1 at (0, 0), 2 at (1, 1); base (0, 0)."""
    model = one_stage({(0, 0): 1.0, (0, 1): 0.0, (1, 0): 0.0, (1, 1): 2.0})
    at_once = decide(st.SignallingRollout, model)
    assert at_once.control.tolist() == [1, 1]
    assert float(at_once.improvement) < 0
    in_turn = decide(st.OneAtATimeRollout, model, schedule=st.InTurn())
    assert sorted(in_turn.control.tolist()) == [0, 1]


# Bertsekas 2021: cost 2 where two agents differ, 1 at (0, 0), 0 at (1, 1): (0, 0) is agent-by-agent optimal.
AGREE = {(0, 0): 1.0, (0, 1): 2.0, (1, 0): 2.0, (1, 1): 0.0}


def test_standard_rollout_leaves_what_is_agent_by_agent_optimal_for_what_is_optimal():
    assert decide(st.StandardRollout, one_stage(AGREE)).control.tolist() == [1, 1]


@pytest.mark.parametrize(
    "order", [None, (1, 0), *(pytest.param(name, marks=pytest.mark.slow) for name in ("random", "optimised"))]
)
def test_in_no_order_one_agent_alone_leaves_an_agent_by_agent_optimal_control(order):
    schedule = st.BestFirst() if order == "optimised" else st.InTurn(order)
    found = decide(st.OneAtATimeRollout, one_stage(AGREE), schedule=schedule)
    assert found.control.tolist() == [0, 0]


@st.record
class Static:
    """A static team: one state, repeated for ever at discount 0.9, with a cost for each joint control."""

    table: jax.Array
    discount: float = 0.9
    num_agents: int = st.static(default=2)
    num_controls: int = st.static(default=2)

    def initial_state(self, key):
        return jnp.zeros((), jnp.int32)

    def control_mask(self, state):
        return jnp.ones((2, 2), bool)

    def sample_disturbance(self, key):
        return ()

    def transition(self, state, control, disturbance):
        return st.Transition(state, self.table[control[0], control[1]], jnp.array(False))


def one_stage(costs):
    return Static(jnp.array([[costs[u, v] for v in (0, 1)] for u in (0, 1)]))


def nought(state, key):
    return jnp.zeros(2, jnp.int32)


def decide(kind, model, **options):
    planner = kind(model, nought, **options)
    return planner.decide(jnp.zeros((), jnp.int32), jax.random.key(0))
