"""The picture of a comparison of estimators, drawn by matplotlib, which is loaded late and may be missing."""

import importlib
from collections.abc import Sequence
from typing import Any

from seriatim._errors import InputError


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
