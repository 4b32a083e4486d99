"""`seriatim runs`: a list of training runs and their state, and a comparison of several."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.text import Text

from seriatim._errors import InputError
from seriatim._files import save_bytes
from seriatim.cli._faults import say
from seriatim.cli._output import console, plural, print_json, print_table, with_errors
from seriatim.cli._train import at_the_end, training_part

# The default folder of runs, in which runs are also looked up by name.
HOME = Path("runs")

Entry = dict[str, Any]


def runs(places: tuple[str, ...], *, form: str, plot: str | None) -> None:
    """List runs; if several are named, compare them too."""
    training = training_part()
    where = [_place(place) for place in places] or [HOME]
    found = list({run.path: run for place in where for run in training.runs_in(place)}.values())
    if not found:
        raise InputError(f"{', '.join(map(str, where))}: no runs are there; seriatim train makes some.")
    entries = [_entry(run) for run in found]
    sound = [run for run, entry in zip(found, entries, strict=True) if "problem" not in entry]
    if plot is not None:
        _save_plot(training.plot_runs(sound), _checked(plot))
    if form == "json":
        print_json({"runs": entries})
    else:
        _print(entries)
        if len(places) == len(sound) > 1:
            _compare([entry for entry in entries if "problem" not in entry])
    for entry in entries:
        if "problem" in entry:
            say(entry["problem"])


def _place(place: str) -> Path:
    """Return the directory of a run; a name that is no directory is looked up in the default folder."""
    return HOME / place if not Path(place).exists() and (HOME / place).is_dir() else Path(place)


def _checked(plot: str) -> Path:
    path = Path(plot)
    if path.suffix not in (".svg", ".png", ".pdf"):
        raise InputError(f"--plot {plot}: give a file that ends in .svg, .png or .pdf.")
    if not path.parent.is_dir():
        raise InputError(f"--plot {plot}: there is no directory {path.parent}; make it, or give another.")
    return path


def _save_plot(figure: Any, path: Path) -> None:
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix[1:])
    save_bytes(path, content.getvalue())


def _entry(run: Any) -> Entry:
    """Describe a run; a damaged one gets an entry too, so that it does not hide the others."""
    try:
        return _described(run)
    except InputError as error:
        return {"run": str(run.path), "state": "damaged", "problem": str(error)}


def _described(run: Any) -> Entry:
    config, status, metrics = run.config, run.status, run.metrics()
    seconds = metrics.get("seconds", np.zeros(1))
    last = at_the_end(metrics)
    cost, error = last.get("cost", np.empty(0)), last.get("cost_error", np.empty(0))
    return {
        "run": str(run.path),
        "kind": config.get("kind", ""),
        "model": config.get("model", ""),
        "set": config.get("set", []),
        "seed": config.get("seed"),
        "estimator": config.get("settings", {}).get("estimator", ""),
        "settings": {**config.get("network", {}), **config.get("settings", {})},
        "state": status["state"],
        "steps": max(run.steps, default=0),
        "best_step": run.best,
        "seconds": float(seconds[-1]),
        "cost": float(np.mean(cost)) if len(cost) else None,
        "cost_error": float(np.std(cost, ddof=1) / np.sqrt(len(cost))) if len(cost) > 1 else _only(error),
        "last": {name: float(np.mean(column)) for name, column in last.items()},
    }


def _only(error: Any) -> float | None:
    return float(error[0]) if len(error) == 1 else None


def _print(entries: Sequence[Entry]) -> None:
    """Print a table; settings of the model that all runs share stand above it."""
    words = {entry["run"]: [entry["model"], *entry["set"]] for entry in entries if "problem" not in entry}
    common = set.intersection(*map(set, words.values())) if words else set()
    alike = [word for word in next(iter(words.values()), []) if word in common]
    others = {run: " ".join(word for word in mine if word not in common) for run, mine in words.items()}
    if alike:
        console().print(Text(" ".join(alike), style="bold"))
    headings = ["run", "model", "estimator", "seed", "state", "steps", "seconds", "final\ncost"]
    rows = [
        [
            Text(entry["run"]),
            Text(others.get(entry["run"], "")),
            Text(entry.get("estimator") or entry.get("kind", "")),
            "" if entry.get("seed") is None else str(entry["seed"]),
            entry["state"],
            f"{entry['steps']:,}" if "steps" in entry else "",
            f"{entry['seconds']:.0f}" if "seconds" in entry else "",
            cost,
        ]
        for entry, cost in zip(entries, _costs(entries), strict=True)
    ]
    if not any(others.values()):
        for row in [headings, *rows]:
            del row[1]
    print_table(headings, rows)
    console().print(Text(f"\n{plural(len(entries), 'run')}"))


def _costs(entries: Sequence[Entry]) -> list[str]:
    nan = float("nan")
    known = [entry.get("cost") is not None for entry in entries]
    pairs = [(entry["cost"], entry["cost_error"]) for entry, is_known in zip(entries, known, strict=True) if is_known]
    means, errors = [mean for mean, _ in pairs], [nan if error is None else error for _, error in pairs]
    written = iter(with_errors(means, errors) if pairs else [])
    return [next(written) if is_known else "" for is_known in known]


def _compare(entries: Sequence[Entry]) -> None:
    """Print side by side the settings that differ, and all metrics."""
    settings = [{"steps": entry["steps"], "best step": entry["best_step"], **entry["settings"]} for entry in entries]
    names = list(dict.fromkeys(name for mine in settings for name in mine))
    rows = [[name, *(_short(mine.get(name)) for mine in settings)] for name in names]
    metrics = list(dict.fromkeys(name for entry in entries for name in entry["last"]))
    measured = [[name, *(_short(entry["last"].get(name)) for entry in entries)] for name in metrics]
    print_table(["setting", *(entry["run"] for entry in entries)], [row for row in rows if len(set(row[1:])) > 1])
    print_table(["at the end", *(entry["run"] for entry in entries)], measured)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ",".join(map(str, value))
    return "" if value is None else str(value)
