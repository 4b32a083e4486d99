"""`seriatim runs`: what was trained, how it stands, and which was better."""

from pathlib import Path
from typing import Any

import numpy as np
from rich.text import Text

import seriatim as st
from seriatim._errors import InputError
from seriatim.cli._numbers import with_errors
from seriatim.cli._output import console, print_json, print_table
from seriatim.cli._train import SHOWN


def runs(places: tuple[str, ...], *, form: str, plot: str | None) -> None:
    """List runs side by side."""
    try:
        training = st.training
    except ImportError as error:
        raise InputError(f"{error}.") from error
    found = [run for place in places or ("runs",) for run in training.runs_in(place)]
    if not found:
        raise InputError(f"{', '.join(places) or 'runs'}: no runs are there; seriatim train makes some.")
    if plot is not None:
        training.plot_runs(found).savefig(_checked(plot))
    entries = [_entry(run) for run in found]
    if form == "json":
        print_json({"runs": entries})
    else:
        _print(entries)


def _checked(plot: str) -> Path:
    path = Path(plot)
    if path.suffix not in (".svg", ".png", ".pdf"):
        raise InputError(f"--plot {plot}: give a file that ends in .svg, .png or .pdf.")
    return path


def _entry(run: Any) -> dict[str, Any]:
    config, status, metrics = run.config, run.status, run.metrics()
    cost = np.asarray(metrics.get("cost", []))[-SHOWN:]
    seconds = _seconds(metrics)
    return {
        "run": str(run.path),
        "kind": config.get("kind", ""),
        "model": config.get("model", ""),
        "set": config.get("set", []),
        "seed": config.get("seed"),
        "estimator": config.get("settings", {}).get("estimator", ""),
        "state": status["state"],
        "steps": max(run.steps, default=0),
        "best_step": run.best,
        "seconds": seconds,
        "cost": float(np.mean(cost)) if len(cost) else None,
        "cost_error": float(np.std(cost, ddof=1) / np.sqrt(len(cost))) if len(cost) > 1 else None,
    }


def _seconds(metrics: dict[str, Any]) -> float:
    """Add up the time of all calls: seconds start again at zero when a run is resumed."""
    seconds = np.asarray(metrics.get("seconds", []))
    return float(np.sum(np.diff(seconds, prepend=0.0).clip(min=0))) if len(seconds) else 0.0


def _print(entries: list[dict[str, Any]]) -> None:
    nan = float("nan")
    costs = with_errors(
        [nan if e["cost"] is None else e["cost"] for e in entries],
        [nan if e["cost_error"] is None else e["cost_error"] for e in entries],
    )
    rows = [
        [
            Text(e["run"]),
            Text(" ".join([e["model"], *e["set"]])),
            Text(e["estimator"] or e["kind"]),
            Text("" if e["seed"] is None else str(e["seed"])),
            e["state"],
            f"{e['steps']:,}",
            f"{e['seconds']:.0f}",
            "" if e["cost"] is None else cost,
        ]
        for e, cost in zip(entries, costs, strict=True)
    ]
    print_table(("run", "model", "estimator", "seed", "state", "steps", "seconds", f"cost, last\n{SHOWN} steps"), rows)
    console().print(Text(f"\n{len(entries)} {'run' if len(entries) == 1 else 'runs'}"))
