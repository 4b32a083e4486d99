"""Particles tend to the exact belief, keep to the draws they are given, and say when they are lost."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from small import random_problem

import seriatim as st
from seriatim.beliefs._particle_filter import ParticleBelief, systematic

MODEL = random_problem(30, states=4, controls=2, observations=3, end=0.3)
EXACT = st.beliefs.ExactFilter(MODEL)
HISTORY = ((0, 1), (1, 0), (0, 2), (1, 1))


def followed(filter, key):
    """Return the belief after the history, as probabilities of the four states."""
    keys = jax.random.split(key, 1 + len(HISTORY))
    start, keys = keys[0], keys[1:]

    def heard(belief, what):
        seen, key = what
        u, o = seen
        return filter.update(belief, u[None], o, filter.sample_disturbance(key)), None

    belief, _ = jax.lax.scan(heard, filter.initial(start), (jnp.array(HISTORY, jnp.int32), keys))
    if not isinstance(belief, ParticleBelief):
        return belief
    return jnp.zeros(4).at[belief.states].add(belief.weights)


def test_particles_tend_to_the_exact_filter_as_one_over_the_root():
    """Sixteen times the particles, a quarter of the error.

    Root mean square errors over 300 clouds have standard errors below 5 % (at the worst, one direction), and their
    ratio one below 7 %; a ratio between 2.6 and 5.8 allows more than five of them, and the bias, of order 1/n, besides.
    """
    truth = np.asarray(jax.jit(lambda key: followed(EXACT, key))(jax.random.key(0)))
    errors = []
    for n in (40, 640):
        filter = st.beliefs.ParticleFilter(MODEL, num_particles=n)
        clouds = jax.jit(jax.vmap(lambda key, filter=filter: followed(filter, key)))(
            jax.random.split(jax.random.key(n), 300)
        )
        errors.append(np.sqrt(np.mean(np.sum((np.asarray(clouds) - truth) ** 2, axis=1))))
    assert 2.6 < errors[0] / errors[1] < 5.8
    # The error of n independent draws of the belief would be at most 1/sqrt(n).
    assert errors[1] < 4 / np.sqrt(640)


resampled = jax.jit(systematic)


@given(some.lists(some.integers(0, 20), min_size=8, max_size=8).filter(any), some.floats(0, 0.999))
def test_systematic_resampling_rounds_every_share(counts, uniform):
    weights = np.array(counts) / sum(counts)
    copies = np.bincount(resampled(jnp.asarray(weights), jnp.float32(uniform)), minlength=8)
    assert copies.sum() == 8
    assert (copies >= np.floor(8 * weights - 1e-5)).all()
    assert (copies <= np.ceil(8 * weights + 1e-5)).all()


def certain():
    """Each state stays, and shows itself without error."""
    return dataclasses.replace(
        random_problem(31),
        transitions=jnp.broadcast_to(jnp.eye(3), (2, 3, 3)),
        seen=jnp.broadcast_to(jnp.eye(3), (2, 3, 3)),
    )


def test_a_deprived_cloud_says_so_and_keeps_what_it_believed():
    filter = st.beliefs.ParticleFilter(certain(), num_particles=4, resample_below=0.0)
    belief = ParticleBelief(jnp.array([0, 1, 1, 0], jnp.int32), jnp.array([0.4, 0.3, 0.2, 0.1]), jnp.int32(0))
    noise, control = filter.sample_disturbance(jax.random.key(0)), jnp.array([0])
    update = jax.jit(filter.update)
    lost = update(belief, control, jnp.int32(2), noise)
    assert lost.deprived == 1
    assert lost.states.tolist() == belief.states.tolist()
    assert np.allclose(lost.weights, belief.weights)
    found = update(lost, control, jnp.int32(1), noise)
    assert found.deprived == 1
    assert np.allclose(found.weights, [0, 0.6, 0.4, 0], atol=1e-6)
    with pytest.raises(st.InputError, match="take more particles"):
        st.beliefs.observe(filter, belief, control, jnp.int32(2), jax.random.key(0))


def test_the_end_is_no_deprivation():
    model = dataclasses.replace(random_problem(32), transitions=jnp.zeros((2, 3, 3)))
    filter = st.beliefs.ParticleFilter(model, num_particles=4)
    belief = filter.initial(jax.random.key(0))
    after = filter.update(belief, jnp.array([0]), jnp.int32(0), filter.sample_disturbance(jax.random.key(1)))
    assert after.deprived == 0
    assert np.isfinite(after.weights).all()


def test_the_most_likely_state_is_that_of_most_weight_together():
    filter = st.beliefs.ParticleFilter(MODEL, num_particles=4)
    belief = ParticleBelief(jnp.array([3, 1, 0, 1], jnp.int32), jnp.array([0.4, 0.3, 0.1, 0.2]), jnp.int32(0))
    assert int(filter.most_likely(belief)) == 1


def test_one_disturbance_one_answer_whatever_the_belief_beside():
    """Common random numbers: the draws do not depend on the belief, and equal beliefs under one draw stay equal."""
    filter = st.beliefs.ParticleFilter(MODEL, num_particles=16)
    noise = filter.sample_disturbance(jax.random.key(5))
    belief = filter.initial(jax.random.key(1))
    alone = jax.jit(filter.update)(belief, jnp.array([1]), jnp.int32(0), noise)
    both = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), belief)
    beside = jax.jit(jax.vmap(filter.update, (0, 0, None, None)))(both, jnp.array([[0], [1]]), jnp.int32(0), noise)
    assert np.array_equal(alone.states, beside.states[1])
    assert np.allclose(alone.weights, beside.weights[1])


@pytest.mark.parametrize(
    ("options", "message"), [({"num_particles": 0}, "num_particles=0"), ({"resample_below": 2.0}, "=2")]
)
def test_mistakes_are_told(options, message):
    with pytest.raises(st.InputError, match=message):
        st.beliefs.ParticleFilter(MODEL, **options)
