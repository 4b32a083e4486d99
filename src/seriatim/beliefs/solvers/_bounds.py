"""A pair of bounds on the optimal cost-to-go from one belief: heuristic search value iteration.

From above, alpha vectors: each is the cost of a plan, first of the blind policies, then of backups at beliefs met,

    alpha_u = g(., u) + a sum_o P_u diag(P(o|., u)) argmin_alpha b_{u,o}.alpha.

From below, a sawtooth over beliefs met, which starts from the fast informed bound. Trials go from the first belief to
where the bounds differ most: the control that looks best from below, the observation that promises to close the gap
most, until the gap left there does not matter at the start; then both bounds are backed up along the way.

Theorem. Both bounds hold at every belief at all times, and with a discount below 1 the gap at the first belief falls
below any tolerance in finitely many trials.

Source: T. Smith and R. Simmons, Point-Based POMDP Algorithms: Improved Analysis and Implementation, UAI 2005.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, Shaped

from seriatim._arguments import require_real, require_whole, seconds_of
from seriatim._errors import InputError
from seriatim._record import record
from seriatim.beliefs._probabilities import probabilities
from seriatim.beliefs._tables import ObservedTables, observed_tables, prior_of, require_finite_model
from seriatim.beliefs.solvers._alpha_vectors import AlphaVectors
from seriatim.beliefs.solvers._blind import blind_costs
from seriatim.beliefs.solvers._incremental_pruning import usable
from seriatim.beliefs.solvers._informed import from_below, informed_sweep, qmdp_sweep, swept
from seriatim.beliefs.solvers._sawtooth import Sawtooth, SawtoothValue
from seriatim.exact._rows import as_sparse

# Stages of one trial, at most.
DEEPEST = 1000
# Sweeps of the first bounds stop when they change less than this, in cost units.
CLOSE = 1e-6
# Beliefs that differ by no more than this at every state are one.
SAME = 1e-12

Values: TypeAlias = Callable[[Float[np.ndarray, "n s"]], Float[np.ndarray, " n"]]


@record
class Bounds:
    """A lower and an upper bound on the optimal cost-to-go J* from one belief.

    Attributes:
        lower: J* is not less at the first belief.
        upper: J* is not more; `policy` costs no more than this.
        trials: searches made.
        converged: whether the gap met the tolerance.
        vectors: the upper bound at every belief, and its policy.
        sawtooth: the lower bound at every belief.
    """

    lower: float
    upper: float
    trials: int
    converged: bool
    vectors: AlphaVectors
    sawtooth: Sawtooth

    @property
    def gap(self) -> float:
        """The upper bound less the lower, in cost units."""
        return self.upper - self.lower

    @property
    def lower_value(self) -> SawtoothValue:
        """The lower bound as a value of beliefs."""
        return SawtoothValue(*(jnp.asarray(part, float) for part in self.sawtooth))

    def lower_at(self, belief: Shaped[Any, " s"]) -> float:
        """Return the lower bound at a belief, in double precision.

        Raises:
            InputError: it is no distribution of the states.
        """
        return float(self.sawtooth.at(probabilities(belief, self.vectors.vectors.shape[1])[None])[0])

    def __str__(self) -> str:
        kept = f"{len(self.vectors.vectors)} vectors, {len(self.sawtooth.points)} beliefs"
        return f"between {self.lower:.6g} and {self.upper:.6g} (gap {self.gap:.2g}; {self.trials} trials, {kept})"


def bounds(
    model: Any,
    *,
    prior: Any = None,
    tolerance: float = 1e-3,
    max_trials: int = 1000,
    max_seconds: float | int | None = None,
) -> Bounds:
    """Bound the optimal cost-to-go from a belief, over an infinite horizon, until the bounds are `tolerance` apart.

    Args:
        model: a finite observed model with `observations()` and a discount below 1; a joint control must be admissible
            everywhere or nowhere.
        prior: the belief, `[s]`; by default the model's initial distribution.
        tolerance: the gap to reach, in cost units.
        max_trials: searches after which it stops whatever the gap; the bounds hold all the same.
        max_seconds: after which the bounds found so far are returned: at the worst those of QMDP and of one blind
            policy, as soon as these are there. None is no limit.

    Raises:
        InputError: the model is not finite or observed, its discount is 1, or an argument is out of range.
    """
    require_real("tolerance", tolerance, "a positive gap, in cost units", above=0)
    require_whole("max_trials", max_trials)
    latest = time.monotonic() + seconds_of(max_seconds)
    require_finite_model(model)
    discount = float(model.discount)
    if discount >= 1:
        raise InputError(
            f"{type(model).__name__} has discount {discount:g}: without a last stage its bounds may never meet; "
            "use beliefs.incremental_pruning(model, horizon=...), centralised_bounds, or a discount below 1."
        )
    tables = usable(observed_tables(model), type(model).__name__)
    start = tables.prior if prior is None else prior_of(model, prior)
    pair, trials = _first_pair(tables, start, latest), 0
    while trials < max_trials and time.monotonic() < latest and pair.gap(start) > tolerance:
        pair, trials = _trial(tables, pair, start, tolerance, latest), trials + 1
    return Bounds(
        lower=float(pair.sawtooth.at(start[None])[0]),
        upper=float(pair.upper(start[None])[0]),
        trials=trials,
        converged=pair.gap(start) <= tolerance,
        vectors=AlphaVectors(model, pair.vectors, tables.controls[pair.choice]),
        sawtooth=pair.sawtooth,
    )


class _Pair(NamedTuple):
    """The two bounds: vectors with the joint controls they begin with, and the sawtooth."""

    vectors: Float[np.ndarray, "k s"]
    choice: Int[np.ndarray, " k"]
    sawtooth: Sawtooth

    def upper(self, beliefs: Float[np.ndarray, "n s"]) -> Float[np.ndarray, " n"]:
        best: Float[np.ndarray, " n"] = (beliefs @ self.vectors.T).min(axis=1)
        return best

    def gap(self, belief: Float[np.ndarray, " s"]) -> float:
        return float(self.upper(belief[None])[0] - self.sawtooth.at(belief[None])[0])


class _Branches(NamedTuple):
    """The beliefs that may follow a belief, one for each joint control and observation, with its probability."""

    beliefs: Float[np.ndarray, "a o s"]
    probability: Float[np.ndarray, "a o"]
    cost: Float[np.ndarray, " a"]


def _first_pair(tables: ObservedTables, start: Float[np.ndarray, " s"], latest: float) -> _Pair:
    """Return the bounds to begin with: the fast informed bound, or QMDP if the time is short, and blind policies."""
    costs, discount, s = tables.costs, tables.discount, tables.costs.shape[0]
    # A row for each (x, u), as sweeps want it, from tables that have u first.
    rows = as_sparse(tables.transitions.transpose(1, 0, 2).reshape(-1, s))
    seen = swept("qmdp", qmdp_sweep(costs, rows, discount), from_below(costs, discount), None, CLOSE, latest)
    # If the time is short, the controls that look best from below are evaluated first.
    promising = np.argsort(start @ seen, kind="stable")
    blind = blind_costs(costs, tables.transitions, discount, None, promising, latest)
    # QMDP is no more than the fast informed bound, so sweeps that begin there rise to it from below too.
    late = informed_sweep(costs, rows, tables.likelihood, discount, latest) if time.monotonic() < latest else None
    informed = seen if late is None else swept("fast_informed_bound", late, seen, None, CLOSE, latest)
    # A control whose cost is infinite somewhere bounds nothing at beliefs that may be there.
    choice = np.flatnonzero(np.isfinite(blind).all(axis=1))
    return _Pair(blind[choice], choice, Sawtooth(informed.T.copy(), np.zeros((0, s)), np.zeros(0)))


def _trial(
    tables: ObservedTables, pair: _Pair, start: Float[np.ndarray, " s"], tolerance: float, latest: float
) -> _Pair:
    """Walk to where the gap matters most, and back up both bounds on the way back, while there is time."""
    path: list[tuple[Float[np.ndarray, " s"], _Branches]] = []
    belief = start
    allowed = tolerance / 2  # half of what is asked for: the way back then closes the rest
    while len(path) < DEEPEST and pair.gap(belief) > allowed and time.monotonic() < latest:
        branches = _branches(tables, belief)
        path.append((belief, branches))
        # A gap one stage further on is discounted once more, so a larger one does there.
        allowed /= tables.discount
        belief = _next(tables, pair, branches, allowed)
    # Deepest first: a backup then uses the bounds that were just improved behind it.
    for belief, branches in reversed(path):
        if time.monotonic() >= latest:
            break
        pair = _raised(tables, _lowered(tables, pair, belief, branches), belief, branches)
    return pair


def _branches(tables: ObservedTables, belief: Float[np.ndarray, " s"]) -> _Branches:
    predicted = np.einsum("x,axy->ay", belief, tables.transitions)
    joint = np.einsum("ay,ayo->aoy", predicted, tables.likelihood)
    probability = joint.sum(axis=2)
    # An observation that cannot come leaves zeros, and counts nothing.
    beliefs = joint / np.where(probability > 0, probability, 1.0)[..., None]
    return _Branches(beliefs, probability, belief @ tables.costs)


def _expected(tables: ObservedTables, branches: _Branches, values: Values) -> Float[np.ndarray, " a"]:
    after = np.zeros(branches.probability.shape)
    possible = branches.probability > 0  # most observations are not, in larger problems
    after[possible] = values(branches.beliefs[possible])
    total: Float[np.ndarray, " a"] = branches.cost + tables.discount * (branches.probability * after).sum(axis=1)
    return total


def _next(tables: ObservedTables, pair: _Pair, branches: _Branches, allowed: float) -> Float[np.ndarray, " s"]:
    """Follow the control that looks best from below, and the observation whose gap weighs most."""
    u = int(_expected(tables, branches, pair.sawtooth.at).argmin())
    # Less the gap that is allowed there: only the excess keeps the gap at the start open.
    gaps = pair.upper(branches.beliefs[u]) - pair.sawtooth.at(branches.beliefs[u]) - allowed
    chosen: Float[np.ndarray, " s"] = branches.beliefs[u, int((branches.probability[u] * gaps).argmax())]
    return chosen


def _lowered(tables: ObservedTables, pair: _Pair, belief: Float[np.ndarray, " s"], branches: _Branches) -> _Pair:
    """Back up the upper bound at a belief: one more vector, if it helps there."""
    u = int(_expected(tables, branches, pair.upper).argmin())
    best = pair.vectors[(branches.beliefs[u] @ pair.vectors.T).argmin(axis=1)]  # [o, s]
    seen = (tables.likelihood[u].T * best).sum(axis=0)
    vector = tables.costs[:, u] + tables.discount * tables.transitions[u] @ seen
    if belief @ vector >= pair.upper(belief[None])[0]:
        return pair
    # Vectors that the new one undercuts at every state are nowhere the least any more.
    keep = ~(pair.vectors >= vector).all(axis=1)
    return pair._replace(vectors=np.vstack([pair.vectors[keep], vector]), choice=np.append(pair.choice[keep], u))


def _raised(tables: ObservedTables, pair: _Pair, belief: Float[np.ndarray, " s"], branches: _Branches) -> _Pair:
    """Back up the lower bound at a belief: one more point, or a better one in place of the same."""
    better = float(_expected(tables, branches, pair.sawtooth.at).min())
    if better <= pair.sawtooth.at(belief[None])[0]:
        return pair
    return pair._replace(sawtooth=pair.sawtooth.raised(belief, better, SAME))
