"""Reader of `.pomdpx`: problems whose states, actions and observations are several variables, in XML.

    <StateVar vnamePrev="s0" vnameCurr="s1" fullyObs="false"> <NumValues>2</NumValues> </StateVar>
    P(s1 | ...) = product of the conditionals of all state variables,   reward = sum of all reward variables

The product of the variables is written out (`_factors`): a state is a combination of values, the last variable running
fastest, and so are actions and observations. A state variable that is fully observed becomes part of the observation.
If all state variables are, the problem is a Markov decision process.

Source: Approximate POMDP Planning toolkit (APPL), PomdpX file format, version 1.0, 2011 to 2014.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from seriatim.formats._elements import MAX_ELEMENTS, is_name
from seriatim.formats._factors import Factor, Variable, conditional, function, joined, normalised
from seriatim.formats._lines import quoted, whole_number
from seriatim.formats._numbers import number
from seriatim.formats._preamble import MAX_NUMBERS
from seriatim.formats._tables import TeamTables
from seriatim.formats._xml import Document, Element

SECTIONS = (
    "Description",
    "Discount",
    "Variable",
    "InitialStateBelief",
    "StateTransitionFunction",
    "ObsFunction",
    "RewardFunction",
)
# Four groups of so many variables make 32 axes, which arrays of every version of NumPy can have.
MAX_VARIABLES = 8
# The number of rewards is limited, because each may have as many numbers as all other tables.
MAX_REWARDS = 64


class _Variables(NamedTuple):
    """The declared variables. State variables have one name before a stage and one after; `seen` are fully observed."""

    before: list[Variable]
    after: list[Variable]
    seen: list[bool]
    actions: list[Variable]
    observations: list[Variable]
    rewards: list[str]


def load_pomdpx(path: str | Path, latest: float = math.inf) -> tuple[TeamTables, float, bool]:
    """Read a `.pomdpx` file: its tables, its discount, and whether all state variables are fully observed.

    Raises:
        InputError: the file is missing or malformed, its tables would be too large, it has decision diagrams, or it is
            not read at the time `latest` on the monotonic clock.
    """
    file = Document(path, "a problem (.pomdpx)", "pomdpx", latest)
    file.refuse_others(file.root, *SECTIONS)
    variables = _read_variables(file)
    _check_sizes(file, variables)
    of_start = _conditionals(file, "InitialStateBelief", variables.before, variables.before)
    start = _product(of_start, [variables.before])
    _check_seen_at_start(file, variables, start)
    moves = [*variables.actions, *variables.before, *variables.after]
    of_moves = _conditionals(file, "StateTransitionFunction", moves, variables.after)
    transition = _product(of_moves, [variables.actions, variables.before, variables.after])
    sights = [*variables.actions, *variables.after, *variables.observations]
    of_sights = _conditionals(file, "ObsFunction", sights, variables.observations)
    observation = _product(of_sights, [variables.actions, variables.after, variables.observations])
    tables = TeamTables(
        transition=transition,
        observation=_with_seen(variables, observation),
        # Files have rewards, models have costs.
        cost=-_rewards(file, variables, observation),
        start=start,
        states=_names(variables.before),
        actions=(_names(variables.actions),),
        observations=(_names([*variables.observations, *_seen(variables)]),),
    )
    return tables, _discount(file), all(variables.seen)


def _discount(file: Document) -> float:
    given = file.only(file.root, "Discount")
    value = number(given.text.strip())
    if value is None or not 0 < value <= 1:
        raise file.mistake(
            given.line, f"the discount is {quoted(given.text.strip())}; write a number above 0 and at most 1."
        )
    return value


def _read_variables(file: Document) -> _Variables:
    section = file.only(file.root, "Variable")
    file.refuse_others(section, "StateVar", "ActionVar", "ObsVar", "RewardVar")
    states = file.all(section, "StateVar")
    found = _Variables(
        before=[_declared(file, one, "vnamePrev", "s") for one in states],
        after=[_declared(file, one, "vnameCurr", "s") for one in states],
        seen=[_is_seen(file, one) for one in states],
        actions=[_declared(file, one, "vname", "a") for one in file.all(section, "ActionVar")],
        observations=[_declared(file, one, "vname", "o") for one in file.all(section, "ObsVar")],
        rewards=[_name(file, one, "vname") for one in file.all(section, "RewardVar")],
    )
    for kind, given in (("StateVar", found.before), ("ActionVar", found.actions), ("RewardVar", found.rewards)):
        if not given:
            raise file.mistake(section.line, f"<Variable> has no <{kind}>; write one at least.")
    _check_unique(file, section, found)
    return found


def _check_unique(file: Document, section: Element, found: _Variables) -> None:
    """Refuse too many variables, and two variables of one name."""
    for kind, count, most in (
        ("StateVar", len(found.before), MAX_VARIABLES),
        ("ActionVar", len(found.actions), MAX_VARIABLES),
        ("ObsVar", len(found.observations), MAX_VARIABLES),
        ("RewardVar", len(found.rewards), MAX_REWARDS),
    ):
        if count > most:
            raise file.mistake(section.line, f"there are {count:,} <{kind}>; at most {most} can be read.")
    names = [*(one.name for one in _every(found)), *found.rewards]
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise file.mistake(section.line, f"{quoted(twice)} names two variables; rename one.")


def _every(variables: _Variables) -> list[Variable]:
    return [*variables.actions, *variables.before, *variables.after, *variables.observations]


def _name(file: Document, element: Element, attribute: str) -> str:
    name = element.attributes.get(attribute, "").strip()
    if not is_name(name) or name == "null":
        raise file.mistake(element.line, f"<{element.tag}> has {attribute}={name!r}; give it a name without spaces.")
    return name


def _is_seen(file: Document, element: Element) -> bool:
    given = element.attributes.get("fullyObs", "false").strip()
    if given not in ("true", "false"):
        raise file.mistake(element.line, f"fullyObs is {quoted(given)}; write true or false.")
    return given == "true"


def _declared(file: Document, element: Element, attribute: str, letter: str) -> Variable:
    """Read a variable: the names of its values or their number, in which case the format calls them s0, s1, ..."""
    file.refuse_others(element, "NumValues", "ValueEnum")
    if len(element.children) != 1:
        raise file.mistake(element.line, f"<{element.tag}> needs one of <NumValues> and <ValueEnum>; write it.")
    (given,) = element.children
    name, words = _name(file, element, attribute), given.words()
    if given.tag == "NumValues":
        count = whole_number(given.text.strip())
        if not count or count > MAX_ELEMENTS:
            raise file.mistake(
                given.line, f"{quoted(given.text.strip())} values; write a whole number from 1 to {MAX_ELEMENTS:,}."
            )
        return Variable(name, tuple(f"{letter}{i}" for i in range(count)), element.line)
    wrong = next((word for word in words if not is_name(word) or word == "-"), None)
    if wrong is not None or not 0 < len(words) == len(set(words)) <= MAX_ELEMENTS:
        seen = quoted(wrong) if wrong is not None else f"{len(words):,} values, {len(set(words)):,} of them different"
        raise file.mistake(
            given.line, f"<ValueEnum> has {seen}; write different names without colon, comma, quote or #."
        )
    return Variable(name, tuple(words), element.line)


def _size(variables: Sequence[Variable]) -> int:
    return math.prod(len(one.values) for one in variables)


def _seen(variables: _Variables) -> list[Variable]:
    return [one for one, seen in zip(variables.after, variables.seen, strict=True) if seen]


def _check_sizes(file: Document, variables: _Variables) -> None:
    s, a = _size(variables.before), _size(variables.actions)
    o = _size(variables.observations) * _size(_seen(variables))
    size = a * s * (s + o)
    if size > MAX_NUMBERS or max(s, a, o) > MAX_ELEMENTS:
        raise file.mistake(
            file.only(file.root, "Variable").line,
            f"all combinations make {s:,} states, {a:,} actions and {o:,} observations, which need {size:,} numbers; "
            f"at most {MAX_NUMBERS:,}, and {MAX_ELEMENTS:,} of each, can be read, so make the problem smaller.",
        )


def _conditionals(file: Document, tag: str, known: Sequence[Variable], own: Sequence[Variable]) -> list[Factor]:
    """Read the conditionals of one section: one for each of its own variables, without circular dependence."""
    if not own and not file.all(file.root, tag):
        return []
    section = file.only(file.root, tag)
    file.refuse_others(section, "CondProb")
    names, by_name = [one.name for one in own], {one.name: one for one in known}
    found: dict[str, Factor] = {}
    for element in section.children:
        factor = conditional(file, element, by_name, names)
        if factor.axes[-1] in found:
            raise file.mistake(factor.line, f"{factor.axes[-1]} has its probabilities already; leave one of them out.")
        # The numbers of a single conditional stay as they are in the file; the model normalises them.
        found[factor.axes[-1]] = factor if len(own) == 1 else normalised(factor)
        _check_total(file, factor.line, found)
    _check_all(file, section, found, names)
    _check_order(file, found)
    return list(found.values())


def _check_total(file: Document, line: int, found: Mapping[str, Factor]) -> None:
    total = sum(factor.table.size for factor in found.values())
    if total > MAX_NUMBERS:
        raise file.mistake(
            line, f"up to here, tables have {total:,} numbers; at most {MAX_NUMBERS:,} can be read: depend on less."
        )


def _check_all(file: Document, section: Element, found: Mapping[str, Factor], names: Sequence[str]) -> None:
    for name in names:
        if name not in found:
            raise file.mistake(section.line, f"<{section.tag}> says nothing of {name}; write its table.")


def _check_order(file: Document, found: Mapping[str, Factor]) -> None:
    """Refuse variables of one moment that depend on each other in a circle."""
    # Variables that depend on no waiting one are taken out, round after round. Only a circle is left over.
    waiting = dict(found)
    while waiting:
        free = [name for name, factor in waiting.items() if not waiting.keys() & set(factor.axes[:-1])]
        if not free:
            name, factor = next(iter(waiting.items()))
            raise file.mistake(factor.line, f"{name} depends on itself, by way of others; break the circle.")
        for name in free:
            del waiting[name]


def _product(factors: Sequence[Factor], groups: Sequence[Sequence[Variable]]) -> Float[np.ndarray, "..."]:
    # A group that a factor does not depend on has length 1 there, so the products broadcast.
    table = np.ones([_size(group) for group in groups])
    for factor in factors:
        table *= joined(factor, groups)
    return table


def _check_seen_at_start(file: Document, variables: _Variables, start: Float[np.ndarray, " s"]) -> None:
    """Refuse a fully observed variable whose first value is random: nothing is observed before the first stage."""
    if all(variables.seen):
        return
    possible = np.array(np.unravel_index(np.flatnonzero(start), [len(one.values) for one in variables.before]))
    for one, seen, values in zip(variables.before, variables.seen, possible, strict=True):
        if seen and len(np.unique(values)) > 1:
            raise file.mistake(
                file.only(file.root, "InitialStateBelief").line,
                f"{one.name} is fully observed and its first value is random, which no table of hidden states can say; "
                "give it one first value.",
            )


def _with_seen(variables: _Variables, observation: Float[np.ndarray, "a s o"]) -> Float[np.ndarray, "a s p"]:
    """Make the fully observed state variables part of the observation."""
    seen = _seen(variables)
    a, s, o = observation.shape
    digits = np.unravel_index(np.arange(s), [len(one.values) for one in variables.after])
    kept = [values for values, is_seen in zip(digits, variables.seen, strict=True) if is_seen]
    if not seen:
        return observation
    number_seen = np.ravel_multi_index(kept, [len(one.values) for one in seen])
    table = np.zeros((a, s, o, _size(seen)))
    # Index arrays that a slice separates put their common axis first, so the states come first on the right side too.
    table[:, np.arange(s), :, number_seen] = np.moveaxis(observation, 1, 0)
    return table.reshape(a, s, -1)


def _rewards(
    file: Document, variables: _Variables, observation: Float[np.ndarray, "a s o"]
) -> Float[np.ndarray, "a s s"]:
    """Return the sum of all rewards, in expectation over observations."""
    section = file.only(file.root, "RewardFunction")
    file.refuse_others(section, "Func")
    groups = [variables.actions, variables.before, variables.after, variables.observations]
    # The sum keeps length 1 on the axes of groups that no reward depends on, and so often saves much memory.
    known, total = {one.name: one for one in _every(variables)}, np.zeros((1, 1, 1, 1))
    told: dict[str, Factor] = {}
    for element in section.children:
        reward, factor = function(file, element, known, variables.rewards)
        if reward in told:
            raise file.mistake(element.line, f"{reward} has its values already; leave one of them out.")
        told[reward] = factor
        part = joined(factor, groups)
        if math.prod(np.broadcast_shapes(total.shape, part.shape)) > MAX_NUMBERS:
            raise file.mistake(
                element.line, f"rewards need more than {MAX_NUMBERS:,} numbers; let them depend on less."
            )
        total = total + part
    _check_all(file, section, told, variables.rewards)
    a, s, o = observation.shape
    # Without a dependence on observations there is no expectation to take.
    if total.shape[3] == 1:
        return np.broadcast_to(total[..., 0], (a, s, s))
    chances = observation / observation.sum(axis=2, keepdims=True)
    return np.asarray(np.einsum("asto,ato->ast", np.broadcast_to(total, (a, s, s, o)), chances))


def _names(variables: Sequence[Variable]) -> tuple[str, ...]:
    """Name the combinations of values; without any variable there is a single one."""
    if not variables:
        return ("nothing",)
    names = tuple("/".join(values) for values in itertools.product(*(one.values for one in variables)))
    return names if len(set(names)) == len(names) else tuple(map(str, range(len(names))))
