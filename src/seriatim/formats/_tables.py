"""The content of a problem file, as names and numbers in double precision: the tables of a Dec-POMDP.

    P(s' | s, a) = transition[a, s, s'],   P(o | a, s') = observation[a, s', o],   g(s, a, s') = cost[a, s, s'].

Joint actions `a` and joint observations `o` are numbered as in the files, the last agent's running fastest; agents may
have different numbers of each.
"""

import dataclasses
import hashlib
import math

import numpy as np
from jaxtyping import Bool, Float

from seriatim._errors import InputError
from seriatim.formats._elements import is_name
from seriatim.formats._numbers import LARGEST, ROUNDING

Names = tuple[str, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class TeamTables:
    """The numbers and names of a partially observed team problem.

    Tables are equal if all their numbers and names are, to the last bit. Compiled functions are shared by models of
    equal tables.

    Attributes:
        transition: probability of each next state, `[a, s, s]`.
        observation: probability of each joint observation, given the joint action and the *new* state, `[a, s, o]`.
        cost: of a stage that leads from one state to another, `[a, s, s]`.
        start: distribution of the first state, `[s]`.
        states: their names, s of them.
        actions: for each agent, the names of its actions.
        observations: for each agent, the names of its observations.
        agents: their names, m of them.

    Raises:
        InputError: shapes and names disagree, a row is no distribution (to 1e-4), a cost is not finite or beyond
            1e30, or a name cannot be written in a file or occurs twice.
    """

    transition: Float[np.ndarray, "..."]
    observation: Float[np.ndarray, "..."]
    cost: Float[np.ndarray, "..."]
    start: Float[np.ndarray, "..."]
    states: Names
    actions: tuple[Names, ...]
    observations: tuple[Names, ...]
    agents: Names = ("0",)
    digest: bytes = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        _check_names(self)
        a, s, o = self.num_joint_actions, len(self.states), self.num_joint_observations
        expected = {"transition": (a, s, s), "observation": (a, s, o), "cost": (a, s, s), "start": (s,)}
        for name, shape in expected.items():
            # A file leaves zeros out, so a negative zero would not come back when it is read.
            array = np.asarray(getattr(self, name), np.float64) + 0.0
            if array.shape != shape:
                raise InputError(f"{name} has shape {array.shape}; the names of the problem need {shape}.")
            object.__setattr__(self, name, array)
        for name in ("transition", "observation", "start"):
            _check_rows(name, getattr(self, name))
        if not (self.cost.min() >= -LARGEST and self.cost.max() <= LARGEST):  # nan is neither
            odd = np.argwhere(~(abs(self.cost) <= LARGEST))
            raise InputError(
                f"cost{odd[0].tolist()} is {self.cost[tuple(odd[0])]}; costs must be finite, to {LARGEST:g}."
            )
        object.__setattr__(self, "digest", _digest(self))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TeamTables) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def num_joint_actions(self) -> int:
        """The product of the agents' numbers of actions."""
        return math.prod(len(names) for names in self.actions)

    @property
    def num_joint_observations(self) -> int:
        """The product of the agents' numbers of observations."""
        return math.prod(len(names) for names in self.observations)


def _digest(tables: TeamTables) -> bytes:
    """Return a digest of all numbers and names; the names determine the shapes."""
    names = (tables.states, tables.actions, tables.observations, tables.agents)
    digest = hashlib.sha256(repr(names).encode())
    for array in (tables.transition, tables.observation, tables.cost, tables.start):
        digest.update(np.ascontiguousarray(array).data)
    return digest.digest()


def wrong_rows(rows: Float[np.ndarray, "*batch k"]) -> Bool[np.ndarray, "*batch"]:
    """Mark the rows that are no distributions, up to the rounding of numbers in files."""
    return np.asarray((rows.min(axis=-1) < 0) | ~(abs(rows.sum(axis=-1) - 1) <= ROUNDING))


def _check_rows(name: str, rows: Float[np.ndarray, "*batch k"]) -> None:
    odd = np.argwhere(wrong_rows(rows))
    if len(odd):
        row = rows[tuple(odd[0])]
        raise InputError(
            f"{name}{odd[0].tolist() or ''} sums to {row.sum():g} with least entry {row.min():g}; non-negative numbers "
            "that sum to 1 are expected."
        )


def _check_names(tables: TeamTables) -> None:
    m = len(tables.agents)
    if not m or len(tables.actions) != m or len(tables.observations) != m:
        raise InputError(
            f"There are {m} agents, actions of {len(tables.actions)} and observations of {len(tables.observations)}; "
            "give one tuple of names for each agent."
        )
    for kind, names in (
        ("agents", tables.agents),
        ("states", tables.states),
        *(("actions", names) for names in tables.actions),
        *(("observations", names) for names in tables.observations),
    ):
        bad = [name for name in names if not is_name(name)]
        if bad or not names or len(set(names)) < len(names):
            seen = f"the name {bad[0]!r}" if bad else f"{len(names)} names, {len(set(names))} of them different"
            raise InputError(f"{kind} have {seen}; give different names without colon, comma, space, quote or #.")
