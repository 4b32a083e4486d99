"""`seriatim compare`: policies side by side on the same episodes."""

from typing import Any

import jax
from rich.text import Text

import seriatim as st
from seriatim.cli._faults import say
from seriatim.cli._jax import keeps_compiled_programs
from seriatim.cli._load import Loaded, load, over_stages, title
from seriatim.cli._numbers import milliseconds, plural, share, with_errors
from seriatim.cli._options import Planning, Problem
from seriatim.cli._output import console, print_json, print_table
from seriatim.cli._policies import make_policies, read_names
from seriatim.cli._progress import Show, progress
from seriatim.evaluation import Row

# A difference of more standard errors than this is coloured: a chance in 20 if there is none.
STRIKING = 1.96
# A weight of what was cut off that is worth a warning.
HEAVY_TAIL = 1e-3


def compare(problem: Problem, planning: Planning, *, policies: str, episodes: int, horizon: int | None) -> None:
    """Compare policies and print the result."""
    key = jax.random.key(problem.seed)
    with progress() as show:
        show("checking the model")
        loaded = load(problem)
        names = read_names(policies, loaded.module)
        st.check_model(loaded.model, key, quick=True).raise_if_broken()
        loaded, horizon = over_stages(loaded, horizon)
        made = make_policies(names, loaded, problem.base, planning, key)
        show("checking the model", 1, 1)
        found = st.compare(loaded.model, made, key, episodes=episodes, horizon=horizon, progress=_in_turn(show, names))
    if problem.form == "json":
        head = {"model": loaded.name, "fields": loaded.fields, "seed": problem.seed, "reference": names[0]}
        print_json({**head, **found.as_dict()})
    else:
        _print_table(found, loaded, problem.seed)
    _say_compile_times(found)


def _in_turn(show: Show, names: list[str]) -> Any:
    """Follow one policy after the other; each is shown as soon as it starts, since it compiles first."""
    show(names[0])

    def told(name: str, done: int, total: int) -> None:
        show(name, done, total)
        following = names[names.index(name) + 1 :]
        if done == total and following:
            show(following[0])

    return told


def _print_table(found: st.Comparison, loaded: Loaded, seed: int) -> None:
    out = console()
    out.print(Text(title(loaded), style="bold"))
    out.print(f"{plural(found.episodes, 'episode')} of at most {plural(found.horizon, 'stage')}, seed {seed}")
    reference = next(iter(found.rows))
    counts = ("Q-factors\na decision", "ms a\ndecision")
    headings = ["policy", "mean cost", f"difference\nto {reference}", "truncated", *counts]
    rows = _rows(found)
    if len(rows) == 1:  # nothing to differ from
        del headings[2], rows[0][2]
    print_table(headings, rows)
    for note in _notes(found):
        out.print(Text(), Text(note, style="yellow"), sep="\n")


def _rows(found: st.Comparison) -> list[list[Text | str]]:
    rows = list(found.rows.values())
    means = with_errors([row.estimate.mean for row in rows], [row.estimate.standard_error for row in rows])
    return [
        [
            Text(name),
            mean,
            difference,
            share(row.estimate.truncated),
            f"{row.q_factors_per_decision:,}",
            milliseconds(row.milliseconds_per_decision),
        ]
        for (name, row), mean, difference in zip(found.rows.items(), means, _differences(rows), strict=True)
    ]


def _differences(rows: list[Row]) -> list[Text]:
    differences = [row.difference for row in rows if row.difference is not None]
    if not differences:
        return [Text("")]
    written = with_errors([d.mean for d in differences], [d.standard_error for d in differences], signed=True)
    return [Text(""), *(Text(text, style=_style(d)) for text, d in zip(written, differences, strict=True))]


def _style(difference: Any) -> str:
    if abs(difference.mean) > STRIKING * difference.standard_error:
        return "green" if difference.mean < 0 else "red"
    return ""


def _notes(found: st.Comparison) -> list[str]:
    heavy = max(row.estimate.tail_weight for row in found.rows.values())
    if heavy <= HEAVY_TAIL:
        return []
    return [
        "Truncated episodes were cut, and what would have followed is not counted: compare costs only where none is "
        f"truncated, or with a longer --horizon (what was cut off weighs up to {share(heavy)})."
    ]


def _say_compile_times(found: st.Comparison) -> None:
    seconds = {name: row.compile_seconds for name, row in found.rows.items()}
    each = ", ".join(f"{name} {spent:.1f}" for name, spent in seconds.items())
    kept = "; kept for the next run" if keeps_compiled_programs() else ""
    say(f"compiled in {sum(seconds.values()):.1f} s ({each}){kept}.")
