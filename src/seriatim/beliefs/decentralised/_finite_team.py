"""Yardsticks of a finite team over a few stages: the cost if all share everything, and the cost of separate agents.

Centralised:    J_0(b) = 0,   J_k(b) = min_u [ g(b, u) + a sum_o P(o | b, u) J_{k-1}(b_uo) ],  over joint observations.

Theorem. J_T(start) bounds from below the expected cost over T stages of every policy whose agents have less to go by:
what they know is a function of what all of them know together.

Decentralised: agents' controls are functions of what each knows, so the joint history fixes them. The expected cost is
a sum over joint histories of observations, each with the weights of the states.

Source: F. Oliehoek, M. Spaan and N. Vlassis, Optimal and Approximate Q-value Functions for Decentralized POMDPs,
Journal of Artificial Intelligence Research 32, 2008.
"""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from seriatim._arguments import seconds_of
from seriatim._compile import jit
from seriatim._errors import InputError
from seriatim._preconditions import require_policy
from seriatim.beliefs._tables import ObservedTables, observed_tables
from seriatim.beliefs.decentralised._agent_filter import ExactAgentFilter
from seriatim.beliefs.decentralised._information import Information, InformationModel
from seriatim.beliefs.solvers._blind import blind_costs
from seriatim.beliefs.solvers._incremental_pruning import usable
from seriatim.beliefs.solvers._informed import informed_sweep, qmdp_sweep, require_stages
from seriatim.controls import joint_index
from seriatim.exact._rows import as_sparse
from seriatim.policy import Policy

# Beliefs of one stage, times joint controls, observations and states: numbers that may be held at once.
MAX_NUMBERS = 2**26
# Beliefs that agree to so many digits are one.
DIGITS = 10


def centralised_value(model: Any, horizon: int) -> float:
    """Return the least expected cost over `horizon` stages from the start, if all agents share their observations.

    Exact dynamic programming in double precision over the beliefs that can be reached; equal beliefs are met once.

    Args:
        model: a finite observed model with `observations()` and `initial_distribution()`, such as a problem file's.
        horizon: stages, from 1 up; work grows with the beliefs they reach.

    Raises:
        InputError: the model is not finite and observed, `horizon` is out of range, or too many beliefs are reached.
    """
    require_stages(horizon)
    return _value(observed_tables(model), horizon, np.inf)


class CentralisedBounds(NamedTuple):
    """Bounds on the least expected cost: it lies between `lower` and `upper`, and is known if `converged`."""

    lower: float
    upper: float
    converged: bool


def centralised_bounds(model: Any, horizon: int, *, max_seconds: float | int | None = None) -> CentralisedBounds:
    """Bound the least expected cost over `horizon` stages from the start, if all agents share their observations.

    Both bounds are the exact value where the beliefs that can be reached are few enough for `centralised_value`, and
    for the time. Otherwise the fast informed bound holds from below, or QMDP for stages that the time did not suffice
    for, and the best constant joint control found from above.

    Args:
        model: a finite observed model with `observations()` and `initial_distribution()`.
        horizon: stages, from 1 up.
        max_seconds: after which the bounds found so far are returned; None is no limit.

    Raises:
        InputError: the model is not finite and observed, or an argument is out of range.
    """
    require_stages(horizon)
    latest = time.monotonic() + seconds_of(max_seconds)
    tables = usable(observed_tables(model), type(model).__name__)
    seen = _informed(tables, horizon, latest)
    promising = np.argsort(tables.prior @ seen, kind="stable")
    blind = blind_costs(tables.costs, tables.transitions, tables.discount, horizon, promising, latest)
    finite = np.isfinite(blind).all(axis=1)
    lower, upper = float((tables.prior @ seen).min()), float((blind[finite] @ tables.prior).min())
    try:
        best = _value(tables, horizon, latest)
    except (InputError, TimeoutError):
        return CentralisedBounds(lower, upper, False)
    return CentralisedBounds(best, best, True)


def _informed(tables: ObservedTables, horizon: int, latest: float) -> Float[np.ndarray, "s a"]:
    """Sweep the fast informed bound once for each stage; when the time is over, QMDP, which is a bound too."""
    s = tables.costs.shape[0]
    rows = as_sparse(tables.transitions.transpose(1, 0, 2).reshape(-1, s))
    early = qmdp_sweep(tables.costs, rows, tables.discount)
    late = informed_sweep(tables.costs, rows, tables.likelihood, tables.discount, latest)
    q: Float[np.ndarray, "s a"] = np.zeros(tables.costs.shape)
    for _ in range(horizon):
        after = late(q)
        q = early(q) if after is None else after
    return q


def _value(tables: ObservedTables, horizon: int, latest: float) -> float:
    """Return the exact value; raise TimeoutError once the time is over."""
    beliefs = tables.prior[None]
    levels: list[tuple[Any, ...]] = []
    for stage in range(horizon):
        costs = _expected(beliefs, tables.costs)
        # Beliefs after the last stage would only take memory.
        if stage == horizon - 1:
            levels.append((costs, None, None))
            break
        _check_size(beliefs, tables, stage, horizon)
        if time.monotonic() > latest:
            raise TimeoutError
        predicted = np.einsum("ns,ast->nat", beliefs, tables.transitions)
        joint = predicted[:, :, None] * tables.likelihood.transpose(0, 2, 1)
        chance = joint.sum(axis=3)
        after = (joint / np.where(chance > 0, chance, 1.0)[..., None]).reshape(-1, beliefs.shape[1])
        # An impossible observation gives the belief 0, which no cost follows.
        _, firsts, places = np.unique(after.round(DIGITS), axis=0, return_index=True, return_inverse=True)
        beliefs = after[firsts]
        levels.append((costs, chance, places.reshape(chance.shape)))
    return float(_backwards(levels, tables.discount)[0])


def _expected(beliefs: Float[np.ndarray, "n s"], costs: Float[np.ndarray, "s a"]) -> Float[np.ndarray, "n a"]:
    """Return expected stage costs; infinity where a control is inadmissible at a state that is possible."""
    finite = np.isfinite(costs)
    forbidden = (beliefs > 0).astype(float) @ ~finite > 0
    return np.where(forbidden, np.inf, beliefs @ np.where(finite, costs, 0.0))


def _backwards(levels: list[tuple[Any, ...]], discount: float) -> Float[np.ndarray, " n"]:
    value = levels[-1][0].min(axis=1)
    for costs, chance, places in reversed(levels[:-1]):
        value = (costs + discount * (chance * value[places]).sum(axis=2)).min(axis=1)
    return np.asarray(value)


def decentralised_value(model: InformationModel, policy: Policy | Sequence[Policy], horizon: int) -> float:
    """Return the exact expected cost over `horizon` stages from the start of agents with their own information.

    Policies see what the agents know; the true state is kept from them. Every joint history of observations is met
    once: `o ** (horizon - 1)` of them.

    Args:
        model: a finite team with a `ExactAgentFilter`, whose messages arrive always or never.
        policy: of informations, deterministic; or one for each stage, in order.
        horizon: stages, from 1 up.

    Raises:
        InputError: messages arrive by chance, the filter is another, or `horizon` or the number of policies is wrong.
    """
    require_stages(horizon)
    if not isinstance(model, InformationModel):
        raise InputError(
            f"model is a {type(model).__name__}; give an InformationModel, in which each agent knows its own."
        )
    policies = list(policy) if isinstance(policy, Sequence) else [policy] * horizon
    if len(policies) != horizon:
        raise InputError(f"There are {len(policies)} policies for horizon={horizon}; give one, or one for each stage.")
    for each in policies:
        require_policy("policy", each)
    if (
        not isinstance(model.filter, ExactAgentFilter)
        or model.in_reach is not None
        or float(model.arrival) not in (0, 1)
    ):
        raise InputError(
            f"arrival={model.arrival}, in_reach={model.in_reach} and {type(model.filter).__name__}: histories can be "
            "enumerated with an ExactAgentFilter and messages that arrive always or never; use evaluate for others."
        )
    tables = observed_tables(model.model)
    weights, known = tables.prior[None], jax.tree.map(lambda leaf: leaf[None], model.filter.initial(jax.random.key(0)))
    total = 0.0
    for stage, each in enumerate(policies):
        controls = np.asarray(_controls(model, each, known))
        numbers = np.asarray(joint_index(jnp.asarray(controls), model.num_controls))
        # Where the state cannot be, an infinite cost counts nothing.
        costs = np.where(weights > 0, weights * tables.costs.T[numbers], 0.0)
        total += tables.discount**stage * float(costs.sum())
        if stage == horizon - 1:
            break
        _check_size(weights, tables, stage, horizon)
        predicted = np.einsum("ns,nst->nt", weights, tables.transitions[numbers])
        joint = predicted[:, None] * tables.likelihood.transpose(0, 2, 1)[numbers]
        # A new history for each old one and observation that may follow it.
        nodes, seen = np.nonzero(joint.sum(axis=2) > 0)
        weights = joint[nodes, seen]
        before = jax.tree.map(lambda leaf, nodes=nodes: leaf[nodes], known)
        known = _learnt(model, before, jnp.asarray(controls[nodes]), jnp.asarray(seen, jnp.int32))
    return total


def _all_controls(model: InformationModel, policy: Policy, known: Any) -> Int[Array, "n m"]:
    # Any state: a policy of information must not look at it.
    hidden = jax.tree.map(lambda leaf: leaf[0], model.model.states())
    return jax.vmap(lambda each: policy(Information(hidden, each), jax.random.key(0)))(known)


def _all_learnt(model: InformationModel, known: Any, controls: Int[Array, "n m"], seen: Int[Array, " n"]) -> Any:
    m = model.num_agents
    listed = jax.tree.map(lambda leaf: leaf[seen], model.model.observations())
    heard = jnp.broadcast_to(jnp.eye(m, dtype=bool) | (jnp.asarray(model.arrival) >= 1), (m, m))
    own = jax.vmap(model.filter.sample_disturbance)(jax.random.split(jax.random.key(0), m))
    return jax.vmap(lambda k, u, o: model.learnt(k, u, o, heard, own))(known, controls, listed)


_controls = jit(_all_controls)
_learnt = jit(_all_learnt)


def _check_size(beliefs: Float[np.ndarray, "n s"], tables: ObservedTables, stage: int, horizon: int) -> None:
    numbers = beliefs.size * tables.costs.shape[1] * tables.likelihood.shape[2]
    if numbers > MAX_NUMBERS:
        raise InputError(
            f"horizon={horizon} reaches {len(beliefs):,} beliefs at stage {stage}, {numbers:,} numbers, more than "
            f"{MAX_NUMBERS:,}; give a shorter horizon."
        )
