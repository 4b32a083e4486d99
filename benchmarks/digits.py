"""Estimators in an experiment of the literature: the lower half of a digit from the upper, through categorical choices.

Structured output prediction of Jang, Gu, Poole, 2017 (section 4.1, table 1), on 8 x 8 digits instead of MNIST. Every
estimator may evaluate the decoder equally often, and is also read at equally many updates. The learning rate, and
when to stop, are chosen on validation digits; test digits are looked at once, with what was chosen.
"""

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from benchmarks._half_digits import Halves, Predictor, load, negative_log_likelihood
from benchmarks._half_digits_training import BATCH, Contestant, contestants, train
from benchmarks._results import Row, publish

SEEDS = 5
RATES = (1e-3, 3e-3, 1e-2, 3e-2)
# Updates of an estimator with one evaluation a digit; those with two make half as many.
UPDATES = 4_000
SNAPSHOTS = 20
# Samples of the likelihood: to choose by, and to report by as the paper does.
CHOOSING, REPORTING = 20, 1_000
# Nats on MNIST, fixed binarisation, 392-(20 x 10)-(20 x 10)-392: the row "SBN (Cat.)" of their table 1.
PUBLISHED = {
    "score function, moving baseline": 73.1,
    "straight-through": 61.8,
    "Gumbel-softmax, T = 1": 59.0,
    "straight-through Gumbel, T = 1": 59.7,
}
COLUMNS = {
    "estimator": "",
    "unbiased": "",
    "evaluations": "d",
    "updates": ",d",
    "rate": "g",
    "test": ".2f",
    "±": ".2f",
    "test, equal updates": ".2f",
    "± ": ".2f",
    "training": ".2f",
    "±  ": ".2f",
    "CPU µs an update": ".0f",
    "MNIST, published": ".1f",
}


def main(*, redraw: bool = False) -> None:
    publish("digits", COLUMNS, measure, draw=draw, redraw=redraw, page="gradients.md")


def measure() -> list[Row]:
    digits = load()
    return [_row(name, each, *digits) for name, each in contestants(UPDATES).items()]


def _row(name: str, contestant: Contestant, training: Halves, validation: Halves, test: Halves) -> dict[str, Any]:
    updates = UPDATES // contestant.evaluations
    snapshots, seconds = _trained(contestant, training, updates)
    bounds = _likelihoods(snapshots, training, 1)
    validated = _likelihoods(snapshots, validation, CHOOSING)
    rate, scores = _reported(snapshots, validated, test)
    # As many updates as those with two evaluations make.
    _, early = _reported(snapshots, validated[..., : 1 + SNAPSHOTS * contestant.evaluations // 2], test)
    fastest = int(bounds[..., -1].mean(axis=1).argmin())
    return {
        "estimator": name,
        "unbiased": "yes" if contestant.estimator.unbiased else "no",
        "evaluations": contestant.evaluations,
        "updates": updates,
        "rate": RATES[rate],
        **_mean_and_error(scores, "test", "±"),
        **_mean_and_error(early, "test, equal updates", "± "),
        **_mean_and_error(bounds[fastest, :, -1], "training", "±  "),
        "CPU µs an update": 1e6 * seconds / (updates * len(RATES) * SEEDS),
        "MNIST, published": PUBLISHED.get(name),
        "training rate": RATES[fastest],
        "test by seed": scores.tolist(),
        "training curves": bounds[rate].tolist(),
        "validation curves": validated[rate].tolist(),
    }


def _trained(contestant: Contestant, digits: Halves, updates: int) -> tuple[Predictor, float]:
    """Train with all learning rates and seeds in one program; return networks `[rates, seeds, snapshots]`, CPU seconds.

    The processor's time, not the clock's: a training is too long to take turns with the others.
    """

    def one(rate: Any, key: Any) -> Predictor:
        return train(contestant, digits, rate, key, updates=updates, every=updates // SNAPSHOTS)

    given = jnp.array(RATES), jax.random.split(jax.random.key(0), SEEDS)
    run = jax.jit(jax.vmap(jax.vmap(one, in_axes=(None, 0)), in_axes=(0, None))).lower(*given).compile()
    start = time.process_time()
    return jax.block_until_ready(run(*given)), time.process_time() - start


@jax.jit(static_argnames="num_samples")
def _each(models: Predictor, digits: Halves, num_samples: int) -> Any:
    key = jax.random.key(1)  # the same noise for all, so that networks differ and not their samples
    return jax.lax.map(lambda model: negative_log_likelihood(model, digits, key, num_samples=num_samples), models)


def _likelihoods(models: Predictor, digits: Halves, num_samples: int) -> np.ndarray[Any, Any]:
    """Return nats a digit for every network of a stack, in the shape of the stack."""
    axes = models.encoder[0].weight.shape[:-2]
    flat = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[len(axes) :]), models)
    return np.asarray(_each(flat, digits, num_samples), np.float64).reshape(axes)


def _reported(snapshots: Predictor, validated: np.ndarray[Any, Any], test: Halves) -> tuple[int, np.ndarray[Any, Any]]:
    """Choose the learning rate by its mean over seeds and the snapshot of each seed; return the test of those."""
    rate = int(validated.min(axis=-1).mean(axis=1).argmin())
    chosen = validated[rate].argmin(axis=-1)
    models = jax.tree.map(lambda leaf: leaf[rate, jnp.arange(SEEDS), chosen], snapshots)
    return rate, _likelihoods(models, test, REPORTING)


def _mean_and_error(values: np.ndarray[Any, Any], name: str, error: str) -> dict[str, float]:
    return {name: float(values.mean()), error: float(values.std(ddof=1) / np.sqrt(len(values)))}


def draw(rows: list[Any]) -> Figure:
    """Learning curves with a standard error around them: what is minimised on the left, unseen digits on the right."""
    figure = Figure(figsize=(11, 5), layout="constrained")
    titles = {
        "training curves": "training digits, 1 sample",
        "validation curves": f"validation digits, {CHOOSING} samples",
    }
    for axes, (curves, title) in zip(figure.subplots(1, 2), titles.items(), strict=True):
        for number, row in enumerate(rows):
            _band(axes, np.asarray(row[curves]), row, f"C{number}")
        axes.set_title(title, loc="left")
        axes.set_xlabel("evaluations of the decoder, thousands")
        axes.set_ylabel("nats a digit")
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return figure


def _band(axes: Any, curves: np.ndarray[Any, Any], row: Row, colour: str) -> None:
    """Draw one estimator, dashed if it is unbiased, with the learning rate that was chosen."""
    at = np.linspace(0, UPDATES * BATCH / 1e3, curves.shape[1])[1:]
    mean, error = curves.mean(axis=0)[1:], curves.std(axis=0, ddof=1)[1:] / np.sqrt(len(curves))
    name, style = f"{row['estimator']} (rate {row['rate']:g})", "--" if row["unbiased"] == "yes" else "-"
    axes.plot(at, mean, style, color=colour, label=name, linewidth=1.2)
    axes.fill_between(at, mean - error, mean + error, color=colour, alpha=0.25, linewidth=0)
