"""Estimators side by side: bias, variance, cost, each on many independent keys, judged by the exact gradient.

The picture of a comparison is drawn by matplotlib, which is loaded late and may be missing.
"""

import importlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import rich.box
from jaxtyping import Array, Float
from rich.console import Console
from rich.table import Table

from seriatim._errors import InputError
from seriatim._preconditions import require_key
from seriatim._record import record
from seriatim.gradients._checks import check_count
from seriatim.gradients._estimator import Function, Logits
from seriatim.gradients._evaluations import count_evaluations
from seriatim.gradients._exact import exact
from seriatim.gradients._list import ESTIMATORS
from seriatim.model import Key


@record
class EstimatorRow:
    """One estimator of a comparison.

    Attributes:
        bias: length of (mean gradient - exact gradient).
        standard_error: what `bias` would be, in root mean square, if the estimator were unbiased.
        variance: of one estimate, summed over the components of the gradient.
        evaluations: of the function, for one estimate.
        microseconds: for one estimate, compiled and mapped over all keys.
    """

    bias: float
    standard_error: float
    variance: float
    evaluations: int
    microseconds: float


@record
class EstimatorComparison:
    """Estimators side by side. Prints as a table; rich prints it in colours; `plot` draws it.

    Attributes:
        rows: by the name of the estimator.
        gradient: the exact one.
        repeats: independent estimates each row rests on.
    """

    rows: dict[str, EstimatorRow]
    gradient: Float[Array, "..."]
    repeats: int

    def __rich__(self) -> Table:
        length = float(jnp.linalg.norm(self.gradient))
        caption = f"{self.repeats} estimates each; the exact gradient has length {length:.4g}"
        table = Table(box=rich.box.SIMPLE_HEAD, caption=caption, pad_edge=False)
        table.add_column("estimator", no_wrap=True)
        for heading in ("bias", "its error", "variance", "evaluations", "µs"):
            table.add_column(heading, justify="right", no_wrap=True)
        for name, row in self.rows.items():
            numbers = (row.bias, row.standard_error, row.variance)
            table.add_row(name, *(f"{x:.3g}" for x in numbers), str(row.evaluations), f"{row.microseconds:.3g}")
        return table

    def __str__(self) -> str:
        console = Console(width=120, no_color=True, force_terminal=False)
        with console.capture() as captured:
            console.print(self)
        return "\n".join(line.rstrip() for line in captured.get().strip("\n").splitlines())

    def plot(self) -> Any:
        """Draw bias and variance of each estimator, both on a logarithmic scale.

        Returns:
            A matplotlib `Figure`; `figure.savefig("estimators.svg")` writes it.

        Raises:
            InputError: matplotlib is not installed.
        """
        return plot_estimators(
            list(self.rows),
            [row.bias for row in self.rows.values()],
            [row.standard_error for row in self.rows.values()],
            [row.variance for row in self.rows.values()],
        )


def compare_estimators(
    function: Function,
    logits: Logits,
    key: Key,
    *,
    estimators: Mapping[str, Callable[[Function, Any, Key], Any]] = ESTIMATORS,
    repeats: int = 1000,
) -> EstimatorComparison:
    """Compare estimators of the gradient of `E[function(z)]` with the exact gradient.

    Args:
        function: choices `[*variables, c]` to a scalar, differentiable inside the simplex if an estimator needs it.
        logits: of few enough variables that `exact` can enumerate their joint choices.
        key: decides all samples; every estimator gets the same keys.
        estimators: by name, settings bound: `{"REBAR": functools.partial(rebar, temperature=0.1)}`.
        repeats: independent estimates of each, at least 2.

    Raises:
        InputError: fewer than 2 repeats, estimators without names, or as `exact` and the estimators do.
    """
    require_key(key)
    check_count("repeats", repeats, 2, "a variance takes two estimates")
    if not isinstance(estimators, Mapping):
        raise InputError(f'estimators is a {type(estimators).__name__}; give them by name: {{"REBAR": rebar}}.')
    _, gradient = exact(function, logits, key)
    keys = jax.random.split(key, repeats)
    rows = {name: _row(each, function, logits, keys, gradient) for name, each in estimators.items()}
    return EstimatorComparison(rows, gradient, repeats)


def _row(
    estimator: Callable[[Function, Any, Key], Any], function: Function, logits: Logits, keys: Any, gradient: Logits
) -> EstimatorRow:
    many = jax.jit(jax.vmap(lambda key: estimator(function, logits, key)[1])).lower(keys).compile()
    jax.block_until_ready(many(keys))
    start = time.perf_counter()
    found = jax.block_until_ready(many(keys))
    seconds = time.perf_counter() - start
    estimates = np.asarray(found, np.float64).reshape(len(keys), -1)
    variance = float(np.sum(np.var(estimates, axis=0, ddof=1)))
    return EstimatorRow(
        bias=float(np.linalg.norm(estimates.mean(axis=0) - np.asarray(gradient, np.float64).ravel())),
        standard_error=math.sqrt(variance / len(keys)),
        variance=variance,
        evaluations=count_evaluations(estimator, logits, keys[0]),
        microseconds=1e6 * seconds / len(keys),
    )


def plot_estimators(
    names: Sequence[str], bias: Sequence[float], standard_error: Sequence[float], variance: Sequence[float]
) -> Any:
    """Draw one line an estimator: its bias beside the error of measuring it, and its variance."""
    figure = _matplotlib_figure()(figsize=(9, 0.35 * len(names) + 1.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    places = range(len(names))
    left.hlines(places, _least(standard_error) / 2, standard_error, color="0.85", linewidth=9)
    left.plot(bias, places, "o", color="tab:red")
    left.set_xlabel("bias (grey: an unbiased estimator's, by chance)")
    right.plot(variance, places, "s", color="tab:blue")
    right.set_xlabel("variance of one estimate")
    for axes in (left, right):
        axes.set_xscale("log")
        axes.grid(axis="x", color="0.9")
        axes.spines[["top", "right"]].set_visible(False)
    left.set_yticks(places, names)
    left.invert_yaxis()
    return figure


def _least(numbers: Sequence[float]) -> float:
    return min((x for x in numbers if x > 0), default=1e-3)


def _matplotlib_figure() -> Any:
    try:
        return importlib.import_module("matplotlib.figure").Figure
    except ImportError:
        raise InputError("matplotlib is not installed, and plots need it; run `pip install matplotlib`.") from None
