"""Sites and the ways between them: a line, a grid, or any graph, with its distances and first steps.

Sources of the graph of 32 sites: S. Bhattacharya, S. Kailas, S. Badyal, S. Gil and D. Bertsekas, Multiagent Rollout and
Policy Iteration for POMDP with Application to Multi-Robot Repair Problems, CoRL 2020.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Int32

from seriatim._errors import InputError
from seriatim.problems._distance_fields import UNREACHABLE, distance_fields

# The names of the sites: A .. Z, AA .. AF.
GRAPH32 = (
    "A-B A-D B-K C-D C-K D-E D-L E-L E-F F-G F-J G-H G-J H-I I-J I-Q J-O K-L K-M L-N M-R N-T O-P O-S P-Q P-U R-X R-Y "
    "S-Z T-U T-V T-AD U-V U-W V-AE W-AE X-Y X-AA Y-Z Y-AA Z-AB Z-AC AA-AB AB-AC AC-AD AD-AE AD-AF AE-AF"
)

# The most sites: distances and first steps of all pairs are kept, which takes 800 MB for so many.
MAX_SITES = 10_000

Edges = tuple[tuple[int, int], ...]


class Sites(NamedTuple):
    """n sites: `neighbours[i, k]` is where control k leads from site i, itself for k = 0 and where there is no k-th.

    `distance[i, j]` counts the edges of a shortest path; `step[i, j]` is the first control of one, the least of them,
    and 0 where j is i.
    """

    neighbours: Int32[np.ndarray | Array, "n c"]
    distance: Int32[np.ndarray | Array, "n n"]
    step: Int32[np.ndarray | Array, "n n"]


def check_number(count: int) -> None:
    """Refuse more sites than there is memory for their distances.

    Raises:
        InputError: there are too many.
    """
    if count > MAX_SITES:
        raise InputError(f"There are {count:,} sites; distances between at most {MAX_SITES:,} are kept, so give fewer.")


def sites(edges: Sequence[tuple[int, int]], count: int) -> Sites:
    """Number the ways that leave each site, and find the shortest paths.

    Raises:
        InputError: an edge names no site, some site cannot be reached, or there are more than 10,000.
    """
    check_number(count)
    ways: list[set[int]] = [set() for _ in range(count)]
    for a, b in edges:
        if not (0 <= a < count and 0 <= b < count) or a == b:
            raise InputError(f"The edge ({a}, {b}) does not join two of the sites 0 .. {count - 1}; correct the edges.")
        ways[a].add(b)
        ways[b].add(a)
    degree = max((len(each) for each in ways), default=0)
    rows = [[site, *sorted(each), *[site] * (degree - len(each))] for site, each in enumerate(ways)]
    neighbours = np.array(rows, np.int32).reshape(count, degree + 1)
    distance = distance_fields(neighbours, np.arange(count))
    if (distance == UNREACHABLE).any():
        alone = int(np.argmax(distance[0] == UNREACHABLE))
        raise InputError(f"Site {alone} cannot be reached from site 0; add an edge, or leave it out.")
    return Sites(neighbours, distance, _first_steps(neighbours, distance))


def _first_steps(neighbours: Int32[np.ndarray, "n c"], distance: Int32[np.ndarray, "n n"]) -> Int32[np.ndarray, "n n"]:
    """Return the first neighbour that is nearest to the goal; a site comes first, but is nearest only to itself."""
    nearest, step = distance.copy(), np.zeros(distance.shape, np.int32)
    for k in range(1, neighbours.shape[1]):
        ahead = distance[neighbours[:, k]]
        step[ahead < nearest] = k
        np.minimum(nearest, ahead, out=nearest)
    return step


def line(count: int) -> Edges:
    """Return the edges of a line."""
    return tuple(itertools.pairwise(range(count)))


def grid(width: int, height: int) -> Edges:
    """Return the edges of a grid; site `row * width + column`."""
    across = ((cell, cell + 1) for cell in range(width * height) if (cell + 1) % width)
    down = ((cell, cell + width) for cell in range(width * (height - 1)))
    return (*across, *down)


def graph32() -> Edges:
    """Return the edges of the graph of 32 sites."""
    letters = [chr(ord("A") + number) for number in range(26)]
    number = {name: site for site, name in enumerate([*letters, *(f"A{letter}" for letter in letters[:6])])}
    first, second = zip(*(edge.split("-") for edge in GRAPH32.split()), strict=True)
    return tuple((number[a], number[b]) for a, b in zip(first, second, strict=True))
