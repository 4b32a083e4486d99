"""Readers of `.pomdp` and `.mdp` (Cassandra) and `.dpomdp` (MADP) files; those of `.pomdpx` are in `_pomdpx`.

A file without observations is a Markov decision process (`.mdp`): it has no `O`, and its `R` is over actions, states
and next states.

In both formats, later entries override earlier ones. Rewards become costs here; all other code has costs only.

Sources: A. Cassandra, POMDP file format, pomdp.org, 1994 to 2005; F. Oliehoek and M. Spaan, The MultiAgent Decision
Process toolbox: software for decision-theoretic planning in multiagent systems, AAMAS workshop, 2008, example.dpomdp.
"""

import math
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from seriatim._arguments import seconds_of
from seriatim._errors import InputError
from seriatim._files import as_path
from seriatim.formats._axes import Axis, make_axis
from seriatim.formats._elements import ALL, make_elements
from seriatim.formats._entries import Entry, read_entry
from seriatim.formats._pomdpx import load_pomdpx
from seriatim.formats._preamble import MAX_NUMBERS, Preamble, read_preamble
from seriatim.formats._source import Sections, Source, read_source, sections
from seriatim.formats._tables import TeamTables, wrong_rows
from seriatim.formats._team_pomdp import TeamPOMDP

SUFFIXES = (".pomdp", ".dpomdp", ".mdp", ".pomdpx")
# Wildcards let a small file set any number of numbers. This many take seconds.
MAX_WRITES = 3_000_000_000


def load(path: str | Path, *, max_seconds: float | int | None = None) -> TeamPOMDP:
    """Read a `.pomdp`, `.dpomdp`, `.mdp` or `.pomdpx` file as a model whose costs are to be minimised.

    All forms of the formats are read, except decision diagrams in `.pomdpx`: names, numbers and `*`; single numbers,
    rows and matrices; `uniform`, `identity` and `reset`; all kinds of `start`. The sum of a row may differ from one by
    1e-4, for rounding; the model normalises rows. A reward that depends on the observation is replaced by its
    expectation. The state of an `.mdp` file is observed, and that of a `.pomdpx` file if all its state variables are.

    Args:
        path: of the file.
        max_seconds: seconds after which reading is given up; None is no limit. Making a model of the numbers that were
            read takes a few seconds more for the largest files.

    Raises:
        InputError: the file is missing, of another suffix, not text, or malformed, its tables would have more than
            30 million numbers, or the time was over; the sentence gives the line.
    """
    latest = time.monotonic() + seconds_of(max_seconds)
    suffix = as_path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(
            f"{path}: the name ends in {suffix or 'no suffix'!r}; .pomdp, .dpomdp, .mdp or .pomdpx is expected."
        )
    if suffix == ".pomdpx":
        return TeamPOMDP(*load_pomdpx(path, latest))
    source = read_source(path, f"a problem ({suffix})", latest)
    found = sections(source)
    preamble = read_preamble(source, found, is_team=suffix == ".dpomdp", is_observed=suffix == ".mdp")
    tables = _tables(source, found, preamble) if suffix != ".mdp" else _observed_tables(source, found, preamble)
    return TeamPOMDP(tables, preamble.discount, suffix == ".mdp")


def _tables(source: Source, found: Sections, preamble: Preamble) -> TeamTables:
    actions, states = make_axis(preamble.actions), make_axis((preamble.states,))
    seen = make_axis(preamble.observations)
    transition = _distributions(source, found, "T", (actions, states, make_axis((preamble.states,))), preamble)
    observation = _distributions(source, found, "O", (actions, states, seen), preamble)
    return TeamTables(
        transition=transition,
        observation=observation,
        cost=preamble.sign * _values(source, found, (actions, states, states, seen), preamble, observation),
        start=preamble.start,
        states=preamble.states.names,
        actions=tuple(one.names for one in preamble.actions),
        observations=tuple(one.names for one in preamble.observations),
        agents=preamble.agents,
    )


def _observed_tables(source: Source, found: Sections, preamble: Preamble) -> TeamTables:
    """Return the tables of a file without observations: the observation is the state."""
    for section in found.of("O"):
        raise source.mistake(section.offset, "'O:' stands in a file without observations; name the file .pomdp.")
    actions, states, after = make_axis(preamble.actions), make_axis((preamble.states,)), make_axis((preamble.states,))
    transition = _distributions(source, found, "T", (actions, states, after), preamble)
    observation = np.broadcast_to(np.eye(states.size), transition.shape)
    # An axis of one observation, which no entry needs to name, lets rows and matrices of R run over next states.
    nothing = make_axis((make_elements("observation", ("0",)),))
    return TeamTables(
        transition=transition,
        observation=observation,
        cost=preamble.sign * _values(source, found, (actions, states, after, nothing), preamble, observation),
        start=preamble.start,
        states=preamble.states.names,
        actions=tuple(one.names for one in preamble.actions),
        observations=(preamble.states.names,),
    )


def _distributions(
    source: Source, found: Sections, keyword: str, axes: tuple[Axis, ...], preamble: Preamble
) -> Float[np.ndarray, "a s k"]:
    """Fill the table of one keyword, and check that its rows sum to one."""
    actions, states, last = axes
    table = np.zeros((*actions.shape, *states.shape, *last.shape))
    lines = np.zeros(table.shape[: len(actions.parts) + 1], np.int32)
    entries = _entries(source, found, keyword, axes, preamble)
    _write(source, table, entries, lines)
    rows = table.reshape(actions.size, states.size, last.size)
    _check_rows(source, keyword, rows, lines.reshape(rows.shape[:2]), axes)
    return rows


def _entries(
    source: Source, found: Sections, keyword: str, axes: tuple[Axis, ...], preamble: Preamble
) -> Iterator[Entry]:
    for section in found.of(keyword):
        source.require_time(section.offset)
        yield read_entry(source, section, axes, preamble.start)


def _write(
    source: Source,
    table: Float[np.ndarray, "..."],
    entries: Iterable[Entry],
    lines: Int[np.ndarray, "..."] | None = None,
) -> None:
    """Write entries in the order of the file, so that later ones override earlier ones."""
    written = 0
    for entry in entries:
        table[entry.selectors] = entry.values
        # The line of the last entry of each row is kept for the message about its sum.
        if lines is not None:
            lines[entry.selectors[: lines.ndim]] = source.line(entry.offset)
        # Entries of single numbers are limited by the size of the file. Only others are counted.
        if ALL in entry.selectors or len(entry.selectors) < table.ndim:
            written += table[entry.selectors].size
        if written > MAX_WRITES:
            raise source.mistake(
                entry.offset, f"up to here, entries have set {written:,} numbers; write fewer of them with *."
            )


def _check_rows(
    source: Source,
    keyword: str,
    rows: Float[np.ndarray, "a s k"],
    lines: Int[np.ndarray, "a s"],
    axes: tuple[Axis, ...],
) -> None:
    odd = np.argwhere(wrong_rows(rows))
    if not len(odd):
        return
    a, s = odd[0]
    actions, states, last = axes
    names = [part.names[i] for part, i in zip(actions.parts, np.unravel_index(a, actions.shape), strict=True)]
    row = f"{' '.join(names)} : {states.parts[0].names[s]}"
    line = lines[a, s] or source.line(len(source.text))
    last_set = "" if lines[a, s] else "no entry sets it up to here, "
    raise InputError(
        f"{source.path}, line {line}: the probabilities of {keyword}: {row} sum to {rows[a, s].sum():g}, "
        f"{last_set}and must sum to 1 over the {last.size} {last.kind}s; set all of them."
    )


def _values(
    source: Source,
    found: Sections,
    axes: tuple[Axis, ...],
    preamble: Preamble,
    observation: Float[np.ndarray, "a s o"],
) -> Float[np.ndarray, "a s s"]:
    """Return the expected values of R over observations.

    Axes on which no entry depends have length 1 in the table, because a table of all axes would seldom fit the memory.
    """
    entries = list(_entries(source, found, "R", axes, preamble))
    actions, states, after, seen = axes
    # `first` is the dimension of the next state. Those of observations follow it.
    first = len(actions.parts) + 1
    is_seen = any(_depends(entry, first + 1) for entry in entries)
    is_after = is_seen or any(_depends(entry, first) for entry in entries)
    of_seen = seen.shape if is_seen else (1,) * len(seen.parts)
    shape = (*actions.shape, states.size, after.size if is_after else 1, *of_seen)
    if math.prod(shape) > MAX_NUMBERS:
        raise source.mistake(
            entries[0].offset,
            f"rewards that depend on states, next states and observations need {math.prod(shape):,} numbers; at most "
            f"{MAX_NUMBERS:,} can be read, so write * for the observation.",
        )
    table = np.zeros(shape)
    _write(source, table, entries)
    values = table.reshape(actions.size, states.size, shape[first], -1)
    if is_seen:
        # Rows of a file are rounded, so they are normalised for the expectation.
        chances = observation / observation.sum(axis=2, keepdims=True)
        return np.asarray(np.einsum("asto,ato->ast", values, chances))
    return np.broadcast_to(values[..., 0], (actions.size, states.size, states.size))


def _depends(entry: Entry, dimension: int) -> bool:
    """Say whether the values of an entry differ along the dimensions from this one on."""
    return isinstance(entry.values, np.ndarray) or any(one != ALL for one in entry.selectors[dimension:])
