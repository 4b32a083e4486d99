"""Tables: a finite observed model as arrays in double precision, the form that filters and solvers work on.

costs[x, u] = E g(x, u, w),   transitions[u, x, y] = P(f(x, u, w) = y and the problem goes on),
likelihood[u, y, o] = P(o | y, u).
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from seriatim import _optional
from seriatim._compile import jit
from seriatim._errors import InputError
from seriatim._preconditions import require_discount, require_sizes
from seriatim._record import record
from seriatim.beliefs._probabilities import ROUNDING, probabilities
from seriatim.controls import joint_controls, num_joint_controls
from seriatim.exact import tabulate
from seriatim.exact._rows import as_sparse

# Numbers that one table may hold.
MAX_NUMBERS = 2**26


@record
class ObservedTables:
    """A finite observed model as arrays.

    Attributes:
        costs: expected stage costs, `[s, a]`; infinity where a joint control may not be chosen.
        transitions: `[a, s, s]`; the difference of a row's sum to one is the chance that the problem ends.
        likelihood: of the observations, `[a, s, o]`: given the new state and the control that led there.
        prior: the distribution of the first state, `[s]`.
        controls: the joint controls, `[a, m]`.
        discount: in (0, 1].
    """

    costs: Float[np.ndarray, "s a"]
    transitions: Float[np.ndarray, "a s s"]
    likelihood: Float[np.ndarray, "a s o"]
    prior: Float[np.ndarray, " s"]
    controls: Int[np.ndarray, "a m"]
    discount: float


def observed_tables(model: Any) -> ObservedTables:
    """Enumerate a finite observed model.

    Raises:
        InputError: the model is not finite or has no `observations()`, its tables would be too large, or its
            probabilities do not sum to one.
    """
    costs, rows = motion_rows(model)
    return ObservedTables(
        costs=costs,
        transitions=dense(rows),
        likelihood=likelihood_table(model, rows),
        prior=prior_of(model),
        controls=joint_controls(model.num_agents, model.num_controls),
        discount=float(model.discount),
    )


def motion(model: Any) -> tuple[Float[np.ndarray, "s a"], Float[np.ndarray, "a s s"]]:
    """Return the expected stage costs and the transitions of a finite model.

    Raises:
        InputError: the model is not finite, or too large.
    """
    costs, rows = motion_rows(model)
    return costs, dense(rows)


def motion_rows(model: Any) -> tuple[Float[np.ndarray, "s a"], sparse.csr_array]:
    """Return the expected stage costs, and the transitions as a matrix `[s * a, s]` without zeros.

    Raises:
        InputError: the model is not finite, or too large.
    """
    require_finite_model(model)
    name = type(model).__name__
    s = jax.tree.leaves(jax.eval_shape(model.states))[0].shape[0]
    numbers = num_joint_controls(model.num_agents, model.num_controls) * s * s
    if numbers > MAX_NUMBERS:
        raise InputError(
            f"{name} has {s:,} states, and its transitions would be {numbers:,} numbers, more than {MAX_NUMBERS:,}; "
            "use ParticleFilter."
        )
    tables = tabulate(model)
    return tables.costs, as_sparse(tables.transitions)


def require_finite_model(model: Any) -> None:
    """Refuse what does not list its states.

    Raises:
        InputError: it is no model, or a class, or not finite.
    """
    require_sizes(model)
    require_discount(model)
    if _optional.states(model) is None:
        raise InputError(
            f"{type(model).__name__} has no states(): exact beliefs need a finite model, with states(), index(state) "
            "and outcomes(state, control); for others there is ParticleFilter."
        )


def dense(rows: sparse.csr_array) -> Float[np.ndarray, "a s s"]:
    """Return transitions as an array, by joint control."""
    s = rows.shape[1]
    return np.ascontiguousarray(rows.toarray().reshape(s, -1, s).transpose(1, 0, 2))


def likelihood_table(model: Any, rows: sparse.csr_array) -> Float[np.ndarray, "a s o"]:
    """Return the probabilities of all observations, which sum to one wherever a control may lead.

    Raises:
        InputError: the model does not list its observations, they are too many, or their probabilities do not sum to
            one.
    """
    name = type(model).__name__
    if _optional.observations(model) is None:
        raise InputError(
            f"{name} has no observations(); enumerating what may be seen needs it: all observations, stacked along a "
            "leading axis."
        )
    s = rows.shape[1]
    a = rows.shape[0] // s
    count = jax.tree.leaves(jax.eval_shape(model.observations))[0].shape[0]
    if a * s * count > MAX_NUMBERS:
        raise InputError(
            f"{name} has {count:,} observations, and their probabilities would be {a * s * count:,} numbers, more than "
            f"{MAX_NUMBERS:,}; leave them to a filter, which needs only those that are made."
        )
    given = _optional.tabulated_observations(model)
    table = np.asarray(_likelihoods(model) if given is None else given(), np.float64)
    total = table.sum(axis=2)
    reached = np.zeros((a, s), bool)
    # Rows are numbered x * a + u. At new states that no control leads to, likelihoods may be anything.
    reached[np.repeat(np.arange(a * s), np.diff(rows.indptr)) % a, rows.indices] = True
    odd = np.argwhere(reached & ~((table >= 0).all(axis=2) & (abs(total - 1) <= ROUNDING)))
    if len(odd):
        u, y = odd[0]
        raise InputError(
            f"{name}.observation_likelihood at state number {y} after joint control number {u} sums to "
            f"{total[u, y]:.6g} over observations(), from {table[u, y].min():.3g} to {table[u, y].max():.3g}; "
            "non-negative numbers that sum to 1 are expected."
        )
    return np.where(reached[..., None], table / np.where(reached, total, 1.0)[..., None], 0.0)


def _every_likelihood(model: Any) -> Any:
    controls = jnp.asarray(joint_controls(model.num_agents, model.num_controls))
    over_observations = jax.vmap(model.observation_likelihood, (0, None, None))
    over_states = jax.vmap(over_observations, (None, 0, None))
    return jax.vmap(over_states, (None, None, 0))(model.observations(), model.states(), controls)


_likelihoods = jit(_every_likelihood)


def prior_of(model: Any, prior: Any = None) -> Float[np.ndarray, " s"]:
    """Return the distribution of the first state: the one given, or else the model's own.

    Raises:
        InputError: there is none, or it is no distribution.
    """
    name = type(model).__name__
    own = _optional.initial_distribution(model)
    if prior is None and own is None:
        raise InputError(f"{name} has no initial_distribution(); add it, or give prior=, a probability for each state.")
    s = jax.tree.leaves(jax.eval_shape(model.states))[0].shape[0]
    given = probabilities(model.initial_distribution() if prior is None else prior, s, "The prior", f" of {name}")
    normal: Float[np.ndarray, " s"] = given / given.sum()
    return normal
