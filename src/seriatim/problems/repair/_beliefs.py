"""The repair problem over beliefs, written out: its state is the team's belief.

A belief has the places of the robots, `known` `[m]`, and a distribution of each site's level, `sites` `[n, l]`. A stage
has the same law as in `BeliefModel(repair, FactoredFilter(repair))`. Sites worsen in distribution. Then the level of
each inspected site is drawn, by inversion at one uniform number for each site, and is known from then on. Levels of
other sites are not drawn, and the stage cost is an expectation. So simulations are several times faster and less noisy.

Features describe a belief for a network, on behalf of one robot. For every site they have the expected cost of its
damage, the distribution of its level, its distance, the control that leads there, the number of other robots that are
nearer (of equally near robots the first counts as nearer), and the distance of the nearest of them. For the robot
itself they have the belief about its own site, the number of other robots there, and for each control the *pull* of the
sites that it leads to,

    pull_k = sum over sites j with first control k of w_j 0.7^d(j),

with w_j the expected cost of the damage, once for all sites and once for those to which no other robot is nearer.
Robots that share a network and get the same features choose the same. Their ranks let them choose differently.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from seriatim._record import record
from seriatim.beliefs import FactoredBelief, FactoredFilter
from seriatim.beliefs._factored_filter import require_belief
from seriatim.model import Features, Key, Transition
from seriatim.problems.repair._drawing import lines, picture


@record
class RepairBeliefs:
    """Repair, over beliefs: a `Model` whose state is a `FactoredBelief`.

    The filter is exact, so the expected cost of a policy here is its cost in the world (`HiddenModel`). The noise of
    levels that no robot sees is averaged out.

    Attributes:
        problem: the world, a `Repair`.
    """

    problem: Any
    endless = True

    @property
    def num_agents(self) -> int:
        """The number of robots, m."""
        return int(self.problem.num_agents)

    @property
    def num_controls(self) -> int:
        """Staying, and the most neighbours that a site has."""
        return int(self.problem.num_controls)

    @property
    def discount(self) -> float | Float[Array, ""]:
        """The discount factor of one stage."""
        discount: float | Float[Array, ""] = self.problem.discount
        return discount

    @property
    def filter(self) -> FactoredFilter:
        """The filter that makes these beliefs."""
        return FactoredFilter(self.problem)

    def base_policy(self) -> "NearestDamage":
        """Return the published heuristic."""
        return NearestDamage(self.problem)

    def terminal_cost(self) -> "DamageForever":
        """Return the published cost-to-go for truncated simulations: damage stays as it is."""
        return DamageForever(self.problem)

    def initial_state(self, key: Key) -> FactoredBelief:
        """Return the belief before the first observation."""
        return FactoredBelief(self.problem.initial_state(key).positions, self.problem.initial_sites())

    def control_mask(self, state: FactoredBelief) -> Bool[Array, "m c"]:
        """Say where each robot has neighbours."""
        return jnp.asarray(self.problem.open_ways(state.known))

    def sample_disturbance(self, key: Key) -> Float[Array, " n"]:
        """Draw a uniform number for each site, by which its level is drawn if it is inspected."""
        return jax.random.uniform(key, (self.problem.num_sites,))

    def transition(
        self, state: FactoredBelief, control: Int[Array, " m"], disturbance: Float[Array, " n"]
    ) -> Transition:
        """Pay the expected cost, repair, let sites worsen, move, and inspect."""
        problem = self.problem
        growing = jnp.array([*problem.gamma, 0.0])
        leaving = state.sites * growing
        worse = state.sites - leaving + jnp.pad(leaving[:, :-1], ((0, 0), (1, 0)))
        sound = (jnp.arange(problem.num_levels) == 0).astype(worse.dtype)
        predicted = jnp.where(problem.repaired(state.known, control)[:, None], sound, worse)
        positions = problem.moved(state.known, control)
        visited = jnp.any(positions[:, None] == jnp.arange(problem.num_sites), axis=0)
        sites = jnp.where(visited[:, None], _drawn(predicted, disturbance), predicted)
        cost = problem.expected_cost(state.known, state.sites, control)
        return Transition(FactoredBelief(positions, sites), cost, jnp.array(False))

    def features(self, state: FactoredBelief, agent: Int[Array, ""]) -> Features:
        """Return the features of the belief for one robot; see `seriatim.problems.repair._beliefs`."""
        return repair_features(self.problem, state.known, state.sites, agent)

    def draw(self, state: FactoredBelief) -> str:
        """Draw the expected level of each site, and the robots, as SVG."""
        return picture(self.problem.plan, _expected(state), np.asarray(state.known))

    def text(self, state: FactoredBelief) -> str:
        """Draw the same for the terminal."""
        return lines(self.problem.plan, _expected(state), np.asarray(state.known))


@record
class NearestDamage:
    """The published heuristic: repair here if damaged, else a step towards the nearest site that may be damaged.

    Each robot chooses by itself. Among equally near sites or ways it takes the one of least number. If no site may be
    damaged, it stays.

    Attributes:
        problem: the world, a `Repair`.
        doubt: a site may be damaged where the probability of a level above 0 exceeds this.

    Raises:
        InputError: it is called with something else than a belief.
    """

    problem: Any
    doubt: float | Float[Array, ""] = 0.0

    def __call__(self, info: FactoredBelief, key: Key) -> Int[Array, " m"]:
        """Choose controls by the belief; `key` is not used."""
        del key
        require_belief(info, "NearestDamage")
        damaged = jnp.sum(info.sites[:, 1:], axis=1) > self.doubt
        far = self.problem.num_sites
        distance = jnp.where(damaged, self.problem.sites.distance[info.known], far)
        goal = jnp.where(jnp.any(damaged), jnp.argmin(distance, axis=1), info.known)
        return jnp.asarray(self.problem.sites.step)[info.known, goal]


@record
class DamageForever:
    """The cost-to-go if the expected damage stayed as it is: sum over sites of E[c(level)] / (1 - alpha).

    This is a terminal cost for truncated rollout. It is no bound, because damage grows at sites without a robot and
    shrinks under repair.

    Attributes:
        problem: the world, a `Repair`.
    """

    problem: Any

    def __call__(self, info: FactoredBelief) -> Float[Array, ""]:
        """Return the cost of the belief."""
        damage: Float[Array, ""] = jnp.sum(info.sites * jnp.array(self.problem.costs, float))
        return damage / (1 - jnp.asarray(self.problem.discount, float))


def _expected(state: FactoredBelief) -> Float[np.ndarray, " n"]:
    """Return each site's expected level, as a share of the highest."""
    sites = np.asarray(state.sites)
    return np.asarray(sites @ np.linspace(0, 1, sites.shape[1]))


def _drawn(predicted: Float[Array, "n l"], uniform: Float[Array, " n"]) -> Float[Array, "n l"]:
    """Draw each site's level; return it as a distribution with probability 1 at that level.

    The draw is by inversion: it is the first level whose cumulative probability exceeds the uniform number, and never
    one of probability 0.
    """
    cumulative = jnp.cumsum(predicted, axis=1)
    beyond = (predicted > 0) & (cumulative > (uniform * cumulative[:, -1])[:, None])
    return (beyond & (jnp.cumsum(beyond, axis=1) == 1)).astype(predicted.dtype)


# The factor by which the pull of a site falls with each move of distance.
FADING = 0.7
# Larger ranks count as this one.
MANY = 4


def repair_features(problem: Any, positions: Int[Array, " m"], sites: Float[Array, "n l"], agent: Any) -> Features:
    """Return the features of a belief for one robot."""
    m, n = positions.shape[0], sites.shape[0]
    distance = jnp.asarray(problem.sites.distance)[positions].astype(float)
    own, before, others = distance[agent], jnp.arange(m) < agent, jnp.arange(m) != agent
    # Among equally near robots the one of least number counts as nearer, so that no two robots have the same rank.
    nearer = others[:, None] & ((distance < own) | ((distance == own) & before[:, None]))
    # Without another robot, the nearest rival is farther away than any path is long.
    rival = jnp.min(jnp.where(others[:, None], distance, n), axis=0)
    leads = jnp.asarray(problem.sites.step)[positions[agent]] == jnp.arange(problem.num_controls)[:, None]
    # The logarithm keeps costs that differ by factors of ten in a range that networks can learn from.
    damage = jnp.log1p(jnp.sum(sites * jnp.array(problem.costs, float), axis=1))
    mine = ~jnp.any(nearer, axis=0)
    weight = leads.astype(float) * (damage * FADING**own)
    told = [damage, *sites.T, own, FADING**own, *leads, jnp.minimum(jnp.sum(nearer, axis=0), MANY), mine, rival - own]
    here = positions[agent]
    return Features(
        own=jnp.concatenate(
            [
                jnp.sum(weight, axis=1),
                jnp.sum(weight * mine.astype(float), axis=1),
                sites[here],
                damage[here][None],
                jnp.sum(others & (positions == here))[None].astype(float),
                problem.open_ways(positions)[agent].astype(float),
                jnp.sum(damage)[None],
                jnp.mean(sites, axis=0),
            ]
        ),
        entities=jnp.stack([jnp.asarray(each, float) for each in told], axis=1),
        present=jnp.ones(n, bool),
    )
