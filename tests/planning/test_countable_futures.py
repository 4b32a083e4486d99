"""A decision counts its futures in 32 bits; one that would have more is refused, or guesses less far ahead.

Python's whole numbers, which do not wrap, say how many futures there can be.
"""

import jax
import jax.numpy as jnp
import pytest

import seriatim as st
from seriatim.planning._decision import MOST_FUTURES


@st.record
class Team:
    """Agents with so many controls; nothing is ever simulated here."""

    num_agents: int = st.static()
    num_controls: int = st.static(default=5)
    discount = 0.9

    def initial_state(self, key):
        return jnp.zeros(())

    def control_mask(self, state):
        return jnp.ones((self.num_agents, self.num_controls), bool)

    def sample_disturbance(self, key):
        return ()

    def transition(self, state, control, disturbance):
        return st.Transition(state, state, jnp.array(False))


def base(state, key):
    return jnp.zeros(60, int)


def most(num_agents, order):
    turns = num_agents * (num_agents + 1) // 2 if order == "optimised" else num_agents
    return 1 + 4 * turns


@pytest.mark.parametrize("order", [None, "optimised"])
def test_the_last_number_of_samples_that_can_be_counted(order):
    team = Team(60)
    fits = MOST_FUTURES // most(60, order)
    schedule = st.BestFirst() if order == "optimised" else st.InTurn(order)
    st.OneAtATimeRollout(team, base, st.Simulation(num_samples=fits), schedule=schedule)
    with pytest.raises(st.InputError, match=rf"num_samples={fits + 1:,}.* futures.*give at most {fits:,} samples"):
        st.OneAtATimeRollout(team, base, st.Simulation(num_samples=fits + 1), schedule=schedule)


def test_other_planners():
    many = st.Simulation(num_samples=10**7)
    with pytest.raises(st.InputError, match=r"futures of one decision, and at most 2,147,483,647 can be counted"):
        st.SignallingRollout(Team(60), base, simulation=many)
    with pytest.raises(st.InputError, match=r"up to 626 joint controls make 6,260,000,000 futures"):
        st.StandardRollout(Team(4), base, many)


def test_exact_expectations_have_one_future_each():
    st.OneAtATimeRollout(Team(60), base, st.Simulation(horizon=1, expectation="exact", num_samples=10**7))


@pytest.mark.parametrize("samples", [1, 1000, 30_000, 100_000, 8_000_000])
@pytest.mark.parametrize("window", [60, 7])
def test_with_every_guess_wrong_all_futures_are_counted(samples, window):
    planner = st.OneAtATimeRollout(
        Team(60), base, st.Simulation(num_samples=samples), schedule=st.Speculative(window=window)
    )
    used = planner.schedule._window(planner._situation(None, jax.random.key(0)))
    futures = samples * (1 + 4 * sum(min(used, 60 - final) for final in range(60)))
    assert 1 <= used <= window
    assert futures <= MOST_FUTURES
    if samples <= 1000:
        assert used == window
