"""A model that says after how many stages it ends, on purpose, is over there: every verb asks it in one place."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st
from seriatim import training
from seriatim._optional import ends_after
from seriatim._preconditions import within_problem
from seriatim.training._trajectories import Relaxed

STAGES = 3
KEY = jax.random.key(0)


@st.record
class Day:
    """A day of three hours; each costs 1 unless the agent rests. The state is the hour, and goes on counting."""

    ends_after: int | None = st.static(default=STAGES)
    num_agents, num_controls, discount = 1, 2, 1.0

    def initial_state(self, key):
        return jnp.zeros((), int)

    def control_mask(self, state):
        return jnp.ones((1, 2), bool)

    def sample_disturbance(self, key):
        return ()

    def transition(self, state, control, disturbance):
        return st.Transition(state + 1, jnp.where(control[0] == 0, 1.0, 0.0), jnp.array(False))

    def observation(self, state, control, disturbance):
        return state

    def observation_likelihood(self, observation, state, control):
        return jnp.where(observation == state, 1.0, 0.0)

    def agent_observations(self, state):
        return jnp.ones((1, 1))


def work(state, key):
    return jnp.zeros(1, int)


def test_an_episode_is_over_and_not_cut():
    found = st.compare(Day(), {"work": work}, KEY, episodes=2, horizon=10)
    estimate = found.rows["work"].estimate
    assert (estimate.mean, estimate.truncated, estimate.tail_weight, estimate.horizon) == (STAGES, 0, 0, 10)
    assert (estimate.stages == STAGES).all()
    assert "truncated" not in str(found)


def test_a_shorter_horizon_still_cuts():
    estimate = st.evaluate(Day(), work, KEY, episodes=2, horizon=2)
    assert (estimate.mean, estimate.truncated) == (2, 1)


def test_simulate_ends_there():
    path = st.simulate(Day(), work, KEY, horizon=5)
    assert (int(path.length), bool(path.terminated), float(path.cost)) == (STAGES, True, STAGES)
    assert path.controls[:, 0].tolist() == [0, 0, 0, -1, -1]


def test_planners_simulate_no_more_than_the_problem_has():
    """With discount 1 and no end, ten thousand stages would be simulated."""
    found = st.OneAtATimeRollout(Day(), work).decide(jnp.zeros((), int), KEY)
    assert found.q_factors[0].tolist() == [STAGES, STAGES - 1]


def test_trainers_play_no_further():
    model = Day()
    trainer = training.PolicyGradient(st.networks.decentralised_policy(model, KEY, hidden=(2,)), horizon=40, batch=4)
    assert trainer.horizon == STAGES
    shown = dataclasses.replace(trainer, horizon=2)
    still_on = Relaxed(jnp.zeros(2), jnp.zeros(2), jnp.zeros(2, bool))
    assert not trainer._unfinished(still_on).any()
    assert shown._unfinished(still_on).all()


@pytest.mark.slow
def test_a_trajectory_of_training_is_not_called_unfinished():
    trainer = training.PolicyGradient(st.networks.decentralised_policy(Day(), KEY, hidden=(2,)), horizon=40, batch=4)
    _, metrics = trainer.step(trainer.init(KEY))
    assert metrics["unfinished"] == 0


def test_problems_made_of_it_end_with_it():
    filter = st.beliefs.ParticleFilter(Day(), num_particles=2)
    for problem in (st.beliefs.BeliefModel(Day(), filter), st.beliefs.HiddenModel(Day(), filter)):
        assert ends_after(problem) == STAGES
    assert ends_after(st.FiniteHorizon(Day(), 7)) is None  # it ends by its own count
    assert within_problem(st.FiniteHorizon(Day(), 7), 400) == 400


def test_exact_solutions_take_its_stages():
    problem = st.exact.Tables(np.array([[1.0, 2.0]]), np.ones((1, 2, 1)), 1.0)
    object.__setattr__(problem, "ends_after", STAGES)
    assert st.exact.finite_horizon(problem).cost_to_go.tolist() == [[3], [2], [1], [0]]
    assert st.exact.finite_horizon_cost(problem, np.ones((1, 1), int)).tolist() == [[6], [4], [2], [0]]


@pytest.mark.parametrize("wrong", [0, -1, 2.5, True, "120"])
def test_what_is_no_number_of_stages_is_refused_at_every_door(wrong):
    model, sentence = Day(wrong), r"Day.ends_after is .*; give the number of stages after which the problem ends"
    doors = (
        lambda: st.evaluate(model, work, KEY),
        lambda: st.simulate(model, work, KEY),
        lambda: st.OneAtATimeRollout(model, work),
    )
    for door in doors:
        with pytest.raises(st.InputError, match=sentence):
            door()
