"""Learning curves: cost against steps, with the standard error of each batch as a band."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from seriatim._errors import InputError
from seriatim.training.runs._run import Run

# Points to a curve: more would hide one another.
POINTS = 100


def plot_runs(runs: Sequence[Run], *, against: str = "step") -> Any:
    """Draw the learning curves of runs, as a matplotlib figure (which has `savefig`).

    Args:
        runs: whose metrics have a `cost`; the band is ± `cost_error`, where there is one.
        against: the column of the horizontal axis: "step" or "seconds".

    Raises:
        InputError: no run has costs, or matplotlib is not installed.
    """
    wrong = next((run for run in runs if not isinstance(run, Run)), None) if isinstance(runs, Sequence) else runs
    if wrong is not None:
        raise InputError(f"runs has {wrong!r}, which is no run; give a list of them, such as runs_in(directory).")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise InputError("plots need matplotlib; install it by: pip install 'seriatim[plot]'") from None
    names = [run.name for run in runs]
    # Names may be the same in different directories.
    labels = [run.name if names.count(run.name) == 1 else str(run.path) for run in runs]
    read = [(label, run.metrics()) for label, run in zip(labels, runs, strict=True)]
    curves = [(label, metrics) for label, metrics in read if "cost" in metrics]
    if not curves:
        raise InputError("none of the runs has costs to draw; give runs that have made a step.")
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for label, metrics in curves:
        if against not in metrics:
            raise InputError(f"against={against!r} is no column of {label}; it has {', '.join(metrics)}.")
        known = ~np.isnan(metrics["cost"])
        metrics = {name: column[known] for name, column in metrics.items()}
        x, mean = _thinned(metrics[against]), _thinned(metrics["cost"])
        (line,) = axes.plot(x, mean, label=label)
        if "cost_error" in metrics:
            error = _thinned_error(metrics["cost_error"])
            axes.fill_between(x, mean - error, mean + error, alpha=0.2, color=line.get_color(), linewidth=0)
    axes.set_xlabel("steps" if against == "step" else against)
    axes.set_ylabel("mean cost of a trajectory")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def _groups(values: Any) -> list[Float[np.ndarray, " k"]]:
    return np.array_split(np.asarray(values, float), min(POINTS, len(values)))


def _thinned(values: Any) -> Float[np.ndarray, " points"]:
    return np.array([np.mean(group) for group in _groups(values)])


def _thinned_error(errors: Any) -> Float[np.ndarray, " points"]:
    """Return the standard errors of means of independent batches."""
    return np.array([np.sqrt(np.sum(group**2)) / len(group) for group in _groups(errors)])
