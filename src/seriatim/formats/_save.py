"""Writers of `.pomdp`, `.mdp` and `.dpomdp` files: the model that is read back has the same tables, to the last bit.

Numbers are written in the shortest decimal form that reads back as the same double. Zeros are left out, since tables
begin as zeros. Values are costs, so nothing is negated. A name that is a word of the format, or begins with a digit,
stands in quotes, which `load` reads and other programs may not.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float

from seriatim._errors import InputError
from seriatim._files import as_path, save_text
from seriatim.formats._elements import is_plain
from seriatim.formats._tables import Names, TeamTables
from seriatim.formats._team_pomdp import TeamPOMDP


def save(model: TeamPOMDP, path: str | Path) -> None:
    """Write a model as a `.pomdp` file (one agent), an `.mdp` file (its state is observed) or a `.dpomdp` file.

    `load` returns a model of equal tables. Only an `.mdp` file says that the state is observed.

    Raises:
        InputError: another suffix, several agents in a `.pomdp` file, a state that is hidden or has other observations
            in an `.mdp` file, or the file cannot be written.
    """
    if not isinstance(model, TeamPOMDP):
        raise InputError(f"model is a {type(model).__name__}; only a TeamPOMDP, as load(path) returns, can be saved.")
    suffix = as_path(path).suffix.lower()
    m, possible = model.num_agents, _suffixes(model)
    if suffix not in possible:
        expected = " or ".join(possible)
        raise InputError(f"{path}: a problem of {m} agents cannot be saved as {suffix!r}; give a name with {expected}.")
    lines = [*_preamble(model, suffix), *_entries(model.tables, suffix)]
    save_text(path, "\n".join(lines) + "\n")


def _suffixes(model: TeamPOMDP) -> tuple[str, ...]:
    """Return the suffixes of the formats that can hold a model."""
    tables = model.tables
    as_states = model.observed and tables.observations == (tables.states,)
    is_mdp = as_states and bool((tables.observation == np.eye(len(tables.states))).all())
    alone = (".mdp",) if is_mdp else ()
    return (*alone, ".pomdp", ".dpomdp") if model.num_agents == 1 else (".dpomdp",)


def _preamble(model: TeamPOMDP, suffix: str) -> Iterator[str]:
    """Write the declarations in the order that the stricter format requires."""
    tables, is_team = model.tables, suffix == ".dpomdp"
    if is_team:
        yield f"agents: {_declared(tables.agents)}"
    yield f"discount: {float(model.discount)!r}"
    yield "values: cost"
    yield f"states: {_declared(tables.states)}"
    start = ["start:", " ".join(map(repr, tables.start.tolist()))]
    yield from start if is_team else ()
    separator = "\n" if is_team else " "
    seen = () if suffix == ".mdp" else (("observations", tables.observations),)
    for keyword, names in (("actions", tables.actions), *seen):
        yield f"{keyword}:{separator}" + "\n".join(_declared(one) for one in names)
    yield from () if is_team else start


def _declared(names: Names) -> str:
    """Write names, or only their number if they are 0, 1, 2, ..."""
    numbered = names == tuple(map(str, range(len(names))))
    return str(len(names)) if numbered else " ".join(map(_written, names))


def _written(name: str) -> str:
    return name if is_plain(name) else f'"{name}"'


def _joint(names: tuple[Names, ...], number: int) -> str:
    """Write the agents' elements of a joint number."""
    digits = np.unravel_index(number, [len(one) for one in names])
    return " ".join(_referred(one, int(digit)) for one, digit in zip(names, digits, strict=True))


def _referred(names: Names, index: int) -> str:
    """Write one element by its name; a name that is the element's own number needs no quotes."""
    return names[index] if names[index] == str(index) else _written(names[index])


def _entries(tables: TeamTables, suffix: str) -> Iterator[str]:
    """Write the numbers that are not zero, one on each line."""
    before = " :" if suffix == ".dpomdp" else ""
    actions = [_joint(tables.actions, a) for a in range(tables.num_joint_actions)]
    seen = [_joint(tables.observations, o) for o in range(tables.num_joint_observations)]
    states = [_referred(tables.states, s) for s in range(len(tables.states))]
    yield from _table("T", tables.transition, (actions, states, states), before)
    is_mdp = suffix == ".mdp"
    yield from () if is_mdp else _table("O", tables.observation, (actions, states, seen), before)
    whatever = "" if is_mdp else f" : *{before}"
    for a, s, costs in _rows(tables.cost):
        head = f"R: {actions[a]} : {states[s]}"
        if (costs == costs[0]).all():
            yield f"{head} : *{whatever} {costs[0].item()!r}"
        else:
            yield from (f"{head} : {states[i]}{whatever} {costs[i].item()!r}" for i in np.flatnonzero(costs))


def _table(
    keyword: str, table: Float[np.ndarray, "a s k"], names: tuple[list[str], list[str], list[str]], before: str
) -> Iterator[str]:
    actions, states, last = names
    for a, s, row in _rows(table):
        for k in np.flatnonzero(row):
            yield f"{keyword}: {actions[a]} : {states[s]} : {last[k]}{before} {row[k].item()!r}"


def _rows(table: Float[np.ndarray, "a s k"]) -> Iterator[tuple[int, int, Float[np.ndarray, " k"]]]:
    """List the rows that are not all zero."""
    for a, s in np.argwhere(table.any(axis=2)):
        yield int(a), int(s), table[a, s]
