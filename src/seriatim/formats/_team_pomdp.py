"""Problem files as models: a team in a hidden state, of which each agent sees something.

    x' ~ transition[u, x],   cost g = cost[u, x, x'],   o ~ observation[u, x'],

each drawn by inverting a cumulative sum at a uniform number of its own: `w = (w_transition, w_observation)`. A file may
let the reward depend on the observation; the model's stage cost is its expectation given x, u and x'. That changes no
expected cost, since observations are not paid for twice.

Sources: D. Bernstein, R. Givan, N. Immerman, S. Zilberstein, The Complexity of Decentralized Control of Markov Decision
Processes, Mathematics of Operations Research 27(4), 2002; blind policies: M. Hauskrecht, Value-Function Approximations
for Partially Observable Markov Decision Processes, Journal of Artificial Intelligence Research 13, 2000.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from seriatim._errors import InputError
from seriatim._inverse import inverse
from seriatim._record import record, static
from seriatim.controls import radix_number
from seriatim.formats._tables import TeamTables
from seriatim.model import Key, Transition

# Costs of a blind policy are added up until the discount factor of a stage is below this.
NEGLIGIBLE = 1e-4
# Without discount, blind policies are compared over STAGES stages; with a discount, over at most MOST_STAGES.
STAGES, MOST_STAGES = 100, 1000
# A table of at least MANY numbers is multiplied as a sparse matrix if at most one number in SPARSE is not zero.
MANY, SPARSE = 2**22, 8
# Numbers of a table that are processed together.
NUMBERS_AT_ONCE = 2**20
# A linear system of more than MANY_STATES states is factorised as sparse if less than the share FEW is not zero.
MANY_STATES, FEW = 1000, 0.02


@record
class BlindPolicy:
    """The policy that always chooses the same joint control, whatever the state or belief.

    Attributes:
        control: of each agent, `[m]`.
    """

    control: Int[Array, " m"]

    def __call__(self, info: Any, key: Key) -> Int[Array, " m"]:
        """Return the control; neither argument is used."""
        del info, key
        return self.control


@record
class BlindCost:
    """The cost of following a blind policy for ever, from each state: a terminal cost for rollout on that policy.

    Attributes:
        cost: by state, `[s]`.
    """

    cost: Float[Array, " s"]

    def __call__(self, info: Int[Array, ""]) -> Float[Array, ""]:
        """Return the cost from a state."""
        return self.cost[info]


@record
class TeamPOMDP:
    """A partially observed team problem given by tables: a `FiniteModel` and an `ObservedModel`.

    The state is the number of the hidden state. Agents may have different numbers of controls; masks say which exist.

    Attributes:
        tables: the numbers in double precision, and the names.
        discount: in (0, 1].
        observed: whether the state is seen from the first stage on, as in a Markov decision process. In the tables the
            observation is then the new state.

    Raises:
        InputError: the discount is out of range.
    """

    tables: TeamTables = static()
    discount: float
    observed: bool = static(default=False)
    successors: Int[Array, "s a k"] = dataclasses.field(init=False)
    probabilities: Float[Array, "s a k"] = dataclasses.field(init=False)
    costs: Float[Array, "s a k"] = dataclasses.field(init=False)
    likelihoods: Float[Array, "a s o"] = dataclasses.field(init=False)
    initial: Float[Array, " s"] = dataclasses.field(init=False)
    endless = True

    def __post_init__(self) -> None:
        if not 0 < self.discount <= 1:
            raise InputError(f"discount={self.discount}: give a number above 0 and at most 1.")
        successors, probabilities, costs = _outcomes(self.tables)
        derived = {
            "successors": successors,
            "probabilities": probabilities,
            "costs": costs,
            "likelihoods": _normalised(self.tables.observation).astype(np.float32),
            "initial": _normalised(self.tables.start).astype(np.float32),
        }
        for name, array in derived.items():
            object.__setattr__(self, name, jnp.asarray(array))

    @property
    def num_agents(self) -> int:
        """The number of agents, m."""
        return len(self.tables.agents)

    @property
    def num_controls(self) -> int:
        """The largest number of controls of an agent, c."""
        return max(self._num_actions)

    @property
    def num_observations(self) -> tuple[int, ...]:
        """The number of observations of each agent, `m` numbers."""
        return tuple(len(names) for names in self.tables.observations)

    @property
    def _num_actions(self) -> tuple[int, ...]:
        return tuple(len(names) for names in self.tables.actions)

    def initial_state(self, key: Key) -> Int[Array, ""]:
        """Draw the first state from the start distribution."""
        return inverse(self.initial, jax.random.uniform(key))

    def initial_distribution(self) -> Float[np.ndarray, " s"]:
        """Return the start distribution, in double precision."""
        return _normalised(self.tables.start)

    def observations(self) -> Int[Array, "o m"]:
        """List the joint observations."""
        count = math.prod(self.num_observations)
        return jax.vmap(lambda number: _digits(number, self.num_observations))(jnp.arange(count, dtype=jnp.int32))

    def control_mask(self, state: Int[Array, ""]) -> Bool[Array, "m c"]:
        """Admit the controls that each agent has; they are the same at every state."""
        del state
        return jnp.arange(self.num_controls) < jnp.array(self._num_actions)[:, None]

    def sample_disturbance(self, key: Key) -> Float[Array, "2"]:
        """Draw two uniform numbers: the first decides the next state, the second its observation."""
        return jax.random.uniform(key, (2,))

    def transition(
        self, state: Int[Array, ""], control: Int[Array, " m"], disturbance: Float[Array, "2"]
    ) -> Transition:
        """Pick the outcome whose share of the unit interval holds the first number; the problem never ends."""
        after, probability = self.outcomes(state, control)
        k = inverse(probability, disturbance[0])
        chosen: Transition = jax.tree.map(lambda leaf: leaf[k], after)
        return chosen

    def states(self) -> Int[Array, " s"]:
        """Number the states."""
        return jnp.arange(len(self.tables.states), dtype=jnp.int32)

    def index(self, state: Int[Array, ""]) -> Int[Array, ""]:
        """Return the state, which is its own number."""
        return state

    def outcomes(self, state: Int[Array, ""], control: Int[Array, " m"]) -> tuple[Transition, Float[Array, " k"]]:
        """List the next states; k is the largest number of them that any state and joint control may lead to."""
        at = (state, radix_number(control, self._num_actions))
        after = self.successors[at]
        return Transition(after, self.costs[at], jnp.zeros(after.shape, bool)), self.probabilities[at]

    def observation(
        self, state: Int[Array, ""], control: Int[Array, " m"], disturbance: Float[Array, "2"]
    ) -> Int[Array, " m"]:
        """Return the number of each agent's observation of the new state."""
        row = self.likelihoods[radix_number(control, self._num_actions), state]
        return _digits(inverse(row, disturbance[1]), self.num_observations)

    def observation_likelihood(
        self, observation: Int[Array, " m"], state: Int[Array, ""], control: Int[Array, " m"]
    ) -> Float[Array, ""]:
        """Return the probability that the agents see this together, `[m]` numbers, in the new state."""
        seen = radix_number(observation, self.num_observations)
        return self.likelihoods[radix_number(control, self._num_actions), state, seen]

    def tabulated_motion(self) -> tuple[Float[np.ndarray, "s a"], Any]:
        """Return expected stage costs and transitions of all joint controls, in double precision."""
        from scipy import sparse  # importing it takes half a second; only exact methods need it

        s, joint = len(self.tables.states), self._joint_numbers()
        chances = _normalised(self.tables.transition)
        costs = np.full((s, self.num_controls**self.num_agents), np.inf)
        costs[:, joint] = np.sum(chances * self.tables.cost, axis=2).T
        u, x, y = np.nonzero(chances)
        entries = chances[u, x, y], (x * costs.shape[1] + joint[u], y)
        return costs, sparse.csr_array(sparse.coo_array(entries, shape=(costs.size, s)))

    def tabulated_observations(self) -> Float[np.ndarray, "a s o"]:
        """Return the probabilities of all joint observations, in double precision; 0 for controls that do not exist."""
        seen = _normalised(self.tables.observation)
        table = np.zeros((self.num_controls**self.num_agents, *seen.shape[1:]))
        table[self._joint_numbers()] = seen
        return table

    def _joint_numbers(self) -> Int[np.ndarray, " a"]:
        """Return the place of each joint action of the file among all c**m joint controls."""
        digits = np.stack(np.unravel_index(np.arange(self.tables.num_joint_actions), self._num_actions), axis=1)
        weights = self.num_controls ** np.arange(self.num_agents - 1, -1, -1)
        return np.asarray(digits @ weights)

    def base_policy(self) -> BlindPolicy:
        """Return the blind policy of least expected cost from the start: the best joint control to repeat for ever.

        A file names no heuristic. A blind policy needs neither state nor belief, so it can be used whatever agents
        observe. Without discount, the costs of the first 100 stages are compared.
        """
        return BlindPolicy(jnp.array(np.unravel_index(self._best_blind(), self._num_actions), jnp.int32))

    def terminal_cost(self) -> BlindCost | None:
        """Return the exact cost-to-go of the base policy, as a function of the state; None without a discount.

        J = g_u + a P_u J, for the joint control u that the base policy repeats.
        """
        if self.discount == 1:
            return None
        u = self._best_blind()
        moves = _normalised(self.tables.transition[u])
        stage = np.sum(moves * self.tables.cost[u], axis=1)
        return BlindCost(jnp.asarray(_solved(moves, stage, float(self.discount)), jnp.float32))

    def _best_blind(self) -> int:
        if self.tables.num_joint_actions == 1:
            return 0
        alone = self.tables.num_joint_actions == 1
        return 0 if alone else int(np.argmin(blind_costs(self.tables, float(self.discount))))


def blind_costs(tables: TeamTables, discount: float) -> Float[np.ndarray, " a"]:
    """Return the expected cost from the start of repeating each joint control, `[a]`.

    The distribution of the state is played forward until the discount leaves less than 1e-4 of a stage's cost.
    """
    moves = _normalised(tables.transition)
    stage = np.sum(moves * tables.cost, axis=2)
    stages = STAGES if discount == 1 else min(MOST_STAGES, math.ceil(math.log(NEGLIGIBLE) / math.log(discount)))
    belief = np.tile(_normalised(tables.start), (len(moves), 1))
    total, moved = np.zeros(len(moves)), _moving(moves)
    for t in range(stages):
        total += discount**t * np.sum(belief * stage, axis=1)
        belief = moved(belief)
    return total


def _solved(
    moves: Float[np.ndarray, "s s"], stage: Float[np.ndarray, " s"], discount: float
) -> Float[np.ndarray, " s"]:
    """Solve J = g + a P J, by a sparse factorisation if there are many states with few successors each."""
    if len(stage) > MANY_STATES and np.count_nonzero(moves) < FEW * moves.size:
        from scipy import sparse
        from scipy.sparse import linalg

        system = sparse.eye_array(len(stage), format="csc") - discount * sparse.csc_array(moves)
        return np.asarray(linalg.spsolve(sparse.csc_array(system), stage))
    return np.asarray(np.linalg.solve(np.eye(len(stage)) - discount * moves, stage))


def _moving(moves: Float[np.ndarray, "a s s"]) -> Callable[[Float[np.ndarray, "a s"]], Float[np.ndarray, "a s"]]:
    """Return a function that moves a distribution for each joint action by one stage; large tables become sparse."""
    a, s, _ = moves.shape
    if moves.size < MANY or SPARSE * np.count_nonzero(moves) > moves.size:
        return lambda belief: np.matmul(belief[:, None], moves)[:, 0]
    from scipy import sparse  # importing it takes half a second; only large files need it

    u, x, y = np.nonzero(moves)
    # One block-diagonal matrix, with the transpose of P_u in block u, moves the distributions of all joint actions.
    every = sparse.csr_array(sparse.coo_array((moves[u, x, y], (u * s + y, u * s + x)), shape=(a * s, a * s)))
    return lambda belief: np.asarray(every @ belief.ravel()).reshape(a, s)


def _normalised(rows: Float[np.ndarray, "*batch k"]) -> Float[np.ndarray, "*batch k"]:
    """Make rounded rows sum to one."""
    return np.asarray(rows / rows.sum(axis=-1, keepdims=True))


def _outcomes(
    tables: TeamTables,
) -> tuple[Int[np.ndarray, "s a k"], Float[np.ndarray, "s a k"], Float[np.ndarray, "s a k"]]:
    """Return successors, probabilities and costs; all rows keep as many outcomes as the row with most possible ones."""
    a, s, _ = tables.transition.shape
    k = int(np.count_nonzero(tables.transition, axis=2).max())
    found = np.empty((s, a, k), np.int32), np.empty((s, a, k), np.float32), np.empty((s, a, k), np.float32)
    some = max(1, NUMBERS_AT_ONCE // (a * s))
    # States are processed in parts, because large tables leave no room for copies.
    for first in range(0, s, some):
        part = slice(first, first + some)
        chances = _normalised(tables.transition[:, part])
        # A stable sort puts possible outcomes first, in the order of their states.
        successors = np.argsort(chances == 0, axis=2, kind="stable")[..., :k]
        for whole, table in zip(found[1:], (chances, tables.cost[:, part]), strict=True):
            whole[part] = np.moveaxis(np.take_along_axis(table, successors, axis=2), 0, 1)
        found[0][part] = np.moveaxis(successors, 0, 1)
    return found


def _digits(number: Int[Array, ""], sizes: tuple[int, ...]) -> Int[Array, " m"]:
    """Split a joint number into the number of each agent."""
    radix = jnp.array([math.prod(sizes[i + 1 :]) for i in range(len(sizes))], number.dtype)
    return number // radix % jnp.array(sizes, number.dtype)
