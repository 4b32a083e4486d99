"""Problem files of a megabyte: how long `st.formats.load` takes, beside splitting the same text into words.

The three extremes of the formats: a number a line (names looked up all the time), matrices (nearly all numbers), and a
team's file. Splitting the text into words is what every reader has to do at the least. Times are the processor's.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import seriatim as st
from benchmarks._results import Row, publish
from benchmarks._timing import in_turns

SIZE = 1_000_000
ROUNDS = 5
COLUMNS = {"file": "", "states": ",d", "MB": ".2f", "entries": ",d", "split, ms": ".1f", "load, s": ".2f"}


def single_numbers() -> str:
    """A .pomdp file with a line for each probability."""
    states, actions = 120, 3
    head = [f"states: {' '.join(f'state-{s}' for s in range(states))}", f"actions: {actions}", "observations: 2"]
    return _file(head, _entries(states, actions, ""), "O: * uniform")


def matrices() -> str:
    """A .pomdp file of matrices."""
    states, actions = 120, 10
    rng = np.random.default_rng(0)
    head = [f"states: {states}", f"actions: {actions}", "observations: 2"]
    written = (
        f"T: {a}\n"
        + "\n".join(" ".join(map(repr, row)) for row in rng.dirichlet(np.ones(states), states).round(7).tolist())
        for a in range(actions)
    )
    return _file(head, written, "O: * uniform")


def team() -> str:
    """A .dpomdp file of two agents with a line for each probability."""
    states = 60
    head = ["agents: 2", f"states: {states}", "start:\nuniform", "actions:\n3\nup down left", "observations:\n2\n2"]
    return _file(head, _entries(states, 9, " :"), "O: * :\nuniform")


def _entries(states: int, actions: int, before: str) -> Iterator[str]:
    rng = np.random.default_rng(0)
    for a in range(actions):
        for s, row in enumerate(rng.dirichlet(np.ones(states), states).round(7)):
            yield from (f"T: {a} : {s} : {after}{before} {chance:.7f}" for after, chance in enumerate(row))


def _file(head: list[str], entries: Iterator[str], tail: str) -> str:
    """Write a file, repeating its entries until it has the size: later ones override earlier ones."""
    body = "\n".join(entries)
    times = max(1, round(SIZE / len(body)))
    return "\n".join(["discount: 0.95", "values: reward", *head, *[body] * times, tail]) + "\n"


def measure() -> list[Row]:
    files = {"single.pomdp": single_numbers(), "matrices.pomdp": matrices(), "team.dpomdp": team()}
    with tempfile.TemporaryDirectory() as folder:
        return [_row(Path(folder) / name, text) for name, text in files.items()]


def _row(place: Path, text: str) -> Row:
    place.write_text(text)
    model = st.formats.load(place)  # the first call starts JAX
    seconds = in_turns({"split": text.split, "load": lambda: st.formats.load(place)}, ROUNDS, clock=time.process_time)
    return {
        "file": place.name,
        "states": len(model.tables.states),
        "MB": len(text) / 1e6,
        "entries": text.count("T:"),
        "split, ms": 1e3 * seconds["split"],
        "load, s": seconds["load"],
    }


def main(*, redraw: bool = False) -> None:
    publish("problem-files", COLUMNS, measure, redraw=redraw, page="problem-files.md")
