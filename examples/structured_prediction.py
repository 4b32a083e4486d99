"""Predict the lower half of a digit from its upper half, through eight choices of ten: train by an estimator of yours.

    python examples/structured_prediction.py leave-one-out

A choice blocks the chain rule, and so an estimator of `st.gradients` stands in. `python -m benchmarks digits` compares
them with care; here is the least that works. Needs `pip install 'seriatim[train]' scikit-learn`.
"""

import argparse

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from sklearn.datasets import load_digits

import seriatim as st

CHOICES, CATEGORIES, UPDATES, BATCH = 8, 10, 1500, 50


def halves():
    """Return upper and lower halves, 32 pixels each, 0 or 1: of 1,500 digits to train and 297 to test."""
    pixels = jnp.asarray(load_digits().images >= 8, jnp.float32).reshape(-1, 2, 32)
    pixels = jax.random.permutation(jax.random.key(0), pixels)
    return pixels[:1500], pixels[1500:]


def networks(key):
    """Return the encoder, upper half to logits, and the decoder, choices to log-odds of the lower half."""
    first, second = jax.random.split(key)
    chosen = CHOICES * CATEGORIES
    return eqx.nn.MLP(32, chosen, 64, 1, jnp.tanh, key=first), eqx.nn.MLP(chosen, 32, 64, 1, jnp.tanh, key=second)


def surprise(decoder, choices, lower):
    """Return -log p(lower | choices), in nats."""
    log_odds = decoder(choices.ravel())
    return jnp.sum(jax.nn.softplus(log_odds) - lower * log_odds)


def loss(both, digits, keys, estimator):
    """Return the mean of E[-log p(lower | z)], z drawn by the encoder; its derivative is the estimator's."""
    encoder, decoder = both

    def one(digit, key):
        logits = encoder(digit[0]).reshape(CHOICES, CATEGORIES)
        return estimator.surrogate(lambda z: surprise(decoder, z, digit[1]), logits, key)

    return jnp.mean(jax.vmap(one)(digits, keys))


def negative_log_likelihood(both, digits, key, samples=200):
    """Estimate the mean of -log p(lower | upper) = -log E[p(lower | z)] from above."""
    encoder, decoder = both

    def one(digit, key):
        logits = jnp.tile(encoder(digit[0]).reshape(1, CHOICES, CATEGORIES), (samples, 1, 1))
        drawn = jax.nn.one_hot(st.distributions.gumbel_max(logits, key), CATEGORIES)
        each = jax.vmap(lambda z: surprise(decoder, z, digit[1]))(drawn)
        return jnp.log(samples) - jax.nn.logsumexp(-each)

    return jnp.mean(jax.vmap(one)(digits, jax.random.split(key, len(digits))))


def train(both, digits, key, estimator, rate=3e-3):
    """Descend the loss by Adam, reporting as it goes."""
    optimiser = optax.adam(rate)

    @eqx.filter_jit
    def update(both, memory, key):
        batch_key, noise_key = jax.random.split(key)
        batch = jax.random.choice(batch_key, digits, (BATCH,))
        value, slopes = eqx.filter_value_and_grad(loss)(both, batch, jax.random.split(noise_key, BATCH), estimator)
        changes, memory = optimiser.update(slopes, memory)
        return eqx.apply_updates(both, changes), memory, value

    memory = optimiser.init(eqx.filter(both, eqx.is_array))
    for step in range(1, UPDATES + 1):
        both, memory, value = update(both, memory, jax.random.fold_in(key, step))
        if step % 500 == 0:
            print(f"  update {step}: {value:.2f} nats a digit of the batch")
    return both


def show(both, digit, key):
    """Draw the digit as it is, and with a lower half of the decoder's."""
    encoder, decoder = both
    choices = st.distributions.gumbel_max(encoder(digit[0]).reshape(CHOICES, CATEGORIES), key)
    guess = decoder(jax.nn.one_hot(choices, CATEGORIES).ravel()) > 0
    truth, guessed = (jnp.concatenate([digit[0], lower]).reshape(8, 8) for lower in (digit[1], guess))
    for left, right in zip(truth, guessed, strict=True):
        print("  " + "   ".join("".join("##" if pixel else ". " for pixel in row) for row in (left, right)))


if __name__ == "__main__":
    names = [name for name, each in st.gradients.ESTIMATORS.items() if name != "relax"]
    parser = argparse.ArgumentParser(description="Train half digits with an estimator of the gradient.")
    parser.add_argument("estimator", nargs="?", default="leave-one-out", choices=names)
    name = parser.parse_args().estimator
    start_key, train_key, test_key = jax.random.split(jax.random.key(0), 3)
    training, test = halves()
    print(f"Training with {name}:")
    trained = train(networks(start_key), training, train_key, st.gradients.ESTIMATORS[name])
    score = jax.jit(lambda key: negative_log_likelihood(trained, test, key))(test_key)
    print(f"Test digits: {score:.2f} nats. One of them, and its lower half as predicted:")
    show(trained, test[0], test_key)
