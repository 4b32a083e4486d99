"""What a spider remembers: never wrong about a living fly, whatever messages are lost."""

import jax
import numpy as np
import pytest

import seriatim as st

MODEL = st.problems.SpidersAndFlies(spiders=2, flies=3, width=6, height=5, vision=2)
FILTER = st.problems.LastSeenFilter(MODEL)
PLANS = st.beliefs.IndependentPlanning(MODEL.base_policy(), FILTER, "most-likely")


@pytest.fixture(scope="module")
def episode():
    world = st.beliefs.InformationModel(MODEL, FILTER, 0.5, in_reach=st.problems.WithinMoves(4))
    return st.simulate(world, PLANS, jax.random.key(5), horizon=25)


@pytest.mark.parametrize("completion", ["most-likely", "sampled"])
def test_a_living_fly_is_alive_in_every_completion_and_where_it_was_found(episode, completion):
    known, truth = episode.states.known, episode.states.state
    draw = FILTER.sample_disturbance(jax.random.key(0))
    complete = FILTER.most_likely if completion == "most-likely" else lambda each: FILTER.sample_state(each, draw)
    guess = jax.vmap(jax.vmap(complete))(known)
    alive, found = np.asarray(truth.alive)[:, None], np.asarray(known.found)
    assert (np.asarray(guess.alive) | ~alive).all()
    assert (np.asarray(guess.flies) == np.asarray(truth.flies)[:, None])[found].all()
    # Everyone knows where it stands itself.
    for i in range(2):
        assert np.array_equal(np.asarray(guess.spiders)[:, i, i], np.asarray(truth.spiders)[:, i])
    # No unfound fly is believed where somebody has looked.
    assert not np.asarray(known.viewed).all(axis=2)[(alive & ~found).any(axis=2)].any()


def test_flies_are_caught_without_a_word():
    silent = st.beliefs.InformationModel(MODEL, FILTER, 0.0)
    found = st.evaluate(silent, PLANS, jax.random.key(0), episodes=50, horizon=200)
    assert found.truncated == 0


def test_reach_is_counted_in_moves():
    state = MODEL.initial_state(jax.random.key(0))
    apart = np.abs(np.asarray(state.spiders[0] - state.spiders[1], int)).sum()
    assert bool(st.problems.WithinMoves(int(apart))(state)[0, 1])
    assert not bool(st.problems.WithinMoves(int(apart) - 1)(state)[0, 1])


@pytest.mark.parametrize("fields", [{"vision": None}, {"vision": 2, "fly_behaviour": "wander"}])
def test_mistakes_are_one_sentence(fields):
    with pytest.raises(st.InputError) as found:
        st.problems.LastSeenFilter(st.problems.SpidersAndFlies(spiders=2, flies=2, width=4, height=4, **fields))
    assert "\n" not in str(found.value)
    assert str(found.value).endswith(".")
