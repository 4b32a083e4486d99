"""The laws of a finite model: numbered states, outcomes with probabilities, and samples that follow them."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy
from jaxtyping import Array, Shaped

from seriatim import _optional
from seriatim._structure import require_same, shapes
from seriatim._unoptimised import jit_unoptimised
from seriatim.model import Key
from seriatim.testing._report import Broken, Law, NotApplicable, call
from seriatim.testing._walk import random_control

# The number of state-control pairs tested, the samples of each, and the false-alarm rate of all tests together.
PAIRS = 16
SAMPLES = 4000
FALSE_ALARM = 1e-6
STATES_CHECKED, STATES_TABULATED = 2000, 64
ROUNDING = 1e-4


def finite_laws(model: Any, key: Key) -> list[Law]:
    """List the laws; they do not apply to a model without `states`, `index` and `outcomes`."""
    laws = [
        Law("finite: states are numbered", lambda: _numbered(model)),
        Law("finite: outcomes have probabilities", lambda: _outcomes(model, key)),
        Law("finite: samples follow the outcomes", lambda: _samples(model, key)),
    ]
    if _optional.tabulated_motion(model) is not None:  # few models have this method, and only exact methods use it
        laws.append(Law("finite: tabulated numbers are those of the outcomes", lambda: _tabulated(model, key)))
    return laws


def _states(model: Any) -> Any:
    if _optional.missing_methods(model, _optional.FINITE):
        raise NotApplicable("the model has no states(), index() and outcomes()")
    # Many models are finite only in some configurations. In others their methods raise an error that says so.
    try:
        return call(model, "states")
    except Broken as reason:
        if isinstance(reason.__cause__, ValueError):
            raise NotApplicable(str(reason)) from None
        raise


def _some(states: Any, most: int = STATES_CHECKED) -> tuple[Any, Shaped[np.ndarray, " n"]]:
    """Return at most `most` states, evenly spread over all, with their numbers."""
    count = len(jax.tree.leaves(states)[0])
    numbers = np.unique(np.linspace(0, count - 1, most).astype(int))
    return jax.tree.map(lambda leaf: jnp.asarray(leaf)[numbers], states), numbers


def _numbered(model: Any) -> str:
    states, name = _states(model), type(model).__name__
    count = len(jax.tree.leaves(states)[0])
    one = jax.tree.map(lambda leaf: jnp.asarray(leaf)[0], states)
    initial = model.initial_state(jax.random.key(0))
    require_same(f"{name}.states()[0]", shapes(one), shapes(initial), "it must be like initial_state")
    some, numbers = _some(states)
    index = np.asarray(jit_unoptimised(jax.vmap(model.index))(some))
    wrong = np.flatnonzero(index != numbers)
    if wrong.size:
        n = numbers[wrong[0]]
        raise Broken(f"{name}.index(states()[{n}]) is {index[wrong[0]]}; {n} is expected.")
    start = int(model.index(initial))
    found = 0 <= start < count and _equal(jax.tree.map(lambda leaf: leaf[start], states), initial)
    if not found:
        raise Broken(f"{name}.index(initial_state(key)) is {start}, which is not where states() holds that state.")
    return f"{count:,} states"


def _equal(a: Any, b: Any) -> bool:
    return all(jax.tree.leaves(jax.tree.map(lambda x, y: bool(np.array_equal(x, y)), a, b)))


def _outcomes(model: Any, key: Key) -> str:
    states, name = _states(model), type(model).__name__
    some, numbers = _some(states)
    controls, _ = jax.vmap(lambda x, k: random_control(model, x, k))(some, jax.random.split(key, len(numbers)))
    first = jax.tree.map(lambda leaf: leaf[0], some)
    call(model, "outcomes", first, controls[0], traced=True)
    after, probability = jit_unoptimised(jax.vmap(model.outcomes))(some, controls)
    p = np.asarray(probability, np.float64)
    off = np.flatnonzero((p < -ROUNDING).any(axis=1) | (abs(p.sum(axis=1) - 1) > ROUNDING))
    if off.size:
        n = off[0]
        raise Broken(
            f"{name}.outcomes at state {numbers[n]}, control {controls[n].tolist()} has probabilities {p[n].tolist()} "
            f"that sum to {p[n].sum():.6g}; non-negative numbers that sum to 1 are expected."
        )
    index = np.asarray(jax.vmap(jax.vmap(model.index))(after.state))
    count = len(jax.tree.leaves(states)[0])
    # A successor is known if the state of its number in states() is the same in all its parts.
    clipped = np.clip(index, 0, count - 1)
    back = jax.tree.map(lambda leaf: np.asarray(leaf)[clipped], states)
    matches = jax.tree.map(lambda x, y: (np.asarray(x) == y).reshape(*p.shape, -1).all(-1), after.state, back)
    known = np.logical_and.reduce([index == clipped, *jax.tree.leaves(matches)])
    lost = np.argwhere(~known & (p > 0) & ~np.asarray(after.done))
    if lost.size:
        n, k = lost[0]
        raise Broken(
            f"{name}.outcomes at state {numbers[n]}, control {controls[n].tolist()}: outcome {k} leads to a state "
            "that is not among states()."
        )
    return f"probabilities sum to 1 at {len(numbers):,} states, {p.shape[1]} outcomes each"


def _tabulated(model: Any, key: Key) -> str:
    every, name = _states(model), type(model).__name__
    some, numbers = _some(every, STATES_TABULATED)
    controls, _ = jax.vmap(lambda x, k: random_control(model, x, k))(some, jax.random.split(key, len(numbers)))
    after, probability = jit_unoptimised(jax.vmap(model.outcomes))(some, controls)
    index = np.asarray(jax.vmap(jax.vmap(model.index))(after.state))
    p, done = np.asarray(probability, np.float64), np.broadcast_to(after.done, probability.shape)
    cost = (p * np.where(p > 0, np.broadcast_to(after.cost, p.shape), 0.0)).sum(axis=1)
    costs, rows = call(model, "tabulated_motion")
    joint = np.asarray(controls) @ model.num_controls ** np.arange(model.num_agents - 1, -1, -1)
    for i, (x, u) in enumerate(zip(numbers, joint, strict=True)):
        place = f"{name}.tabulated_motion at state {x}, control {controls[i].tolist()}"
        if not abs(costs[x, u] - cost[i]) <= ROUNDING * (1 + abs(cost[i])):
            raise Broken(f"{place} has the cost {costs[x, u]:.6g}, where outcomes() gives {cost[i]:.6g}.")
        expected = np.bincount(index[i][~done[i]], p[i][~done[i]], minlength=rows.shape[1])
        row = np.asarray(rows[[x * costs.shape[1] + u]].toarray())[0]
        odd = np.flatnonzero(~(abs(row - expected) <= ROUNDING))
        if odd.size:
            y = odd[0]
            raise Broken(f"{place} leads to state {y} with {row[y]:.6g}, where outcomes() gives {expected[y]:.6g}.")
    return f"costs and probabilities agree at {len(numbers)} states, one control each"


def _samples(model: Any, key: Key) -> str:
    every, name = _states(model), type(model).__name__
    some, numbers = _some(every)
    picks = np.asarray(jax.random.choice(key, len(numbers), (min(PAIRS, len(numbers)),), replace=False))
    level = FALSE_ALARM / (2 * len(picks))
    states = jax.tree.map(lambda leaf: leaf[picks], some)
    controls, _ = jax.vmap(lambda x, k: random_control(model, x, k))(states, jax.random.split(key, len(picks)))
    # The number of samples is passed, because the disturbance of a deterministic model has no axis to read it from.
    draws = jax.vmap(model.sample_disturbance, axis_size=SAMPLES)(jax.random.split(key, SAMPLES))
    many = jax.vmap(model.transition, in_axes=(None, None, 0), axis_size=SAMPLES)
    seen = jit_unoptimised(lambda x, u: _labelled(model, many(x, u, draws)))
    exact = jit_unoptimised(lambda x, u: (_labelled(model, model.outcomes(x, u)[0]), model.outcomes(x, u)[1]))
    for i, n in enumerate(numbers[picks]):
        pair = jax.tree.map(lambda leaf, i=i: leaf[i], states), controls[i]
        place = f"{name}.transition at state {n}, control {controls[i].tolist()}"
        outcomes, probability = jax.tree.map(np.asarray, exact(*pair))
        _same_distribution(place, outcomes, probability, jax.tree.map(np.asarray, seen(*pair)), level)
    return f"{SAMPLES} samples at each of {len(picks)} states agree (false-alarm rate {FALSE_ALARM:g})"


class _Labelled(NamedTuple):
    """Transitions as the number of the state they lead to, -1 for the end, and their costs."""

    label: Shaped[Array | np.ndarray, " n"]
    cost: Shaped[Array | np.ndarray, " n"]


def _labelled(model: Any, after: Any) -> _Labelled:
    label = jnp.where(after.done, -1, jax.vmap(model.index)(after.state))
    return _Labelled(label, jnp.broadcast_to(jnp.asarray(after.cost, float), label.shape))


def _same_distribution(
    place: str, exact: _Labelled, probability: Shaped[np.ndarray, " k"], sampled: _Labelled, level: float
) -> None:
    p = probability.astype(np.float64)
    # Several outcomes may lead to one state, so their probabilities are added.
    kinds = np.unique(exact.label[p > 0])
    expected = np.array([p[exact.label == kind].sum() for kind in kinds]) * SAMPLES
    observed = np.array([(sampled.label == kind).sum() for kind in kinds])
    if observed.sum() < SAMPLES:
        odd = sampled.label[~np.isin(sampled.label, kinds)][0]
        raise Broken(f"{place} led to {'the end' if odd < 0 else f'state {odd}'}, which is not among outcomes().")
    if _chi_square(observed, expected) < level:
        raise Broken(
            f"{place} led to states {kinds.tolist()} {observed.tolist()} times of {SAMPLES}, where outcomes() expects "
            f"{np.round(expected, 1).tolist()}."
        )
    cost = np.where(p > 0, exact.cost, 0.0).astype(np.float64)
    mean = float(p @ cost)
    error = np.sqrt(max(float(p @ (cost - mean) ** 2), 0.0) / SAMPLES)
    seen = float(np.mean(sampled.cost, dtype=np.float64))
    # The mean of so many samples is nearly normal. The bound is two-sided, with room for single precision.
    limit = scipy.stats.norm.isf(level / 2) * error + ROUNDING * (1 + abs(mean))
    if abs(seen - mean) > limit:
        raise Broken(f"{place} costs {seen:.6g} on average, where outcomes() gives {mean:.6g}.")


def _chi_square(observed: Shaped[np.ndarray, " n"], expected: Shaped[np.ndarray, " n"]) -> float:
    """Return the p-value of the counts; outcomes expected fewer than 5 times are pooled, as the test requires."""
    rare = expected < 5
    if rare.any():
        observed = np.append(observed[~rare], observed[rare].sum())
        expected = np.append(expected[~rare], expected[rare].sum())
    keep = expected >= 5
    statistic = float(((observed - expected)[keep] ** 2 / expected[keep]).sum())
    return float(scipy.stats.chi2.sf(statistic, max(int(keep.sum()) - 1, 1)))
