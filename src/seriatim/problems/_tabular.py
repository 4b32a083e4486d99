"""A team problem written down as arrays: the smallest finite models, and random ones to test theorems on.

    x' = successors[x, u, K],   g = costs[x, u, K],   P(K = k) = probabilities[x, u, k],

with the joint control `u` numbered as in `seriatim.controls.joint_controls`. The outcome `K` is reparameterised: the
disturbance `w` is one uniform number, and `K` is the first outcome whose cumulative probability exceeds it.

Random models are of the Garnet kind: Archibald, McKinnon and Thomas, On the Generation of Markov Decision Processes,
Journal of the Operational Research Society 46(3), 1995.
"""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Shaped

from seriatim._arguments import require_real
from seriatim._errors import InputError
from seriatim._inverse import inverse
from seriatim._numbers import is_whole
from seriatim._record import record
from seriatim.controls import joint_controls, joint_index
from seriatim.model import Key, Transition

# Probabilities are read in single precision. A sum that is further than this from one is a mistake, not rounding.
ROUNDING = 1e-4
# The largest signed number of 32 bits, the type of states and controls.
LARGEST = 2**31 - 1
# The most numbers that a table of a random problem may have.
MAX_NUMBERS = 100_000_000


@record
class TablePlayer:
    """The policy that looks its joint control up: `control[x]`.

    Attributes:
        control: a control for each agent at each state, `[s, m]`.
    """

    control: Int[Array, "s m"]

    def __call__(self, info: Int[Array, ""], key: Key) -> Int[Array, " m"]:
        """Return the row of the state; `key` is not used."""
        del key
        return self.control[info]


@record
class Tabular:
    """A finite model given by arrays; a state is its number.

    Joint controls `a = 0 .. c**m - 1` stand in the order of `seriatim.controls.joint_controls`. Entries for joint
    controls that `mask` or `is_feasible` forbids are never used, but must be well formed.

    Attributes:
        successors: the state each outcome leads to, `[s, a, k]`.
        probabilities: of the outcomes, `[s, a, k]`; each row sums to one.
        costs: stage costs, `[s, a, k]`, or `[s, a]` where they do not depend on the outcome.
        done: which outcomes end the problem, `[s, a, k]`; by default none.
        mask: admissible controls of each agent, `[s, m, c]`.
        discount: in (0, 1].
        initial: the distribution of the first state, `[s]`; by default uniform.
        base_control: the base policy, `[s, m]`; by default each state's first feasible joint control.
        is_feasible: coupled constraints, `[s, a]`; by default everything admissible is feasible.

    Raises:
        InputError: shapes disagree, a row is no distribution, a successor is no state, a cost is not finite, or a
            state has no feasible joint control.
    """

    successors: Shaped[ArrayLike, "..."]
    probabilities: Shaped[ArrayLike, "..."]
    costs: Shaped[ArrayLike, "..."]
    mask: Shaped[ArrayLike, "..."]
    discount: Any
    done: Any = None
    initial: Any = None
    base_control: Any = None
    is_feasible: Any = None

    def __post_init__(self) -> None:
        arrays = _completed(self)
        _check(arrays)
        for name in ("successors", "probabilities", "costs", "mask", "done", "initial", "base_control", "is_feasible"):
            object.__setattr__(self, name, jnp.asarray(arrays[name]))

    @property
    def num_agents(self) -> int:
        """The number of agents, m."""
        return int(jnp.shape(self.mask)[1])

    @property
    def num_controls(self) -> int:
        """The largest number of controls of an agent, c."""
        return int(jnp.shape(self.mask)[2])

    def initial_state(self, key: Key) -> Int[Array, ""]:
        """Draw the first state from `initial`."""
        return inverse(jnp.asarray(self.initial), jax.random.uniform(key))

    def initial_distribution(self) -> Float[Array, " s"]:
        """Return `initial`, the distribution of the first state."""
        return jnp.asarray(self.initial)

    def control_mask(self, state: Int[Array, ""]) -> Bool[Array, "m c"]:
        """Look the admissible controls up."""
        return jnp.asarray(self.mask)[state]

    def feasible(self, state: Int[Array, ""], control: Int[Array, " m"]) -> Bool[Array, ""]:
        """Look up whether the joint control is feasible."""
        row: Bool[Array, ""] = self.is_feasible[state, joint_index(control, self.num_controls)]
        return row

    def sample_disturbance(self, key: Key) -> Float[Array, ""]:
        """Draw one uniform number."""
        return jax.random.uniform(key)

    def transition(self, state: Int[Array, ""], control: Int[Array, " m"], disturbance: Float[Array, ""]) -> Transition:
        """Pick the outcome whose share of the unit interval holds the disturbance."""
        after, probability = self.outcomes(state, control)
        k = inverse(probability, disturbance)
        chosen: Transition = jax.tree.map(lambda leaf: leaf[k], after)
        return chosen

    def states(self) -> Int[Array, " s"]:
        """Number the states."""
        return jnp.arange(jnp.shape(self.mask)[0], dtype=jnp.int32)

    def index(self, state: Int[Array, ""]) -> Int[Array, ""]:
        """Return the state, which is its own number."""
        return state

    def outcomes(self, state: Int[Array, ""], control: Int[Array, " m"]) -> tuple[Transition, Float[Array, " k"]]:
        """Look the outcomes up."""
        at = (state, joint_index(control, self.num_controls))
        after = Transition(state=jnp.asarray(self.successors)[at], cost=jnp.asarray(self.costs)[at], done=self.done[at])
        return after, jnp.asarray(self.probabilities)[at]

    def features(self, state: Int[Array, ""], agent: Int[Array, ""]) -> Float[Array, " k"]:
        """Return one-hot vectors of the state and the agent; a large enough network of them can represent any table."""
        count = jnp.shape(self.successors)[0]
        return jnp.concatenate([jax.nn.one_hot(state, count), jax.nn.one_hot(agent, self.num_agents)])

    def base_policy(self) -> TablePlayer:
        """Return the policy of `base_control`."""
        return TablePlayer(self.base_control)


def _completed(model: Tabular) -> dict[str, Any]:
    """Return the fields as NumPy arrays of full shape, with the defaults filled in."""
    probabilities = np.asarray(model.probabilities, np.float32)
    if probabilities.ndim != 3 or probabilities.size == 0:
        raise InputError(
            f"probabilities has shape {probabilities.shape}; give [states, joint controls, outcomes], at least one of "
            "each."
        )
    mask = np.asarray(model.mask, bool)
    s, a, _ = probabilities.shape
    if mask.ndim != 3 or mask.shape[0] != s or mask.shape[2] ** mask.shape[1] != a:
        raise InputError(
            f"mask has shape {mask.shape}, which does not fit probabilities of shape {probabilities.shape}; give "
            "[states, agents, controls] with controls**agents joint controls."
        )
    costs = np.asarray(model.costs, np.float32)
    # Costs without an axis of outcomes are the same for all outcomes.
    costs = np.broadcast_to(costs[..., None], probabilities.shape) if costs.shape == (s, a) else costs
    done = np.zeros(probabilities.shape, bool) if model.done is None else np.asarray(model.done, bool)
    initial = np.full(s, 1 / s, np.float32) if model.initial is None else np.asarray(model.initial, np.float32)
    feasible = np.ones((s, a), bool) if model.is_feasible is None else np.asarray(model.is_feasible, bool)
    filled = {
        "successors": _whole("successors", model.successors),
        "probabilities": probabilities,
        "costs": costs,
        "mask": mask,
        "discount": model.discount,
        "done": done,
        "initial": initial,
        "is_feasible": feasible,
    }
    _check_shapes(filled, s, a)
    allowed = _admissible(mask) & feasible
    stuck = np.flatnonzero(~allowed.any(axis=1))
    if stuck.size:
        raise InputError(
            f"State {stuck[0]} has no joint control that mask and is_feasible allow; every agent needs one everywhere."
        )
    # `argmax` of booleans is the place of the first True: the first joint control that is allowed.
    first = joint_controls(*mask.shape[1:])[allowed.argmax(axis=1)]
    base = first if model.base_control is None else _whole("base_control", model.base_control)
    return filled | {"base_control": base}


def _whole(name: str, numbers: Any) -> Int[np.ndarray, "..."]:
    """Return whole numbers in 32 bits; refuse fractions, which NumPy would cut off silently."""
    given = np.asarray(numbers)
    odd = given[(given != np.trunc(given)) | (given > LARGEST) | (given < -LARGEST)]
    if odd.size:
        raise InputError(f"{name} holds {odd[0]:g}; whole numbers are expected, of states or controls, from 0.")
    return given.astype(np.int32)


def _admissible(mask: Bool[np.ndarray, "s m c"]) -> Bool[np.ndarray, "s a"]:
    """Mark the joint controls whose parts are all admissible for their agents."""
    m, c = mask.shape[1:]
    joint = joint_controls(m, c)
    # parts[i, x, a]: whether agent i may choose its part of joint control a at state x.
    parts = np.stack([mask[:, i, joint[:, i]] for i in range(m)])
    return np.asarray(parts.all(axis=0))


def _check_shapes(arrays: dict[str, Any], s: int, a: int) -> None:
    full = arrays["probabilities"].shape
    expected = {"successors": full, "costs": full, "done": full, "initial": (s,), "is_feasible": (s, a)}
    for name, shape in expected.items():
        if arrays[name].shape != shape:
            raise InputError(f"{name} has shape {arrays[name].shape}; probabilities of shape {full} need {shape}.")


def _check(arrays: dict[str, Any]) -> None:
    s, m, c = arrays["mask"].shape
    if not 0 < arrays["discount"] <= 1:
        raise InputError(f"discount={arrays['discount']}: give a number above 0 and at most 1.")
    _check_distributions("probabilities", arrays["probabilities"])
    _check_distributions("initial", arrays["initial"])
    odd = np.argwhere((arrays["successors"] < 0) | (arrays["successors"] >= s))
    if odd.size:
        value = arrays["successors"][tuple(odd[0])]
        raise InputError(f"successors{odd[0].tolist()} is {value}; a number of a state, 0..{s - 1}, is expected.")
    odd = np.argwhere(~np.isfinite(arrays["costs"]))
    if odd.size:
        value = arrays["costs"][tuple(odd[0])]
        raise InputError(f"costs{odd[0].tolist()} is {value}; stage costs must be finite (forbid controls by mask).")
    base = arrays["base_control"]
    if base.shape != (s, m) or base.min() < 0 or base.max() >= c:
        raise InputError(
            f"base_control has shape {base.shape} and values {base.min()}..{base.max()}; {(s, m)} and 0..{c - 1} "
            "are expected."
        )
    allowed = _admissible(arrays["mask"]) & arrays["is_feasible"]
    # base @ radix is the number of the base policy's joint control.
    radix = c ** np.arange(m - 1, -1, -1)
    forbidden = np.flatnonzero(~allowed[np.arange(s), base @ radix])
    if forbidden.size:
        raise InputError(
            f"base_control at state {forbidden[0]} is {base[forbidden[0]].tolist()}, which mask or is_feasible forbids;"
            " the base policy must be feasible, so that one agent at a time always has a choice."
        )


def _check_distributions(name: str, rows: Float[np.ndarray, "... k"]) -> None:
    total = rows.sum(axis=-1)
    # The negation of what is right also catches NaN, of which every comparison is False.
    odd = np.argwhere(~((rows >= 0).all(axis=-1) & (abs(total - 1) <= ROUNDING)))
    if len(odd):
        place = tuple(odd[0])
        raise InputError(
            f"{name}{odd[0].tolist() or ''} is {rows[place].tolist()} with sum {total[place]:.6g}; non-negative "
            "numbers that sum to 1 are expected."
        )


def random_team(
    seed: int,
    *,
    states: int,
    agents: int,
    controls: int | tuple[int, ...],
    successors: int = 3,
    discount: float = 0.95,
    termination: float = 0.0,
    masked: float = 0.2,
    infeasible: float = 0.0,
) -> Tabular:
    """Draw a random team problem of the Garnet kind, with a random admissible base policy.

    Every joint control leads to `successors` distinct states with uniformly distributed probabilities; stage costs are
    uniform in [0, 1).

    Args:
        seed: decides all random choices.
        states: the number of states.
        agents: the number of agents.
        controls: the number of controls of each agent; a tuple gives agents different numbers, by masks.
        successors: the number of states that a joint control may lead to.
        discount: in (0, 1].
        termination: the chance that a stage is the last, under every joint control. Above 0, every policy ends, and
            costs are finite at discount 1.
        masked: the chance that a control other than the base policy's is inadmissible at a state.
        infeasible: the chance that a joint control other than the base policy's is infeasible.

    Raises:
        InputError: a size is less than 1, a chance outside [0, 1), more successors than states, or discount 1 without
            termination.
    """
    counts = (controls,) * agents if isinstance(controls, int) else tuple(controls)
    _check_team(states, agents, counts, successors, discount, termination, masked, infeasible)
    rng = np.random.default_rng(seed)
    s, m, c = states, agents, max(counts)
    joint = c**m
    # The places of the smallest of s random numbers are distinct states, all sets being equally likely.
    to = rng.random((s, joint, s)).argpartition(successors - 1, axis=2)[..., :successors]
    chances = rng.dirichlet(np.ones(successors), (s, joint)) * (1 - termination)
    costs = rng.random((s, joint))
    keep = rng.random((s, m, c)) >= masked
    mask = keep & (np.arange(c) < np.array(counts)[:, None])
    # The base policy's controls are admissible and feasible, whatever was drawn.
    base = np.array([[rng.integers(n) for n in counts] for _ in range(s)])
    np.put_along_axis(mask, base[:, :, None], True, axis=2)
    feasible = rng.random((s, joint)) >= infeasible
    feasible[np.arange(s), base @ (c ** np.arange(m - 1, -1, -1))] = True
    done = np.zeros((s, joint, successors), bool)
    if termination:
        # One more outcome ends the problem. It needs a state, which plays no role.
        to = np.concatenate([to, to[..., :1]], axis=2)
        chances = np.concatenate([chances, np.full((s, joint, 1), termination)], axis=2)
        done = np.concatenate([done, np.ones((s, joint, 1), bool)], axis=2)
    return Tabular(
        successors=to,
        probabilities=chances,
        costs=costs,
        done=done,
        mask=mask,
        discount=discount,
        base_control=base,
        is_feasible=feasible,
    )


def _check_team(
    states: int,
    agents: int,
    counts: tuple[int, ...],
    successors: int,
    discount: float,
    termination: float,
    masked: float,
    infeasible: float,
) -> None:
    sizes = (states, agents, successors, *counts)
    if not all(is_whole(size, 1) for size in sizes) or len(counts) != agents:
        raise InputError(
            f"states={states}, agents={agents}, controls={counts}, successors={successors}: give whole numbers from 1 "
            "up, and as many numbers of controls as agents."
        )
    if successors > states:
        raise InputError(f"successors={successors} is more than states={states}; successors are distinct states.")
    size = states**2 * max(counts) ** agents
    if size > MAX_NUMBERS:
        raise InputError(
            f"states={states}, agents={agents}, controls={counts}: tables would have {size:.1e} numbers, and may have "
            f"{MAX_NUMBERS:.1e}; give fewer of them."
        )
    for name, chance in (("termination", termination), ("masked", masked), ("infeasible", infeasible)):
        require_real(name, chance, "a chance of at least 0 and less than 1", least=0, below=1)
    require_real("discount", discount, "a number above 0 and at most 1", above=0, most=1)
    if discount == 1 and termination == 0:
        raise InputError("discount=1 without termination leaves costs infinite; give termination > 0 or discount < 1.")


def static_team(
    costs: Shaped[ArrayLike, "..."], *, discount: float, base_control: tuple[int, ...] | None = None
) -> Tabular:
    """Make the one-state problem in which a team pays `costs[u_1, ..., u_m]` at every stage, for ever.

    >>> static_team(np.array([[1.0, 0.0], [0.0, 2.0]]), discount=0.9).num_agents
    2

    Args:
        costs: one axis an agent, all of the same length c.
        discount: below 1, since the problem never ends.
        base_control: the joint control that the base policy always chooses, `[m]`; by default (0, ..., 0).

    Raises:
        InputError: the axes of `costs` differ in length, or an argument is out of range.
    """
    table = np.asarray(costs, np.float32)
    if table.ndim < 1 or len(set(table.shape)) != 1:
        raise InputError(f"costs has shape {table.shape}; give one axis for each agent, all of the same length.")
    advice = "a number above 0 and below 1, since the team never ends"
    require_real("discount", discount, advice, above=0, below=1)
    m, c = table.ndim, table.shape[0]
    flat = [table[u] for u in itertools.product(range(c), repeat=m)]
    return Tabular(
        successors=np.zeros((1, c**m, 1), np.int32),
        probabilities=np.ones((1, c**m, 1)),
        costs=np.array(flat)[None],
        mask=np.ones((1, m, c), bool),
        discount=discount,
        base_control=np.array([base_control or (0,) * m]),
    )
