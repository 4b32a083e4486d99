"""Tables over variables: a probability of one variable given others, or a value, as an array with named axes.

    <Var>b</Var> <Parent>a</Parent>        P(b | a), axes (a, b)
    <Instance>a1 -</Instance>              the selection: a value of each, `*` for all, `-` for all one by one
    <ProbTable>0.2 0.8</ProbTable>         one number for each selected by `-`, the last axis running fastest

Later entries override earlier ones; a number that no entry sets is zero. `joined` turns factors into tables of a whole
problem. It numbers the combinations of variables, the last running fastest.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from seriatim.formats._lines import quoted
from seriatim.formats._numbers import LARGEST, ROUNDING, number
from seriatim.formats._preamble import MAX_NUMBERS
from seriatim.formats._xml import Document, Element

# Wildcards let a small file set any number of numbers. This many take seconds.
MAX_WRITES = 3_000_000_000
ALL = slice(None)


class Variable(NamedTuple):
    """A variable: its name, its values, and the line that declares it."""

    name: str
    values: tuple[str, ...]
    line: int


class Factor(NamedTuple):
    """A table over variables, by their names; in a table of probabilities, the last variable is the one drawn."""

    line: int
    axes: tuple[str, ...]
    table: Float[np.ndarray, "..."]


def conditional(file: Document, element: Element, known: Mapping[str, Variable], own: Sequence[str]) -> Factor:
    """Read a `CondProb`: the probability of a variable, one of `own`, given others.

    Raises:
        InputError: a variable or value is unknown, a number is no probability, or a row does not sum to one.
    """
    file.refuse_others(element, "Var", "Parent", "Parameter")
    var = _variable(file, element, own)
    axes = (*_parents(file, element, known, var), var)
    factor = Factor(element.line, axes, _table(file, element, [known[axis] for axis in axes], "ProbTable"))
    _check_rows(file, factor, known)
    return factor


def function(file: Document, element: Element, known: Mapping[str, Variable], own: Sequence[str]) -> tuple[str, Factor]:
    """Read a `Func`: return which reward of `own` it is, and its values given other variables.

    Raises:
        InputError: a variable or value is unknown, or a word is no number.
    """
    file.refuse_others(element, "Var", "Parent", "Parameter")
    var = _variable(file, element, own)
    axes = _parents(file, element, known, var)
    return var, Factor(element.line, axes, _table(file, element, [known[axis] for axis in axes], "ValueTable"))


def joined(factor: Factor, groups: Sequence[Sequence[Variable]]) -> Float[np.ndarray, "..."]:
    """Return a factor with one axis for each group: all combinations of its variables, or length 1 if it has none."""
    # First one axis for each variable, in the order of the groups, of length 1 where the factor lacks the variable.
    order = [variable for group in groups for variable in group]
    present = [variable.name for variable in order if variable.name in factor.axes]
    table = factor.table.transpose([factor.axes.index(name) for name in present])
    table = table.reshape([len(one.values) if one.name in present else 1 for one in order])
    # Then a group of which any variable is present gets all of its combinations, and its axes become one.
    full = [len(one.values) if any(g.name in present for g in group) else 1 for group in groups for one in group]
    table = np.broadcast_to(table, full)
    ends = itertools.accumulate(map(len, groups), initial=0)
    return table.reshape([math.prod(full[a:b]) for a, b in itertools.pairwise(ends)])


def normalised(factor: Factor) -> Factor:
    """Make rounded rows sum to one: in a product of several factors, their rounding errors would add up."""
    return factor._replace(table=factor.table / factor.table.sum(axis=-1, keepdims=True))


def _variable(file: Document, element: Element, own: Sequence[str]) -> str:
    given = file.only(element, "Var")
    name = given.text.strip()
    if name not in own:
        raise file.mistake(given.line, f"{quoted(name)} is not what stands here; write one of {', '.join(own[:6])}.")
    return name


def _parents(file: Document, element: Element, known: Mapping[str, Variable], var: str) -> tuple[str, ...]:
    """Return the names of the variables that a variable depends on; `null` stands for none."""
    given = file.only(element, "Parent")
    names = given.words()
    if names == ["null"]:
        return ()
    for place, name in enumerate(names):
        if name not in known or name == var or name in names[:place]:
            can = ", ".join([*sorted(known.keys() - {var})[:8], "null"])
            raise file.mistake(
                given.line, f"{quoted(name)} is nothing that {var} can depend on, once; write some of {can}."
            )
    return tuple(names)


def _table(file: Document, element: Element, variables: Sequence[Variable], tag: str) -> Float[np.ndarray, "..."]:
    parameter = file.only(element, "Parameter")
    if parameter.attributes.get("type", "TBL").strip() != "TBL":
        raise file.mistake(parameter.line, "decision diagrams are not read; write a table, type='TBL'.")
    file.refuse_others(parameter, "Entry")
    shape = [len(variable.values) for variable in variables]
    if math.prod(shape) > MAX_NUMBERS:
        raise file.mistake(
            element.line, f"the table needs {math.prod(shape):,} numbers; at most {MAX_NUMBERS:,} can be read."
        )
    # Each variable's values have numbers, looked up for every entry of the file.
    table, places = np.zeros(shape), [{name: i for i, name in enumerate(one.values)} for one in variables]
    written = 0
    for entry in parameter.children:
        file.require_time(entry.line)
        written += _write(file, entry, table, variables, places, tag)
        if written > MAX_WRITES:
            raise file.mistake(entry.line, f"up to here, entries have set {written:,} numbers; write fewer with *.")
    return table


def _write(
    file: Document,
    entry: Element,
    table: Float[np.ndarray, "..."],
    variables: Sequence[Variable],
    places: Sequence[dict[str, int]],
    tag: str,
) -> int:
    """Write one entry; return how many numbers it set."""
    file.refuse_others(entry, "Instance", tag)
    instance, given = file.only(entry, "Instance"), file.only(entry, tag)
    words = instance.words()
    if len(words) != len(variables):
        names = " ".join(one.name for one in variables)
        raise file.mistake(instance.line, f"{len(words)} words stand for {names or 'nothing'}; write one for each.")
    selected: list[int | slice] = []
    for word, known, variable in zip(words, places, variables, strict=True):
        if word not in ("*", "-") and word not in known:
            can = ", ".join(variable.values[:6])
            raise file.mistake(instance.line, f"{quoted(word)} is no {variable.name}; write one of {can}, * or -.")
        selected.append(known.get(word, ALL))
    # `*` and `-` both select a whole axis. `-` needs a number for each value; `*` repeats one, by an axis of length 1.
    spread = [(word, n) for word, one, n in zip(words, selected, table.shape, strict=True) if one == ALL]
    shape = [n if word == "-" else 1 for word, n in spread]
    table[tuple(selected)] = _values(file, given, shape, len(variables[-1].values) if variables else 1)
    return math.prod(n for _, n in spread)


def _values(file: Document, given: Element, shape: Sequence[int], last: int) -> Float[np.ndarray, "..."]:
    """Return the numbers of an entry, in the shape that `-` selects."""
    words, is_chance = given.words(), given.tag == "ProbTable"
    if is_chance and words == ["uniform"]:
        return np.full(1, 1 / last).reshape([1] * len(shape))
    if is_chance and words == ["identity"]:
        # Axes of length 1 do not count: the others must be two of one size.
        sides = [n for n in shape if n > 1] or [1]
        if sides in ([1], [sides[0]] * 2):
            return np.eye(sides[0]).reshape(shape)
        raise file.mistake(given.line, "identity stands for a square matrix; write - for two variables of one size.")
    values = [number(word) for word in words]
    if len(values) != math.prod(shape):
        expected = " x ".join(map(str, shape)) or "1"
        raise file.mistake(given.line, f"{len(values):,} numbers stand here; write {math.prod(shape):,} ({expected}).")
    for word, value in zip(words, values, strict=True):
        if value is None or (is_chance and not 0 <= value <= 1 + ROUNDING):
            what = "probability from 0 to 1" if is_chance else f"number up to {LARGEST:g}"
            raise file.mistake(given.line, f"{quoted(word)} is no {what}; write one.")
    return np.array(values, float).reshape(shape)


def _check_rows(file: Document, factor: Factor, known: Mapping[str, Variable]) -> None:
    odd = np.argwhere(~(abs(factor.table.sum(axis=-1) - 1) <= ROUNDING))
    if not len(odd):
        return
    at = tuple(odd[0])
    *parents, var = factor.axes
    where = ", ".join(f"{name} = {known[name].values[i]}" for name, i in zip(parents, at, strict=True))
    raise file.mistake(
        factor.line,
        f"the probabilities of {var}{f' given {where}' if where else ''} sum to {factor.table[at].sum():g}, and must "
        f"sum to 1 over its {len(known[var].values)} values; set all of them.",
    )
