"""The time left as part of the state: planners that know it, methods that are passed on, and policies taken over."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st

RUN, REPAIR = 0, 1
GOOD, BAD = 0, 1


@pytest.fixture(scope="module")
def machine():
    """To run pays 1 where the machine is good; to repair costs 3 and makes it good. It never ends, and starts bad."""
    return st.problems.Tabular(
        successors=np.array([[[GOOD], [GOOD]], [[BAD], [GOOD]]]),
        probabilities=np.ones((2, 2, 1)),
        costs=np.array([[-1.0, 3.0], [0.0, 3.0]]),
        mask=np.ones((2, 1, 2), bool),
        discount=1.0,
        initial=np.array([0.0, 1.0]),
        base_control=np.array([[RUN], [RUN]]),
    )


def test_rollout_that_knows_the_time_is_not_worse_than_its_base(machine):
    """With three stages left a repair costs more than it pays; ten stages ahead, it would pay."""
    problem, key = st.FiniteHorizon(machine, 10), jax.random.key(0)
    knowing = st.OneAtATimeRollout(problem, problem.base_policy(), st.Simulation(num_samples=1))
    for left, q_factors in ((3, [0, 1]), (10, [0, -6])):
        decision = knowing.decide(timed(BAD, left), key)
        assert decision.q_factors.tolist() == [q_factors]
        assert decision.control[0] == (RUN if left == 3 else REPAIR)
        best = st.exact.finite_horizon(machine, left).cost_to_go[0, BAD]
        assert float(decision.q_factors.min()) == best


def test_an_episode_that_ends_by_the_clock_is_not_cut(machine):
    day = st.FiniteHorizon(machine, 3)
    found = st.evaluate(day, day.base_policy(), jax.random.key(0), episodes=2, horizon=400)
    assert (found.truncated, found.tail_weight, found.stages.tolist()) == (0, 0, [3, 3])


def timed(state, left):
    return st.TimedState(jnp.int32(state), jnp.int32(left))


def test_the_last_stage_ends_the_problem_and_costs_what_is_left_of_it(machine):
    problem = st.FiniteHorizon(machine, 3, final_cost=lambda x: 10.0 + x)
    control, noise = jnp.array([RUN]), jnp.float32(0.5)
    for left, cost, done in ((2, 0, False), (1, 11, True)):
        after = problem.transition(timed(BAD, left), control, noise)
        assert (float(after.cost), bool(after.done), int(after.state.left)) == (cost, done, left - 1)
        listed, probability = problem.outcomes(timed(BAD, left), control)
        assert (listed.cost.tolist(), listed.done.tolist(), probability.tolist()) == ([cost], [done], [1])


def test_states_are_numbered_from_the_start(machine):
    problem = st.FiniteHorizon(machine, 3)
    every = problem.states()
    assert every.left.tolist() == [3, 3, 2, 2, 1, 1]
    assert jax.vmap(problem.index)(every).tolist() == [0, 1, 2, 3, 4, 5]
    assert int(problem.index(problem.initial_state(jax.random.key(0)))) == BAD
    assert problem.initial_distribution().tolist() == [0, 1, 0, 0, 0, 0]


def test_optional_methods_are_there_if_the_model_has_them(machine):
    problem = st.FiniteHorizon(machine, 3)
    for name in ("feasible", "features", "states", "index", "outcomes", "base_policy"):
        assert hasattr(problem, name)
    for name in ("text", "draw", "observation", "relaxed_transition", "agent_observations", "nominal_disturbance"):
        assert not hasattr(problem, name)
    assert problem.features(timed(BAD, 2), jnp.int32(0)).tolist() == [0, 1, 1]
    everything = {
        "text": lambda x: f"state {x}",
        "observation": lambda x, u, w: (x, u, w),
        "observation_likelihood": lambda o, x, u: (o, x, u),
        "nominal_disturbance": lambda: 0.5,
        "relaxed_state": lambda x: x + 10,
        "relaxed_transition": lambda x, u, w: st.Transition(x, 1.0, False),
        "belief_model": lambda: machine,
        "lanes_last": True,
    }
    needed = ("num_agents", "num_controls", "initial_state", "control_mask", "sample_disturbance", "transition")
    whole = st.FiniteHorizon(
        types.SimpleNamespace(discount=1.0, **everything, **dict.fromkeys(needed, lambda *_: None)), 3
    )
    at = timed(BAD, 2)
    assert whole.text(at) == f"state {at.state}"
    assert whole.observation(at, 1, 2) == (at.state, 1, 2)
    assert whole.observation_likelihood(3, at, 1) == (3, at.state, 1)
    assert (whole.nominal_disturbance(), whole.lanes_last) == (0.5, True)
    assert int(whole.relaxed_state(at).state) == 11
    assert [bool(whole.relaxed_transition(timed(BAD, n), 0, 0).done) for n in (2, 1)] == [False, True]
    assert whole.belief_model().stages == 3
    costly = st.FiniteHorizon(whole.model, 3, final_cost=lambda x: 1.0)
    assert not any(hasattr(costly, name) for name in ("relaxed_state", "relaxed_transition", "belief_model"))


def test_policies_planners_and_values_of_states_are_taken_over(machine):
    base, key = machine.base_policy(), jax.random.key(0)
    assert st.at_any_time(base)(timed(BAD, 1), key).tolist() == [RUN]
    planner = st.at_any_time(st.OneAtATimeRollout(machine, base))
    assert isinstance(planner, st.Planner)
    assert planner.base(timed(BAD, 1), key).tolist() == [RUN]
    assert st.at_any_time(lambda x: 2.0 * x)(timed(BAD, 1)) == 2


def test_beliefs_are_handed_over_with_the_time(machine):
    told = []
    policy = st.beliefs.on_belief(lambda info, key: told.append(info) or jnp.zeros(1, jnp.int32))
    hidden = st.beliefs.HiddenState(jnp.int32(0), jnp.array([0.5, 0.5]))
    policy(st.TimedState(hidden, jnp.int32(2)), jax.random.key(0))
    policy(hidden, jax.random.key(0))
    assert (told[0].state is hidden.belief, int(told[0].left)) == (True, 2)
    assert told[1] is hidden.belief


MISTAKES = {
    "stages=0: give the number of stages": {"stages": 0},
    "stages=2.5: give": {"stages": 2.5},
    "model=<class 'seriatim.problems._tabular.Tabular'> is no model": {"model": st.problems.Tabular},
    "final_cost=3 cannot be called": {"final_cost": 3},
}


@pytest.mark.parametrize("sentence", MISTAKES)
def test_a_mistake_is_one_clear_sentence(machine, sentence, without_type_checks):
    given = {"model": machine, "stages": 3} | MISTAKES[sentence]
    with pytest.raises(st.InputError) as caught:
        without_type_checks(lambda: st.FiniteHorizon(**given))
    assert str(caught.value).startswith(sentence)


@pytest.mark.slow
def test_it_keeps_the_laws_of_models(machine):
    st.check_model(st.FiniteHorizon(machine, 3)).raise_if_broken()
    hunt = st.problems.SpidersAndFlies(width=4, height=4, spiders=2, flies=2)
    st.check_model(st.FiniteHorizon(hunt, 5), quick=True).raise_if_broken()
