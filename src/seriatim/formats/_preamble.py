"""The preamble of a problem file: agents, discount, sign of the values, states, controls, observations, start.

    agents: 2                 discount: 0.95            values: reward
    states: left right        start: uniform            (or probabilities, one state, include: or exclude: states)
    actions:                  observations:
    listen open               2
    listen open shout         2

With several agents, controls and observations have one line for each agent. With one agent, they may take several.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from seriatim.formats._elements import ALL, MAX_AGENTS, Elements, declared
from seriatim.formats._lines import quoted
from seriatim.formats._numbers import ROUNDING, check_probabilities, number, numbers
from seriatim.formats._source import PREAMBLE, Section, Sections, Source, offset_of_word, words_of

# The most numbers of all tables, of 8 bytes each. The largest published problem has a tenth of this.
MAX_NUMBERS = 30_000_000


class Preamble(NamedTuple):
    """The declarations of a file; `sign` turns its values into costs."""

    discount: float
    sign: float
    agents: tuple[str, ...]
    states: Elements
    actions: tuple[Elements, ...]
    observations: tuple[Elements, ...]
    start: Float[np.ndarray, " s"]


def read_preamble(source: Source, found: Sections, *, is_team: bool, is_observed: bool = False) -> Preamble:
    """Read the declarations; `is_team` requires agents and a start, `is_observed` forbids observations.

    Without observations in the file, those of the preamble are the states.

    Raises:
        InputError: one is missing, given twice, or malformed, or tables of these sizes would not fit the memory.
    """
    by_word = _once(source, found.of(*PREAMBLE))
    for section in by_word.values():
        _refuse_colons(source, section)
    if is_observed and "observations" in by_word:
        raise source.mistake(by_word["observations"].offset, "an .mdp file has no observations; name the file .pomdp.")
    unneeded = (() if is_team else ("agents", "start")) + (("observations",) if is_observed else ())
    needed = [word for word in PREAMBLE if word not in unneeded]
    for word in needed:
        if word not in by_word:
            line = source.line(len(source.text))
            raise source.mistake(
                len(source.text), f"the file ends on line {line} without '{word}:'; add it before the first T."
            )
    agents = _agents(source, by_word.get("agents"), is_team=is_team)
    states = _declared_once(source, by_word["states"], "state")
    actions = _each(source, by_word["actions"], "action", len(agents))
    seen = by_word.get("observations")
    observations = (states,) if seen is None else _each(source, seen, "observation", len(agents))
    _check_sizes(source, by_word["states"], states, actions, observations)
    return Preamble(
        discount=_discount(source, by_word["discount"]),
        sign=_sign(source, by_word["values"]),
        agents=agents,
        states=states,
        actions=actions,
        observations=observations,
        start=_start(source, by_word.get("start"), states),
    )


def _once(source: Source, found: Iterable[Section]) -> dict[str, Section]:
    by_word: dict[str, Section] = {}
    for section in found:
        word = section.keyword.split()[0]
        if word in by_word:
            first = source.line(by_word[word].offset)
            raise source.mistake(section.offset, f"'{word}:' stands here and on line {first}; leave one of them out.")
        by_word[word] = section
    return by_word


def _refuse_colons(source: Source, section: Section) -> None:
    """Refuse a colon in a declaration: it ends a word that was meant as a keyword and is none."""
    before, colon, _ = section.body.partition(":")
    if colon:
        words = words_of(before)
        seen = quoted(words[-1] if words else ":")
        where = section.start + max(len(before.rstrip()) - 1, 0)
        known = ", ".join(f"{word}:" for word in (*PREAMBLE, "T", "O", "R"))
        raise source.mistake(where, f"{seen} stands before a colon and is no keyword; write one of {known}.")


def _agents(source: Source, section: Section | None, *, is_team: bool) -> tuple[str, ...]:
    if section is None:
        return ("0",)
    agents = _declared_once(source, section, "agent").names
    if len(agents) > MAX_AGENTS:
        raise source.mistake(section.offset, f"there are {len(agents):,} agents; at most {MAX_AGENTS} can be read.")
    if len(agents) > 1 and not is_team:
        raise source.mistake(section.offset, f"such a file has one agent, not {len(agents)}; name the file .dpomdp.")
    return agents


def _declared_once(source: Source, section: Section, kind: str) -> Elements:
    return declared(source, section, kind, section.body, section.start)


def _each(source: Source, section: Section, kind: str, count: int) -> tuple[Elements, ...]:
    """Read one declaration for each agent; several agents have one line each."""
    if count == 1:
        return (_declared_once(source, section, kind),)
    lines, start = [], section.start
    for line in section.body.split("\n"):
        if words_of(line):
            lines.append((line, start))
        start += len(line) + 1
    if len(lines) != count:
        raise source.mistake(
            section.offset,
            f"'{section.keyword}:' is followed by {len(lines)} lines for {count} agents; write one line each.",
        )
    return tuple(declared(source, section, kind, line, start) for line, start in lines)


def _check_sizes(
    source: Source,
    section: Section,
    states: Elements,
    actions: tuple[Elements, ...],
    observations: tuple[Elements, ...],
) -> None:
    s, a = states.size, math.prod(one.size for one in actions)
    o = math.prod(one.size for one in observations)
    size = a * s * (s + o)
    if size > MAX_NUMBERS:
        raise source.mistake(
            section.offset,
            f"{s:,} states, {a:,} joint actions and {o:,} joint observations need {size:,} numbers; at most "
            f"{MAX_NUMBERS:,} can be read, so make the problem smaller.",
        )


def _discount(source: Source, section: Section) -> float:
    words = words_of(section.body)
    value = number(words[0]) if len(words) == 1 else None
    if value is None or not 0 < value <= 1:
        seen = quoted(" ".join(words)) if words else "nothing"
        raise source.mistake(section.offset, f"the discount is {seen}; write a number above 0 and at most 1.")
    return value


def _sign(source: Source, section: Section) -> float:
    words = [word.strip('"') for word in words_of(section.body)]
    if words not in (["reward"], ["cost"]):
        seen = quoted(" ".join(words)) if words else "nothing"
        raise source.mistake(section.offset, f"the values are {seen}; write 'values: reward' or 'values: cost'.")
    return -1.0 if words == ["reward"] else 1.0


def _start(source: Source, section: Section | None, states: Elements) -> Float[np.ndarray, " s"]:
    """Return the distribution of the first state, uniform if the file has no `start`."""
    if section is None:
        return np.full(states.size, 1 / states.size)
    words = words_of(section.body)
    if not words:
        raise source.mistake(
            section.offset, "'start:' is followed by nothing; write uniform, a state, or a probability each."
        )
    if section.keyword != "start":
        return _subset(source, section, words, states)
    if len(words) > 1:
        return _probabilities(source, section, words, states)
    alone = words[0].strip('"')
    if alone == "uniform" and alone not in states.names:
        return np.full(states.size, 1 / states.size)
    at = states.select(words[0])
    if at is not None and at != ALL:
        return np.eye(states.size)[at]
    if states.size == 1 and number(words[0]) is not None:
        return _probabilities(source, section, words, states)
    where = section.start + offset_of_word(section.body, 0)
    raise source.mistake(
        where, f"{quoted(words[0])} is no start; write uniform, probabilities, or one of {states.expected()}."
    )


def _probabilities(source: Source, section: Section, words: list[str], states: Elements) -> Float[np.ndarray, " s"]:
    if len(words) != states.size:
        raise source.mistake(
            section.offset, f"'start:' gives {len(words)} probabilities for {states.size} states; write one for each."
        )
    chances = numbers(source, words, section.body, section.start)
    check_probabilities(source, chances, section.body, section.start)
    if abs(chances.sum() - 1) > ROUNDING:
        raise source.mistake(
            section.offset, f"the probabilities of the start sum to {chances.sum():g}; make them sum to 1."
        )
    return chances


def _subset(source: Source, section: Section, words: list[str], states: Elements) -> Float[np.ndarray, " s"]:
    chosen = np.zeros(states.size, bool)
    for place, word in enumerate(words):
        at = states.select(word)
        if at is None:
            where = section.start + offset_of_word(section.body, place)
            raise source.mistake(where, f"{quoted(word)} is no state; write one of {states.expected()}.")
        chosen[at] = True
    possible = chosen if section.keyword == "start include" else ~chosen
    if not possible.any():
        raise source.mistake(section.offset, f"'{section.keyword}:' leaves no state to start from; leave one at least.")
    return np.asarray(possible / possible.sum())
