"""`seriatim compare`: policies side by side on the same episodes."""

from collections.abc import Mapping
from typing import Any

import jax
from rich.text import Text

import seriatim as st
from seriatim.cli._faults import INTERRUPTED, exit_with, say
from seriatim.cli._jax import keeps_compiled_programs
from seriatim.cli._load import Loaded, load, over_stages, title
from seriatim.cli._options import Planning, Problem
from seriatim.cli._output import console, milliseconds, plural, print_json, print_table, share, with_errors
from seriatim.cli._policies import make_policies, read_names
from seriatim.cli._progress import Show, progress
from seriatim.evaluation import Interrupted
from seriatim.evaluation._compare import Row

# A difference of more standard errors than this is coloured. Without a true difference, one in 20 is.
STRIKING = 1.96
# A warning is given if the stages that were cut off have a larger weight than this.
HEAVY_TAIL = 1e-3


def compare(problem: Problem, planning: Planning, *, policies: str, episodes: int, horizon: int | None) -> None:
    """Compare policies and print the result; after Ctrl-C, print that of the policies evaluated so far."""
    key = jax.random.key(problem.seed)
    with progress() as show:
        show("checking the model")
        loaded = load(problem)
        names = read_names(policies, loaded.module)
        st.check_model(loaded.model, key, quick=True).raise_if_broken()
        loaded, horizon = over_stages(loaded, horizon)
        made = make_policies(names, loaded, problem.base, planning, key)
        show("checking the model", 1, 1)
        found = _compared(loaded.model, made, key, episodes=episodes, horizon=horizon, progress=_followed(show))
    interrupted = len(found.rows) < len(names)
    if problem.form == "json":
        head = {"model": loaded.name, "fields": loaded.fields, "seed": problem.seed, "reference": names[0]}
        print_json({**head, **found.as_dict(), "interrupted": interrupted})
    elif found.rows:
        _print_table(found, loaded, problem.seed)
    if interrupted:
        if problem.form == "table" and found.rows:
            print(f"\nInterrupted: {len(found.rows)} of {plural(len(names), 'policy', 'policies')} evaluated.")
        say("stopped.")
        exit_with(INTERRUPTED)
    _say_what_was_measured(found)


def _compared(model: Any, policies: Mapping[str, Any], key: Any, **settings: Any) -> st.Comparison:
    try:
        return st.compare(model, policies, key, **settings)
    except Interrupted as stopped:
        return stopped.finished


def _followed(show: Show) -> Any:
    """Follow one policy after the other."""

    def told(name: str, done: float | int, total: int) -> None:
        show(name, done, total, "" if 0 < done < total else "timing decisions" if done else "tracing and compiling")

    return told


def _print_table(found: st.Comparison, loaded: Loaded, seed: int) -> None:
    out = console()
    out.print(Text(title(loaded), style="bold"))
    out.print(f"{plural(found.episodes, 'episode')} of at most {plural(found.horizon, 'stage')}, seed {seed}")
    reference = next(iter(found.rows))
    counts = ("Q-factors\na decision", "ms a\ndecision")
    headings = ["policy", "mean cost", f"difference\nto {reference}", "truncated", *counts]
    rows = _rows(found)
    if len(rows) == 1:  # a single policy has no difference
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
    return [*_cut_off(found), *_not_compared(found)]


def _not_compared(found: st.Comparison) -> list[str]:
    """Write a note for each planner that simulated costs which are no numbers: its mean cost does not show them."""
    shares = {name: row.estimate.incomparable for name, row in found.rows.items()}
    return [
        f"{name} simulated costs that are nan or infinite in {share(part)} of its decisions, and could not compare the "
        "controls that lead there; look for them with seriatim check."
        for name, part in shares.items()
        if part
    ]


def _cut_off(found: st.Comparison) -> list[str]:
    heavy = max(row.estimate.tail_weight for row in found.rows.values())
    if heavy <= HEAVY_TAIL:
        return []
    return [
        "Truncated episodes were cut, and what would have followed is not counted: compare costs only where none is "
        f"truncated, or with a longer --horizon (what was cut off weighs up to {share(heavy)})."
    ]


def _say_what_was_measured(found: st.Comparison) -> None:
    rows = found.rows
    states = ", ".join(f"{name} {row.states_timed}" for name, row in rows.items())
    each = ", ".join(f"{name} {row.trace_seconds + row.compile_seconds:.1f}" for name, row in rows.items())
    traced, compiled = (
        sum(s) for s in zip(*((r.trace_seconds, r.compile_seconds) for r in rows.values()), strict=True)
    )
    kept = "; compiled programs are kept for the next run" if keeps_compiled_programs() else ""
    say(f"times of decisions are medians over states that the policy came to ({states}).")
    say(f"tracing took {traced:.1f} s and compiling {compiled:.1f} s ({each}){kept}.")
