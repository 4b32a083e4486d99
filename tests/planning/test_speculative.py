"""Speculation gives the answer of taking turns, bit for bit, whatever is guessed; only the work differs."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st

# So many samples that they are sorted and cut into blocks.
SAMPLED = st.Simulation(horizon=8, num_samples=16)
MODELS = {
    "team": (lambda: st.problems.random_team(1, states=8, agents=4, controls=(2, 3, 3, 1), discount=0.9), SAMPLED),
    "constrained": (
        lambda: st.problems.random_team(2, states=6, agents=3, controls=3, discount=0.9, infeasible=0.4),
        SAMPLED,
    ),
    "spiders": (
        lambda: st.problems.SpidersAndFlies(spiders=6, flies=5, width=7, height=7, collisions=False),
        st.Simulation(horizon=30),
    ),
    "wandering": (
        lambda: st.problems.SpidersAndFlies(spiders=4, flies=3, width=6, height=6, fly_behaviour="wander"),
        SAMPLED,
    ),
}
EQUAL = ("control", "base_control", "q_factors", "improvement", "standard_error", "num_q_factors")


@st.record
class Stubborn:
    """A guess that is nearly always wrong, and often not admissible."""

    agents: int = st.static()
    controls: int = st.static()

    def __call__(self, info, key):
        return jax.random.randint(key, (self.agents,), 0, self.controls, jnp.int32)


@st.record
class Clairvoyant:
    """The guess that is right: what the planner itself decides under the same key."""

    planner: st.OneAtATimeRollout
    key: jax.Array

    def __call__(self, info, key):
        return self.planner.decide(info, self.key).control


def sequential(name, order=None):
    make, simulation = MODELS[name]
    model = make()
    return st.OneAtATimeRollout(model, model.base_policy(), simulation, schedule=st.InTurn(order))


def same(one, other):
    return all(np.array_equal(getattr(one, field), getattr(other, field), equal_nan=True) for field in EQUAL)


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize(("window", "guess"), [(None, "base"), (2, "wrong")])
@pytest.mark.parametrize("name", ["team", slow("constrained"), slow("spiders"), slow("wandering")])
def test_speculation_is_taking_turns_bit_for_bit(name, window, guess):
    turns = sequential(name, order="random")
    m, c = turns.model.num_agents, turns.model.num_controls
    policy = None if guess == "base" else Stubborn(m, c)
    guessed = dataclasses.replace(turns, schedule=st.Speculative("random", policy, window or m))
    for seed in range(6):
        key = jax.random.key(seed)
        state = turns.model.initial_state(key)
        expected, found = turns.decide(state, key), guessed.decide(state, key)
        assert same(found, expected), seed
        # Turns of agents that have no choice are not simulated.
        assert expected.num_passes <= m + 1
        assert found.num_passes <= m + 1
        assert expected.num_simulations <= m * (c - 1) + 1
        assert found.num_simulations >= expected.num_simulations


@pytest.mark.parametrize("name", [slow("team"), slow("constrained"), "spiders", slow("wandering")])
def test_a_right_guess_takes_one_pass_and_wastes_nothing(name):
    turns = sequential(name)
    m, c = turns.model.num_agents, turns.model.num_controls
    key = jax.random.key(3)
    state = turns.model.initial_state(key)
    guessed = dataclasses.replace(turns, schedule=st.Speculative(guess=Clairvoyant(turns, key), window=m))
    found = guessed.decide(state, key)
    assert same(found, turns.decide(state, key))
    # One for the base control, which every order starts from, and one for all turns.
    assert found.num_passes == 2
    assert found.num_simulations == m * (c - 1) + 1


@pytest.mark.slow
def test_many_states_at_once_are_decided_alike():
    turns = sequential("wandering")
    keys = jax.random.split(jax.random.key(0), 5)
    states = jax.vmap(turns.model.initial_state)(keys)
    found = st.decide_many(dataclasses.replace(turns, schedule=st.Speculative(window=99)), states, keys)
    assert same(found, st.decide_many(turns, states, keys))


@pytest.mark.parametrize(
    ("schedule", "sentence"),
    [
        (lambda: "parallel", r"schedule='parallel': give InTurn\(...\), Speculative\(...\) or BestFirst\(...\)"),
        (lambda: st.Speculative(window=0), "window=0: give a whole number of turns from 1 up"),
        (lambda: st.Speculative(window=2.5), "window=2.5: give a whole number of turns from 1 up"),
        (lambda: st.Speculative(guess=3), "guess=3 cannot be called"),
        (lambda: st.Speculative("optimised"), "order='optimised' is no order of 4 agents"),
    ],
)
def test_mistakes_are_refused(schedule, sentence, without_type_checks):
    with pytest.raises(st.InputError, match=sentence):
        without_type_checks(lambda: dataclasses.replace(sequential("team"), schedule=schedule()))


@pytest.mark.parametrize(("said", "seen"), [(None, "None"), ([0], r"an array of shape \(1,\)")])
def test_guesses_for_other_than_all_agents_are_refused(said, seen, without_type_checks):
    turns = sequential("team")
    said_so = st.Speculative(guess=lambda state, key: said and jnp.array(said), window=3)
    guessed = dataclasses.replace(turns, schedule=said_so)
    key = jax.random.key(0)
    with pytest.raises(st.InputError, match=f"guess returned {seen}.*return a joint control"):
        without_type_checks(lambda: guessed.decide(turns.model.initial_state(key), key))
