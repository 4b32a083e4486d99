"""RockSample: a rover among rocks that may be worth sampling, and a sensor that sees worse from afar.

The rover moves on a grid of size n, starts at its western side, and leaves to the east for a reward of 10. Each of k
rocks is good or bad, with equal chance. Sampling a rock pays 10 if it is good and costs 10 if it is bad; afterwards it
is bad. Checking rock i tells whether it is good, which is right with probability

    (1 + 2^(-d / d0)) / 2,      d the Euclidean distance, d0 the distance at which half the efficiency is left.

Rewards are turned into costs. The place of the rover is known. Rocks are independent, so the belief is a probability
for each of them.

Sources: T. Smith and R. Simmons, Heuristic Search Value Iteration for POMDPs, UAI 2004; the layout of size 7 with 8
rocks: D. Silver and J. Veness, Monte-Carlo Planning in Large POMDPs, NeurIPS 2010.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from seriatim._errors import InputError
from seriatim._record import record, static
from seriatim.beliefs import FactoredBelief, FactoredFilter
from seriatim.beliefs._factored_filter import require_belief
from seriatim.model import Key, Transition
from seriatim.problems._mixed_radix import MixedRadix
from seriatim.problems.spiders_and_flies._ground import MOST
from seriatim.rendering import Mark, grid_svg, grid_text

# The rows and columns that each move adds: up, down, left, right. The controls after them sample, and check each rock.
STEPS = ((-1, 0), (1, 0), (0, -1), (0, 1))
EAST, SAMPLE = 3, 4
FIRST_CHECK = 5
NOTHING, BAD, GOOD = 0, 1, 2  # the observations
REWARD = 10.0
# (row, column) of the rocks of the published layout, whose start is (3, 0).
ROCKS_7_8 = ((0, 2), (1, 0), (1, 3), (3, 6), (4, 2), (4, 3), (5, 5), (6, 1))

Cell = tuple[int, int]


@record
class RockState:
    """The place of the rover, (row, column), and which rocks are good."""

    position: Int[Array, "..."]  # [2]
    good: Bool[Array, "..."]  # [k]


@record
class RockSample:
    """A rover among rocks: an observed model, factored, and finite for solvers. One agent.

    Controls: 0 up, 1 down, 2 left, 3 right, 4 sample, 5 + i check rock i. A move off the grid to the east ends the
    problem. Other moves off it, and sampling where there is no rock, do nothing: all controls are admissible.
    `belief_model()` is the problem as it is planned and played.

    Attributes:
        size: rows and columns, n.
        rocks: their cells, (row, column).
        start: the rover's first cell.
        half_distance: d0.
        discount: in (0, 1].

    Raises:
        InputError: a field is out of range.
    """

    size: int = static(default=7)
    rocks: tuple[Cell, ...] = static(default=ROCKS_7_8)
    start: Cell = static(default=(3, 0))
    half_distance: float | int = static(default=20)
    discount: float | int | Float[Array, ""] = 0.95

    def __post_init__(self) -> None:
        if not 1 <= self.size <= MOST:
            raise InputError(f"size={self.size}: give a whole number of rows and columns from 1 up to {MOST:,}.")
        cells = (*self.rocks, self.start)
        if any(not (0 <= row < self.size and 0 <= column < self.size) for row, column in cells):
            raise InputError(f"rocks={self.rocks}, start={self.start}: give cells from 0 to {self.size - 1}.")
        if not self.rocks or len(set(self.rocks)) < len(self.rocks):
            raise InputError(f"rocks={self.rocks}: give one rock at least, each a cell of its own.")
        if not self.half_distance > 0 or not 0 < float(self.discount) <= 1:
            raise InputError(
                f"half_distance={self.half_distance}, discount={self.discount}: give a distance above 0, and a "
                "discount above 0 and at most 1."
            )

    @property
    def num_agents(self) -> int:
        """One."""
        return 1

    @property
    def num_controls(self) -> int:
        """Four moves, sampling, and a check for each rock."""
        return FIRST_CHECK + len(self.rocks)

    def base_policy(self) -> "NearestLikelyRock":
        """Return the heuristic, a policy of beliefs: the state is hidden."""
        return NearestLikelyRock(self)

    def belief_model(self) -> "RockBeliefs":
        """Return the problem over beliefs, with its base policy."""
        return RockBeliefs(self)

    def initial_state(self, key: Key) -> RockState:
        """Draw which rocks are good."""
        return RockState(jnp.array(self.start, jnp.int32), jax.random.bernoulli(key, 0.5, (len(self.rocks),)))

    def control_mask(self, state: RockState) -> Bool[Array, "1 c"]:
        """Admit everything."""
        del state
        return jnp.ones((1, self.num_controls), bool)

    def sample_disturbance(self, key: Key) -> Float[Array, ""]:
        """Draw the uniform number that decides whether the sensor is right."""
        return jax.random.uniform(key)

    def transition(self, state: RockState, control: Int[Array, " 1"], disturbance: Float[Array, ""]) -> Transition:
        """Move, sample or check; only the observation is random."""
        del disturbance
        position, done = self.moved(state.position, control[0])
        sampled = self.sampled(state.position, control[0])
        worth = REWARD * jnp.sum(sampled.astype(float) * jnp.where(state.good, 1.0, -1.0)) + REWARD * done.astype(float)
        return Transition(RockState(position, state.good & ~sampled), -worth, done)

    def observation(self, state: RockState, control: Int[Array, " 1"], disturbance: Float[Array, ""]) -> Int[Array, ""]:
        """Return the sensor's answer for the checked rock: 0 nothing, 1 bad, 2 good."""
        checked, accuracy = self.checked(control[0]), self.accuracy(state.position)
        right = disturbance < jnp.sum(jnp.where(checked, accuracy, 0.0))
        says_good = jnp.any(checked & state.good) == right
        return jnp.where(jnp.any(checked), jnp.where(says_good, GOOD, BAD), NOTHING).astype(jnp.int32)

    def observation_likelihood(
        self, observation: Int[Array, ""], state: RockState, control: Int[Array, " 1"]
    ) -> Float[Array, ""]:
        """Return the accuracy of the sensor for the true answer, and the rest for the other one."""
        looked = jnp.any(self.checked(control[0]))
        each = self.site_likelihood(observation, state.position, control)
        so = jnp.prod(jnp.where(state.good, each[:, 1], each[:, 0]))
        return jnp.where(looked == (observation != NOTHING), so, 0.0)

    def observations(self) -> Int[Array, "3"]:
        """List the possible observations."""
        return jnp.arange(3, dtype=jnp.int32)

    def split(self, state: RockState) -> tuple[Int[Array, "2"], Int[Array, " k"]]:
        """Return the place of the rover, which is known, and the rocks: 0 bad, 1 good."""
        return state.position, state.good.astype(jnp.int32)

    def join(self, known: Int[Array, "2"], levels: Int[Array, " k"]) -> RockState:
        """Return the state."""
        return RockState(known, levels > 0)

    def initial_sites(self) -> Float[Array, "k 2"]:
        """Return even chances."""
        return jnp.full((len(self.rocks), 2), 0.5)

    def site_transition(self, known: Int[Array, "2"], control: Int[Array, " 1"]) -> Float[Array, "k 2 2"]:
        """Make a sampled rock bad."""
        spoilt = jnp.array([[1.0, 0.0], [1.0, 0.0]])
        return jnp.where(self.sampled(known, control[0])[:, None, None], spoilt, jnp.eye(2))

    def next_known(self, known: Int[Array, "2"], control: Int[Array, " 1"], observation: Array) -> Int[Array, "2"]:
        """Return the place of the rover after the move."""
        del observation
        return self.moved(known, control[0])[0]

    def site_likelihood(
        self, observation: Int[Array, ""], known: Int[Array, "2"], control: Int[Array, " 1"]
    ) -> Float[Array, "k 2"]:
        """Return the likelihood of the observation if a rock is bad, and if it is good; 1 for rocks not checked."""
        right = self.accuracy(known)
        bad = jnp.where(observation == BAD, right, 1 - right)
        good = jnp.where(observation == GOOD, right, 1 - right)
        looked = (self.checked(control[0]) & (observation != NOTHING))[:, None]
        return jnp.where(looked, jnp.stack([bad, good], axis=1), 1.0)

    def expected_cost(self, known: Array, sites: Float[Array, "k 2"], control: Int[Array, " 1"]) -> Float[Array, ""]:
        """Return the expected cost of a stage."""
        sampled, left = self.sampled(known, control[0]), self.moved(known, control[0])[1]
        gain = jnp.sum(sampled.astype(sites.dtype) * (sites[:, 1] - sites[:, 0]))
        return -REWARD * (gain + left.astype(sites.dtype))

    def states(self) -> RockState:
        """List all states."""
        digits = jnp.asarray(self._radix().digits(), jnp.int32)
        return RockState(digits[:, :2], digits[:, 2:] > 0)

    def index(self, state: RockState) -> Int[Array, ""]:
        """Return the number of a state."""
        return self._radix().number(jnp.concatenate([state.position, state.good.astype(jnp.int32)]))

    def initial_distribution(self) -> Float[Array, " s"]:
        """Return the distribution with even chances for all rocks and the rover at its start."""
        here = jnp.all(self.states().position == jnp.array(self.start), axis=1)
        return here.astype(float) / jnp.sum(here, dtype=float)

    def outcomes(self, state: RockState, control: Int[Array, " 1"]) -> tuple[Transition, Float[Array, "1"]]:
        """Return the one transition."""
        after = self.transition(state, control, jnp.zeros(()))
        return jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], after), jnp.ones(1)

    def draw(self, state: RockState) -> str:
        """Draw the rover and the rocks, dark where bad, as SVG."""
        return grid_svg(self.size, self.size, self.marks(state.position, 1.0 - np.asarray(state.good)))

    def text(self, state: RockState) -> str:
        """Draw the same for the terminal."""
        return grid_text(self.size, self.size, self.marks(state.position, 1.0 - np.asarray(state.good)))

    def moved(self, position: Int[Array, "2"], control: Int[Array, ""]) -> tuple[Int[Array, "2"], Bool[Array, ""]]:
        """Return the next cell, and whether the rover has left."""
        done = (control == EAST) & (position[1] == self.size - 1)
        steps = jnp.array([*STEPS, *[(0, 0)] * (self.num_controls - len(STEPS))], jnp.int32)
        return jnp.clip(position + steps[control], 0, self.size - 1), done

    def sampled(self, position: Int[Array, "2"], control: Int[Array, ""]) -> Bool[Array, " k"]:
        """Say which rock is sampled."""
        return self._here(position) & (control == SAMPLE)

    def checked(self, control: Int[Array, ""]) -> Bool[Array, " k"]:
        """Say which rock is checked."""
        return jnp.arange(len(self.rocks)) + FIRST_CHECK == control

    def accuracy(self, position: Int[Array, "2"]) -> Float[Array, " k"]:
        """Return the probability that the sensor is right about each rock."""
        away = (jnp.array(self.rocks) - position).astype(float)
        return (1 + 2 ** (-jnp.sqrt(jnp.sum(away**2, axis=1)) / self.half_distance)) / 2

    def marks(self, position: Int[Array, "2"], levels: Float[np.ndarray, " k"]) -> list[Mark]:
        """Return the marks of a picture, each rock at its level from good, 0, to bad, 1."""
        drawn = [Mark(*cell, "site", level=float(level)) for cell, level in zip(self.rocks, levels, strict=True)]
        row, column = np.asarray(position).tolist()
        return [*drawn, Mark(row, column, "agent")]

    def _here(self, position: Int[Array, "2"]) -> Bool[Array, " k"]:
        return jnp.all(jnp.array(self.rocks) == position, axis=1)

    def _radix(self) -> MixedRadix:
        return MixedRadix((self.size, self.size, *[2] * len(self.rocks)))


@record
class RockBeliefs:
    """RockSample over beliefs, written out: a `Model` whose state is a `FactoredBelief`.

    Its law is that of `BeliefModel(problem, FactoredFilter(problem))`: the sensor's answer is drawn from the belief.

    Attributes:
        problem: the world.
    """

    problem: RockSample

    @property
    def num_agents(self) -> int:
        """One."""
        return 1

    @property
    def num_controls(self) -> int:
        """The number of controls of the problem."""
        return self.problem.num_controls

    @property
    def discount(self) -> float | int | Float[Array, ""]:
        """The discount factor of one stage."""
        return self.problem.discount

    @property
    def filter(self) -> FactoredFilter:
        """The filter that makes these beliefs."""
        return FactoredFilter(self.problem)

    def base_policy(self) -> "NearestLikelyRock":
        """Return the heuristic."""
        return NearestLikelyRock(self.problem)

    def initial_state(self, key: Key) -> FactoredBelief:
        """Return even chances; `key` is not used."""
        del key
        return FactoredBelief(jnp.array(self.problem.start, jnp.int32), self.problem.initial_sites())

    def control_mask(self, state: FactoredBelief) -> Bool[Array, "1 c"]:
        """Admit everything."""
        del state
        return jnp.ones((1, self.num_controls), bool)

    def sample_disturbance(self, key: Key) -> Float[Array, ""]:
        """Draw the uniform number that decides the sensor's answer."""
        return jax.random.uniform(key)

    def transition(self, state: FactoredBelief, control: Int[Array, " 1"], disturbance: Float[Array, ""]) -> Transition:
        """Move, sample or check, and update the belief by the observation."""
        problem, known = self.problem, state.known
        position, done = problem.moved(known, control[0])
        cost = problem.expected_cost(known, state.sites, control)
        good = jnp.where(problem.sampled(known, control[0]), 0.0, state.sites[:, 1])
        right = problem.accuracy(known)
        says_good = good * right + (1 - good) * (1 - right)
        seen = disturbance < says_good
        likely = jnp.where(seen, right, 1 - right) * good / jnp.where(seen, says_good, 1 - says_good)
        after = jnp.where(problem.checked(control[0]), likely, good)
        return Transition(FactoredBelief(position, jnp.stack([1 - after, after], axis=1)), cost, done)

    def draw(self, state: FactoredBelief) -> str:
        """Draw the rover and the probability that each rock is bad, as SVG."""
        size = self.problem.size
        return grid_svg(size, size, self.problem.marks(state.known, np.asarray(state.sites)[:, 0]))

    def text(self, state: FactoredBelief) -> str:
        """Draw the same for the terminal."""
        size = self.problem.size
        return grid_text(size, size, self.problem.marks(state.known, np.asarray(state.sites)[:, 0]))


@record
class NearestLikelyRock:
    """Sample the nearest rock whose probability to be good exceeds `doubt`; without one, leave to the east.

    The policy never checks a rock. Rollout finds out when checking is worth it.

    Attributes:
        problem: the world.
        doubt: rocks with at most this probability to be good are ignored.

    Raises:
        InputError: it is called with something else than a belief.
    """

    problem: RockSample
    doubt: float | Float[Array, ""] = 0.5

    def __call__(self, info: FactoredBelief, key: Key) -> Int[Array, " 1"]:
        """Choose a control by the belief; `key` is not used."""
        del key
        require_belief(info, "NearestLikelyRock")
        away = jnp.array(self.problem.rocks) - info.known
        wanted = info.sites[:, 1] > self.doubt
        distance = jnp.where(wanted, jnp.sum(jnp.abs(away), axis=1), 2 * self.problem.size)
        nearest = jnp.argmin(distance)
        row, column = away[nearest]
        towards = jnp.select([column > 0, column < 0, row > 0, row < 0], [3, 2, 1, 0], SAMPLE)
        return jnp.where(jnp.any(wanted), towards, EAST)[None].astype(jnp.int32)
