"""The exact filter is Bayes' rule, and says what it does where Bayes' rule says nothing."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import Small, bayes, grid, random_problem

import seriatim as st

MODEL = random_problem(0, states=4, agents=2, controls=2, observations=3, end=0.4)
FILTER = st.beliefs.ExactFilter(MODEL)
CONTROLS = jnp.asarray(st.controls.joint_controls(2, 2))


def test_updates_likelihoods_and_outcomes_are_bayes_rule():
    beliefs = grid(4, 3)
    every = jax.vmap(jax.vmap(jax.vmap(FILTER.update, (None, None, 0)), (None, 0, None)), (0, None, None))
    seen = jax.vmap(jax.vmap(jax.vmap(FILTER.likelihood, (None, None, 0)), (None, 0, None)), (0, None, None))
    listed = jax.vmap(jax.vmap(FILTER.outcomes, (None, 0)), (0, None))
    given = beliefs, CONTROLS, np.arange(3)
    found = jax.jit(lambda *given: (every(*given), seen(*given), listed(*given[:2])))(*given)
    found, likelihood, (after, chance, done) = jax.tree.map(np.asarray, found)
    assert np.allclose(chance.sum(axis=2), 1, atol=1e-6)
    for b, belief in enumerate(beliefs):
        for u in range(4):
            truth = [bayes(MODEL, belief, u, o) for o in range(3)]
            going_on = sum(total for _, total in truth)
            for o, (posterior, total) in enumerate(truth):
                assert np.allclose(found[b, u, o], posterior, atol=1e-5)
                assert np.allclose(after[b, u, o], posterior, atol=1e-5)
                assert np.allclose(chance[b, u, o], total, atol=1e-6)
                assert np.allclose(likelihood[b, u, o], total / going_on, atol=1e-5)
    assert np.array_equal(done[0, 0], [False, False, False, True])


def test_samples_follow_the_belief():
    belief = jnp.array([0.1, 0.0, 0.6, 0.3])
    inside = (np.arange(1000) + 0.5) / 1000
    sampled = jax.jit(jax.vmap(FILTER.sample_state, (None, 0)))
    *drawn, first, last = np.asarray(sampled(belief, jnp.asarray([*inside, 0.0, 1.0]))).tolist()
    assert np.allclose(np.bincount(drawn, minlength=4) / 1000, belief, atol=0.0015)
    assert [first, last] == [0, 3]
    assert int(FILTER.most_likely(belief)) == 2


def certain(model):
    """Each state stays, and shows itself without error."""
    s = model.prior.shape[0]
    a = model.transitions.shape[0]
    return dataclasses.replace(
        model, transitions=jnp.broadcast_to(jnp.eye(s), (a, s, s)), seen=jnp.broadcast_to(jnp.eye(s), (a, s, s))
    )


def test_an_impossible_observation_leaves_the_prediction_and_is_refused_outside():
    model = certain(random_problem(1))
    filter = st.beliefs.ExactFilter(model)
    belief, control = jnp.array([0.25, 0.75, 0.0]), jnp.zeros(1, jnp.int32)
    assert float(filter.likelihood(belief, control, jnp.int32(2))) == 0
    assert filter.update(belief, control, jnp.int32(2)).tolist() == [0.25, 0.75, 0.0]
    with pytest.raises(st.InputError, match=r"observation 2 after control .0. has probability 0 under this belief"):
        st.beliefs.observe(filter, belief, control, jnp.int32(2), jax.random.key(0))
    assert st.beliefs.observe(filter, belief, control, jnp.int32(1), jax.random.key(0)).tolist() == [0, 1, 0]
    # Lists, Python numbers and integers of 64 bits will do; what does not exist is no other that does.
    for given, seen in (([0], 1), (np.array([0]), np.array(1))):
        assert st.beliefs.observe(filter, belief, given, seen, jax.random.key(0)).tolist() == [0, 1, 0]
    for given, seen, said in (
        ([2], 1, r"control .2. is none of Small; give a whole number from 0 to 1"),
        ([0, 0], 1, r"each of its agents, of which there are 1"),
        ([0], 7, r"observation 7 is none of those that Small.observations"),
        ([0], [1, 1], r"observation .1, 1. is none"),
    ):
        with pytest.raises(st.InputError, match=said):
            st.beliefs.observe(filter, belief, given, seen, jax.random.key(0))


def test_a_control_that_surely_ends_leaves_the_belief_and_no_nan():
    model = dataclasses.replace(random_problem(2), transitions=jnp.zeros((2, 3, 3)))
    filter = st.beliefs.ExactFilter(model)
    belief, control = jnp.array([0.5, 0.25, 0.25]), jnp.zeros(1, jnp.int32)
    assert filter.update(belief, control, jnp.int32(0)).tolist() == belief.tolist()
    after, chance, done = filter.outcomes(belief, control)
    assert chance.tolist() == [0, 0, 1]
    assert done.tolist() == [False, False, True]
    assert np.isfinite(after).all()


def test_mistakes_are_told(without_type_checks):
    model = random_problem(3)
    blind = dataclasses.replace(model, seen=model.seen * 0.5)
    with pytest.raises(st.InputError, match=r"observation_likelihood at state number 0 .* sums to 0.5"):
        st.beliefs.ExactFilter(blind)
    leaky = dataclasses.replace(model, prior=jnp.array([0.5, 0.2, 0.2]))
    with pytest.raises(st.InputError, match=r"prior has shape .3,. and sum 0.9"):
        st.beliefs.ExactFilter(leaky)
    with pytest.raises(st.InputError, match=r"prior has shape .2,."):
        st.beliefs.ExactFilter(model, prior=jnp.array([0.5, 0.5]))
    endless = st.beliefs.BeliefModel(model, st.beliefs.ExactFilter(model))
    with pytest.raises(st.InputError, match="has no states"):
        without_type_checks(lambda: st.beliefs.ExactFilter(endless))
    seen = st.problems.random_team(0, states=3, agents=1, controls=2)
    with pytest.raises(st.InputError, match="has no observation"):
        without_type_checks(lambda: st.beliefs.BeliefModel(seen, st.beliefs.ExactFilter(model)))


def test_without_a_list_of_observations_it_filters_but_does_not_enumerate():
    class Unlisted(Small):
        observations = property()

    quiet = Unlisted(**{f.name: getattr(MODEL, f.name) for f in dataclasses.fields(MODEL)})
    filter = st.beliefs.ExactFilter(st.record(Unlisted)(**vars(quiet)))
    assert filter.observation_table is None
    belief = filter.initial(jax.random.key(0))
    assert np.allclose(
        filter.update(belief, CONTROLS[1], jnp.int32(0)), FILTER.update(belief, CONTROLS[1], jnp.int32(0))
    )
    with pytest.raises(st.InputError, match="outcomes of a belief can be enumerated by an ExactFilter"):
        st.beliefs.BeliefModel(filter.model, filter).outcomes(belief, CONTROLS[0])
