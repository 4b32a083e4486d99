"""The surrogate is the estimator: the same gradient through `jax.grad`, networks, functions' parameters and stages."""

import functools

import functions
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from seriatim import gradients

ALL = {**gradients.ESTIMATORS, "exact": gradients.estimator("exact")}
SHAPE = (2, 3)


# At every test one that compares values, one that relaxes choices, one that does both, and the enumeration.
QUICK = ("score-function", "gumbel-rao", "rebar", "exact")
SOME = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in ALL]


@pytest.mark.parametrize("name", ALL)
def test_derivatives_of_the_surrogate_by_a_network_and_by_what_the_function_closes_over(name):
    """By the weights of a network that makes the logits it is the chain rule; by a parameter in which the function is
    linear, as that of a decoder in an autoencoder, the value over the parameter.
    """
    inputs = jnp.array([0.5, -1.0, 0.3, 2.0])
    weights = 0.3 * functions.logits((6, 4), 1)
    bent, key = functions.wavy(SHAPE, 0), jax.random.key(2)

    def logits(weights):
        return (weights @ inputs).reshape(SHAPE)

    def loss(weights, scale):
        return 2 * ALL[name].surrogate(lambda choices: scale * bent(choices), logits(weights), key)

    @jax.jit
    def both(weights, scale):
        estimate = ALL[name](lambda choices: scale * bent(choices), logits(weights), key)
        return jax.value_and_grad(loss, (0, 1))(weights, scale), estimate

    (value, (by_weights, by_scale)), (expected, gradient) = both(weights, 1.7)
    assert float(value) == pytest.approx(2 * float(expected), rel=1e-5)
    np.testing.assert_allclose(by_weights, 2 * np.outer(gradient, inputs), rtol=1e-4, atol=1e-5)
    assert float(by_scale) == pytest.approx(float(value) / 1.7, rel=1e-4)


@pytest.mark.parametrize("name", SOME)
def test_mapping_is_looping(name):
    function, logits = functions.wavy(SHAPE, 0), jnp.stack([functions.logits(SHAPE, seed) for seed in range(2)])
    keys = jax.random.split(jax.random.key(0), 2)
    estimate = functools.partial(ALL[name], function)
    together = jax.jit(jax.vmap(estimate))(logits, keys)
    compiled = jax.jit(estimate)
    for number in range(2):
        alone = compiled(logits[number], keys[number])
        np.testing.assert_allclose(together[0][number], alone[0], rtol=1e-5)
        np.testing.assert_allclose(together[1][number], alone[1], rtol=1e-4, atol=1e-5)


def halvings(choices):
    """A loop whose length depends on the choice: it has no derivative in reverse."""
    start = choices @ jnp.array([1.0, 20.0, 300.0])
    left, count = jax.lax.while_loop(lambda c: c[0] > 1, lambda c: (c[0] / 2, c[1] + 1), (start, 0.0))
    return left + count


@pytest.mark.parametrize("name", ALL)
def test_functions_of_values_alone_may_be_any_computation(name):
    estimate = jax.jit(functools.partial(ALL[name], halvings))
    if ALL[name].needs_gradient:
        with pytest.raises(ValueError, match="Reverse-mode"):
            estimate(functions.logits((3,), 0), jax.random.key(0))
        return
    value, gradient = estimate(functions.logits((3,), 0), jax.random.key(0))
    assert 0 <= float(value) <= 10
    assert float(jnp.sum(gradient)) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("name", ["score-function", pytest.param("rebar", marks=pytest.mark.slow)])
def test_surrogates_of_stages_nest(name):
    """Two stages, the logits of the second depending on the choice of the first: within 5.5 errors of the exact one.

    Eight components for each of two estimators: a false alarm in a million seeds.
    """
    first, table = jnp.array([0.3, -0.2]), functions.table((2, 3), 4)

    def total(surrogate, parameters, key):
        keys = jax.random.split(key)

        def cost_to_go(choice):
            later = choice @ parameters[2:].reshape(2, 3)
            return surrogate(lambda last: table(jnp.stack([jnp.append(choice, 0.0), last])), later, keys[1])

        return surrogate(cost_to_go, parameters[:2], keys[0])

    parameters = jnp.concatenate([first, functions.logits((6,), 8)])
    truth = jax.jit(jax.grad(lambda p: total(gradients.estimator("exact").surrogate, p, jax.random.key(0))))(parameters)
    keys = jax.random.split(jax.random.key(1), 10_000)
    run = jax.jit(jax.vmap(jax.grad(lambda p, key: total(ALL[name].surrogate, p, key)), in_axes=(None, 0)))
    found = np.asarray(run(parameters, keys), np.float64)
    error = found.std(axis=0) / np.sqrt(len(keys))
    assert (np.abs(found.mean(axis=0) - np.asarray(truth)) <= 5.5 * error + 1e-5).all()
