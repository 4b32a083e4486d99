"""Training of half digits with any estimator: contestants differ in the surrogate of the loss, and in nothing else.

Start, batches and noise are those of the seed, the same for every contestant and learning rate.
"""

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

import seriatim as st
from benchmarks._half_digits import Halves, Predictor, predictor, surprise
from seriatim import gradients
from seriatim.model import Key

BATCH = 50


class Contestant(NamedTuple):
    """An estimator, and settings that may change from update to update.

    Attributes:
        estimator: one of `st.gradients`.
        evaluations: of the decoder, for one digit of one update.
        start: what the settings are made of, before the first update.
        settings: the estimator's keywords, made of that.
        following: what the next settings are made of: of the present, the mean loss of the batch, and a function
            that returns the gradient of the estimator's variance by its settings, averaged over the batch.
    """

    estimator: gradients.Estimator[...]
    evaluations: int
    start: Any = ()
    settings: Callable[[Any], Mapping[str, Any]] = lambda _: {}
    following: Callable[[Any, Any, Callable[[], Any]], Any] = lambda state, *_: state


@gradients.from_surrogate(unbiased=True, needs_gradient=True)
def _rebar(function: Any, logits: Any, key: Key, *, log_temperature: Any = 0.0, scale: Any = 1.0) -> Any:
    """REBAR, its temperature free to be learned: every number is the logarithm of a positive one."""
    return gradients.estimator("rebar").surrogate(
        function, logits, key, temperature=jnp.exp(log_temperature), scale=scale
    )


def contestants(updates: int) -> dict[str, Contestant]:
    """Return who competes; where the temperature falls, it has reached 0.5 in the middle of so many updates."""
    fall = optax.exponential_decay(1.0, 1, math.exp(-2 * math.log(2) / updates))
    schedule = st.distributions.temperature_schedule(fall, floor=0.5)

    def annealed(estimator: Any) -> Contestant:
        return Contestant(estimator, 1, 0, lambda step: {"temperature": schedule(step)}, lambda step, *_: step + 1)

    return {
        "score function, moving baseline": Contestant(
            gradients.estimator("score-function"),
            1,
            gradients.MovingBaseline(total=jnp.zeros(()), weight=jnp.zeros(())),
            lambda baseline: {"baseline": baseline.mean},
            lambda baseline, value, _: baseline.updated(value),
        ),
        "leave-one-out, 2": Contestant(gradients.estimator("leave-one-out"), 2),
        "DisARM": Contestant(gradients.estimator("disarm"), 2),
        "REBAR, learned": learned_rebar(),
        "straight-through": Contestant(gradients.estimator("straight-through"), 1),
        "Gumbel-softmax, T = 1": Contestant(gradients.estimator("gumbel-softmax"), 1),
        "Gumbel-softmax, annealed": annealed(gradients.estimator("gumbel-softmax")),
        "straight-through Gumbel, T = 1": Contestant(gradients.estimator("straight-through-gumbel-softmax"), 1),
        "straight-through Gumbel, annealed": annealed(gradients.estimator("straight-through-gumbel-softmax")),
        "Gumbel-Rao, annealed": annealed(gradients.estimator("gumbel-rao")),
    }


def learned_rebar(rate: float = 0.01) -> Contestant:
    """REBAR whose temperature and scale descend the variance of the estimate, as published."""
    optimiser = optax.adam(rate)
    first = {"log_temperature": jnp.zeros(()), "scale": jnp.ones(())}

    def following(state: Any, _: Any, slopes: Callable[[], Any]) -> Any:
        changes, memory = optimiser.update(slopes(), state[1])
        return optax.apply_updates(state[0], changes), memory

    return Contestant(_rebar, 2, (first, optimiser.init(first)), lambda state: state[0], following)


def batch_loss(
    contestant: Contestant, model: Predictor, digits: Halves, keys: Key, settings: Mapping[str, Any]
) -> Float[Array, ""]:
    """Return the surrogate of `E[-log p(lower | z)]`, the mean over a batch; one key for each digit."""

    def one(upper: Any, lower: Any, key: Key) -> Any:
        return contestant.estimator.surrogate(
            lambda choices: surprise(model, choices, lower), model.logits(upper), key, **settings
        )

    return jnp.mean(jax.vmap(one)(digits.upper, digits.lower, keys))


def variance_slopes(
    contestant: Contestant, model: Predictor, digits: Halves, keys: Key, settings: Mapping[str, Any]
) -> Any:
    """Return the gradient, by the settings, of the variance of the estimate by the logits, the mean over a batch."""

    def one(upper: Any, lower: Any, key: Key) -> Any:
        def function(choices: Any) -> Any:
            return surprise(model, choices, lower)

        return gradients.variance_gradient(contestant.estimator, function, model.logits(upper), key, settings)

    return jax.tree.map(jnp.mean, jax.vmap(one)(digits.upper, digits.lower, keys))


def train(
    contestant: Contestant, digits: Halves, rate: Float[Array, ""], key: Key, *, updates: int, every: int
) -> Predictor:
    """Train by Adam; return the networks after every so many updates, stacked, the first after none."""
    start_key, batch_key = jax.random.split(key)
    optimiser = optax.adam(rate)

    def update(carried: Any, step: Any) -> tuple[Any, None]:
        model, memory, state = carried
        picked_key, noise_key = jax.random.split(jax.random.fold_in(batch_key, step))
        picked = jax.random.randint(picked_key, (BATCH,), 0, len(digits.upper))
        batch = jax.tree.map(lambda part: part[picked], digits)
        keys, settings = jax.random.split(noise_key, BATCH), contestant.settings(state)
        value, slopes = jax.value_and_grad(functools.partial(batch_loss, contestant))(model, batch, keys, settings)
        changes, memory = optimiser.update(slopes, memory)
        of_variance = functools.partial(variance_slopes, contestant, model, batch, keys, settings)
        return (optax.apply_updates(model, changes), memory, contestant.following(state, value, of_variance)), None

    def stretch(carried: Any, first: Any) -> tuple[Any, Predictor]:
        return jax.lax.scan(update, carried, first + jnp.arange(every))[0], carried[0]

    model = predictor(start_key)
    begin = (model, optimiser.init(model), contestant.start)
    end, kept = jax.lax.scan(stretch, begin, jnp.arange(0, updates, every))
    stacked: Predictor = jax.tree.map(lambda snapshots, last: jnp.concatenate([snapshots, last[None]]), kept, end[0])
    return stacked
