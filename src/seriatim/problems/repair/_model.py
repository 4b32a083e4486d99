"""Repair: a team of robots inspects and repairs sites, of whose damage it knows only the distribution.

Each of n sites has a damage level 0 .. l-1 that grows by itself: level k becomes k + 1 with probability gamma_k. A
robot stays and repairs its site, which sets it to level 0, or moves to a neighbouring site. A stage, in order:

    the team pays c[level] for every site  ->  robots that stay repair  ->  the other sites worsen  ->  robots move
                                           ->  each sees the exact level of the site it stands on

Sites worsen independently and are seen independently. So the exact belief of the team is one distribution for each
site's level (`FactoredFilter`), and the problem over beliefs can be written out: `RepairBeliefs`.

Source: S. Bhattacharya, S. Badyal, T. Wheeler, S. Gil and D. Bertsekas, Reinforcement Learning for POMDP: Partitioned
Rollout and Policy Iteration with Application to Autonomous Sequential Repair Problems, IEEE Robotics and Automation
Letters 5(3), 2020.
"""

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from seriatim._errors import InputError
from seriatim._record import record, static
from seriatim.model import Key, Transition
from seriatim.problems.repair._beliefs import NearestDamage, RepairBeliefs
from seriatim.problems.repair._drawing import Plan, lines, picture, plan
from seriatim.problems.repair._sites import Edges, Sites, check_number, graph32, grid, line, sites

# The published numbers: how fast damage grows, and the stage cost of a site at each level.
GAMMA = (0.01, 0.02, 0.03, 0.05)
COSTS = (0.0, 0.1, 1.0, 10.0, 100.0)
# No start is published. Here one site in five is damaged, with equal chance for each level above 0.
PRIOR = (0.8, 0.05, 0.05, 0.05, 0.05)


@record
class RepairState:
    """The places of the robots, which all of them know, and the damage of each site, which none of them knows."""

    positions: Int[Array, "m *lanes"]
    levels: Int[Array, "n *lanes"]


@record
class Inspection:
    """The observation of each robot: its site and the level there, both counted from 1; 0 stands for no information."""

    site: Int[Array, "m *lanes"]
    level: Int[Array, "m *lanes"]


@record
class Repair:
    """Robots repair sites: an observed model, and a factored one.

    A control is 0, stay and repair, or k, move to the k-th neighbour; controls beyond a site's neighbours are not
    admissible. Robots see nothing before the first stage. `belief_model()` is the problem as it is planned and played.

    Attributes:
        robots: their number, m.
        layout: "graph32", the published graph of 32 sites; "line" of `width` sites; "grid" of `width` times `height`;
            or the edges of a graph, pairs of sites numbered from 0.
        width: sites in a row.
        height: rows of a grid.
        gamma: probabilities that a site of level 0, 1, .. worsens in a stage; with gamma_0 = 0 repaired sites stay
            sound.
        costs: c, the stage cost of a site of each level; there is one more level than entries of `gamma`.
        prior: distribution of each site's first level, known to the team: one for all, or one for each site.
        starts: the robots' first sites; None draws them uniformly.
        discount: in (0, 1).
        sites: neighbours, distances and first steps.

    Raises:
        InputError: a field is out of range.
    """

    robots: int = static(default=4)
    layout: Literal["graph32", "line", "grid"] | Edges = static(default="graph32")
    width: int = static(default=20)
    height: int = static(default=5)
    gamma: tuple[float | int, ...] = static(default=GAMMA)
    costs: tuple[float | int, ...] = static(default=COSTS)
    prior: tuple[float | int, ...] | tuple[tuple[float | int, ...], ...] = static(default=PRIOR)
    starts: tuple[int, ...] | None = static(default=None)
    discount: float | int | Float[Array, ""] = 0.95
    sites: Sites = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        _check(self)
        count = {"graph32": 32, "line": self.width, "grid": self.width * self.height}
        layout = self.layout
        number = count.get(layout, 0) if isinstance(layout, str) else 1 + max(max(edge) for edge in layout)
        check_number(number)  # checked before all their edges are listed
        found = sites(_edges(self), number)
        object.__setattr__(self, "sites", jax.tree.map(jnp.asarray, found))
        _check_prior(self)
        if self.starts is not None and any(not 0 <= site < number for site in self.starts):
            raise InputError(f"starts={self.starts}: give a site from 0 to {number - 1} for each robot.")

    @property
    def num_agents(self) -> int:
        """The number of robots, m."""
        return self.robots

    @property
    def num_controls(self) -> int:
        """Staying, and the most neighbours that a site has."""
        return int(self.sites.neighbours.shape[1])

    @property
    def num_sites(self) -> int:
        """The number of sites, n."""
        return int(self.sites.neighbours.shape[0])

    @property
    def num_levels(self) -> int:
        """The number of damage levels, l."""
        return len(self.costs)

    def initial_state(self, key: Key) -> RepairState:
        """Draw the first levels, and the first sites of the robots unless they are given."""
        robots, levels = jax.random.split(key)
        if self.starts is None:
            positions = jax.random.randint(robots, (self.robots,), 0, self.num_sites)
        else:
            positions = jnp.array(self.starts, jnp.int32)
        drawn = jax.random.categorical(levels, jnp.log(self.initial_sites()), axis=-1)
        return RepairState(positions.astype(jnp.int32), drawn.astype(jnp.int32))

    def control_mask(self, state: RepairState) -> Bool[Array, "m c"]:
        """Say where each robot has neighbours."""
        return self.open_ways(state.positions)

    def sample_disturbance(self, key: Key) -> Float[Array, " n"]:
        """Draw a uniform number for each site; the site worsens if its number is below gamma."""
        return jax.random.uniform(key, (self.num_sites,))

    def transition(self, state: RepairState, control: Int[Array, " m"], disturbance: Float[Array, " n"]) -> Transition:
        """Pay, repair, worsen, move."""
        growing = jnp.array([*self.gamma, 0.0])[state.levels]
        after = jnp.where(disturbance < growing, state.levels + 1, state.levels)
        levels = jnp.where(self.repaired(state.positions, control), 0, after).astype(jnp.int32)
        cost = jnp.sum(jnp.array(self.costs, float)[state.levels])
        return Transition(RepairState(self.moved(state.positions, control), levels), cost, jnp.array(False))

    def observation(self, state: RepairState, control: Int[Array, " m"], disturbance: Float[Array, " n"]) -> Inspection:
        """Let every robot see the level of its site."""
        del control, disturbance
        return Inspection(state.positions + 1, state.levels[state.positions] + 1)

    def observation_likelihood(
        self, observation: Inspection, state: RepairState, control: Int[Array, " m"]
    ) -> Float[Array, ""]:
        """Return 1 for the observation that each robot makes in this state, 0 for any other."""
        true = self.observation(state, control, jnp.zeros(self.num_sites))
        same = (observation.site == true.site) & (observation.level == true.level)
        return jnp.all(same | (observation.site == 0)).astype(float)

    def base_policy(self) -> NearestDamage:
        """Return the published heuristic, a policy of beliefs: the state is hidden."""
        return NearestDamage(self)

    def belief_model(self) -> RepairBeliefs:
        """Return the problem over beliefs, with its base policy."""
        return RepairBeliefs(self)

    def draw(self, state: RepairState) -> str:
        """Draw the true damage, and the robots, as SVG."""
        return picture(self.plan, self._shares(state), np.asarray(state.positions))

    def text(self, state: RepairState) -> str:
        """Draw the same for the terminal."""
        return lines(self.plan, self._shares(state), np.asarray(state.positions))

    @property
    def plan(self) -> Plan:
        """The places of the sites in a picture."""
        rows = {"line": self.width, "grid": self.width}
        width = rows.get(self.layout) if isinstance(self.layout, str) else None
        return plan(_edges(self), self.num_sites, width)

    def _shares(self, state: RepairState) -> np.ndarray:
        return np.asarray(state.levels) / (self.num_levels - 1)

    def split(self, state: RepairState) -> tuple[Int[Array, " m"], Int[Array, " n"]]:
        """Return the positions, which are known, and the levels."""
        return state.positions, state.levels

    def join(self, known: Int[Array, " m"], levels: Int[Array, " n"]) -> RepairState:
        """Return the state."""
        return RepairState(known, levels)

    def initial_sites(self) -> Float[Array, "n l"]:
        """Return the prior."""
        return jnp.broadcast_to(jnp.array(self.prior, float), (self.num_sites, self.num_levels))

    def site_transition(self, known: Int[Array, " m"], control: Int[Array, " m"]) -> Float[Array, "n l l"]:
        """Set repaired sites to level 0, and let the others worsen."""
        growing = jnp.array([*self.gamma, 0.0])
        worsen = jnp.diag(1 - growing) + jnp.diag(growing[:-1], 1)
        renewed = jnp.zeros_like(worsen).at[:, 0].set(1.0)
        return jnp.where(self.repaired(known, control)[:, None, None], renewed, worsen)

    def next_known(self, known: Int[Array, " m"], control: Int[Array, " m"], observation: Inspection) -> Array:
        """Return the places of the robots: the observed ones or, without an observation, where their controls lead."""
        return jnp.where(observation.site > 0, observation.site - 1, self.moved(known, control))

    def site_likelihood(self, observation: Inspection, known: Array, control: Int[Array, " m"]) -> Float[Array, "n l"]:
        """Rule out the levels of an inspected site that were not seen."""
        del known, control
        here = observation.site[:, None] == 1 + jnp.arange(self.num_sites)
        seen = observation.level[:, None] == 1 + jnp.arange(self.num_levels)
        looked = here & (observation.level > 0)[:, None]
        return jnp.all(~looked[:, :, None] | seen[:, None, :], axis=0).astype(float)

    def expected_cost(self, known: Array, sites: Float[Array, "n l"], control: Int[Array, " m"]) -> Float[Array, ""]:
        """Return the expected cost of a stage, which the controls do not change."""
        del known, control
        return jnp.sum(sites * jnp.array(self.costs, float))

    def repaired(self, positions: Int[Array, " m"], control: Int[Array, " m"]) -> Bool[Array, " n"]:
        """Say which sites have a robot that stays."""
        here = positions[:, None] == jnp.arange(self.num_sites)
        return jnp.any(here & (control == 0)[:, None], axis=0)

    def moved(self, positions: Int[Array, " m"], control: Int[Array, " m"]) -> Int[Array, " m"]:
        """Return where the robots stand after their controls."""
        return jnp.asarray(self.sites.neighbours)[positions, control]

    def open_ways(self, positions: Int[Array, " m"]) -> Bool[Array, "m c"]:
        """Say which controls lead somewhere: staying does, and every neighbour."""
        ahead = jnp.asarray(self.sites.neighbours)[positions]
        return (ahead != positions[:, None]) | (jnp.arange(self.num_controls) == 0)


@record
class WithinWays:
    """Says which robots can hear each other: those that are at most `radius` ways apart.

    Attributes:
        problem: the problem, with its graph of sites.
        radius: the largest length of a shortest path between two robots that hear each other.
    """

    problem: Repair
    radius: int | float = static()

    def __call__(self, state: RepairState) -> Bool[Array, "m m"]:
        """Return which robots are in reach of each other."""
        distance = jnp.asarray(self.problem.sites.distance)[state.positions][:, state.positions]
        return distance <= self.radius


def _edges(model: Repair) -> Edges:
    if not isinstance(model.layout, str):
        return model.layout
    match model.layout:
        case "graph32":
            return graph32()
        case "line":
            return line(model.width)
        case "grid":
            return grid(model.width, model.height)
    raise InputError(f"layout={model.layout!r}: give graph32, line or grid, or a tuple of edges.")


def _check(model: Repair) -> None:
    for name in ("robots", "width", "height"):
        if getattr(model, name) < 1:
            raise InputError(f"{name}={getattr(model, name)}: give a whole number from 1 up.")
    if len(model.layout) == 0:
        raise InputError("layout=(): give the edges of a graph, or a layout's name.")
    if not isinstance(model.layout, str) and any(len(edge) != 2 for edge in model.layout):
        raise InputError(f"layout={model.layout}: an edge joins two sites; give pairs of sites numbered from 0.")
    if not all(0 <= chance <= 1 for chance in model.gamma):
        raise InputError(f"gamma={model.gamma}: give a probability for each level but the last.")
    if len(model.costs) != len(model.gamma) + 1:
        raise InputError(
            f"costs={model.costs} of {len(model.costs)} levels, gamma={model.gamma} of {len(model.gamma)}: the last "
            "level cannot worsen; give one cost more."
        )
    if not np.isfinite(model.costs).all():
        raise InputError(f"costs={model.costs}: give finite numbers.")
    if model.starts is not None and len(model.starts) != model.robots:
        raise InputError(f"starts={model.starts}: give a site for each of {model.robots} robots.")
    if not 0 < float(model.discount) < 1:
        raise InputError(f"discount={model.discount}: damage never ends; give a number above 0 and below 1.")


def _check_prior(model: Repair) -> None:
    prior = np.asarray(model.prior, float)
    shapes = ((model.num_levels,), (model.num_sites, model.num_levels))
    if prior.shape not in shapes or not ((prior >= 0).all() and (abs(prior.sum(-1) - 1) <= 1e-4).all()):
        raise InputError(
            f"prior of shape {prior.shape} with sums {np.unique(prior.sum(-1).round(6)).tolist()}: give a distribution "
            f"of {model.num_levels} levels, or one for each of {model.num_sites} sites."
        )
