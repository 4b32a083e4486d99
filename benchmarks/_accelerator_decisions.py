"""Decisions a second at one state and at many, and whether they are those of a CPU.

At a few of the states the CPU of the same process decides too. Its programs are others: lanes instead of `jax.vmap`,
windows instead of all turns at once, smaller chunks. Where costs are whole numbers, controls and Q-factors must be
equal. Where they are discounted, sums are rounded in another order: Q-factors must be equal up to that, down to the
first agent whose choice differs for it (a tie).
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

import seriatim as st
from benchmarks import _chip as chip
from benchmarks._accelerator_plan import Plan, Team, Timed, failure, keys, timed
from benchmarks._budget import Budget
from benchmarks._results import Row
from seriatim.parallel import Local

DISCOUNT = 0.95
# Rounding of a discounted sum of some hundred stages in single precision, relative to the largest Q-factor.
TOLERANCE = 1e-4
COLUMNS = {
    "spiders, flies, grid": "",
    "states": ",d",
    "decisions/s": ",.1f",
    "ms a decision": ",.4f",
    "share of the limit": ".2%",
    "tracing, s": ".1f",
    "compiling, s": ".1f",
    "as on a CPU": "",
    "discounted, as on a CPU": "",
    "left out": "",
}
SAME = "as on a CPU", "discounted, as on a CPU"


class Agreement(NamedTuple):
    """Whether two decisions are the same, and by how much Q-factors differ, relative to the largest."""

    same: bool
    difference: float


def agreement(one: st.Decision, other: st.Decision, tolerance: float) -> Agreement:
    """Compare two decisions at one state, in which agents take their turns from the first to the last."""
    different = np.flatnonzero(np.asarray(one.control) != np.asarray(other.control))
    comparable = slice(different[0] + 1 if different.size else None)
    q, r = (np.asarray(each.q_factors, np.float64)[comparable] for each in (one, other))
    known = np.isfinite(r)
    if not np.array_equal(known, np.isfinite(q)):
        return Agreement(False, np.inf)
    difference = float(np.max(np.abs(q[known] - r[known]), initial=0.0) / np.max(np.abs(r[known]), initial=1e-30))
    return Agreement(difference <= tolerance and (tolerance > 0 or not different.size), difference)


def joint_steps(decisions: st.Decision) -> np.ndarray:
    """Return how many joint steps the simulations of decisions take, where a stage costs 1 and nothing is discounted.

    Each Q-factor is then the length of a future. The control that an agent has before its turn was simulated at an
    earlier one, but for the first agent's.
    """
    q, base = np.asarray(decisions.q_factors, np.float64), np.asarray(decisions.base_control)
    again = np.arange(q.shape[-1]) == base[..., None]
    again[..., 0, :] = False
    return np.sum(q, axis=(-2, -1), where=np.isfinite(q) & ~again)


def decided(planner: st.OneAtATimeRollout, states: Any, keys: Any) -> st.Decision:
    """Decide at all states: alone as an online controller would, several by `decide_many`, on one chip."""
    if len(keys) == 1:
        return jax.tree.map(lambda leaf: leaf[None], planner.decide(_row(states, 0), keys[0]))
    # Several workers on one accelerator would wait for one another.
    return st.decide_many(planner, states, keys, on=None if jax.default_backend() == "cpu" else Local(1))


def _row(tree: Any, number: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[number], tree)


def on_a_cpu(team: Team, discount: float, count: int) -> list[st.Decision]:
    """Decide at the first states, one by one, by the programs and on the device of a CPU."""
    cpu = jax.devices("cpu")[0]
    states = jax.device_put((team.states(count), keys(count)), cpu)
    with jax.default_device(cpu):
        planner = team.planner(discount)
        return [planner.decide(*_row(states, number)) for number in range(count)]


Reference = Callable[[Team, float, int], list[st.Decision]]


def measure(plan: Plan, budget: Budget, limits: dict[Team, chip.Limit]) -> list[Row]:
    """Decide at one state of each team, then at more, while there is time."""
    reference: Reference = functools.cache(on_a_cpu)
    known: dict[tuple[Team, int], Timed] = {}
    rows: list[Row] = []
    for count in plan.states:
        for team in plan.teams:
            late = budget.too_long(expected_seconds(known, team, count))
            row = {"left out": late} if late else _row_of(team, count, plan, budget, limits[team], reference, known)
            budget.say(f"decisions, {team.label}, {count:,} at once: {_in_words(row)}")
            rows.append({"spiders, flies, grid": team.label, "states": count, **row})
    return rows


def expected_seconds(known: dict[tuple[Team, int], Timed], team: Team, count: int) -> float:
    """Return about the most seconds that a row takes: to prepare it here and on a CPU, to run it and to time it.

    Chips that are not full take less than in proportion to what fewer states or a smaller team took.
    """
    if not known:
        return 0.0
    preparing = max(sum(each.preparation.values()) for each in known.values())
    own = [n for one, n in known if one == team]
    if own:
        running = known[team, max(own)].seconds * count / max(own)
    else:
        other, n = max(known)
        running = known[other, n].seconds * count / n * team.work_of_a_decision() / other.work_of_a_decision()
    # One state has a program of its own, and more states have one in parts.
    return 2 * running + (2 * preparing if len(own) < 2 else 0.0)


def _row_of(
    team: Team,
    count: int,
    plan: Plan,
    budget: Budget,
    limit: chip.Limit,
    reference: Reference,
    known: dict[tuple[Team, int], Timed],
) -> Row:
    states, own_keys = jax.block_until_ready((team.states(count), keys(count)))
    planner = team.planner()
    try:
        found = timed(lambda: decided(planner, states, own_keys), budget)
        compared = {SAME[0]: _compared(found.result, reference(team, 1.0, team.compared), 0.0)}
        # The largest number of states has the program of the one before.
        if count in plan.states[:2]:
            discounted = decided(team.planner(DISCOUNT), states, own_keys)
            compared[SAME[1]] = _compared(discounted, reference(team, DISCOUNT, team.compared), TOLERANCE)
    except jax.errors.JaxRuntimeError as error:
        return {"left out": failure(error), SAME[0]: "no: it failed"}
    known[team, count] = found
    return {
        "decisions/s": count / found.seconds,
        "ms a decision": 1e3 * found.seconds / count,
        "share of the limit": float(joint_steps(found.result).sum()) / found.seconds / limit.steps,
        **found.preparation,
        **compared,
    }


def _compared(ours: st.Decision, theirs: list[st.Decision], tolerance: float) -> str:
    pairs = zip(range(len(ours.control)), theirs, strict=False)
    found = [agreement(_row(ours, number), other, tolerance) for number, other in pairs]
    same = sum(each.same for each in found)
    differ = max(each.difference for each in found)
    return f"{'' if same == len(found) else 'no: '}{same} of {len(found)}" + (f", to {differ:.0e}" if differ else "")


def _in_words(row: Row) -> str:
    if "left out" in row:
        return f"left out, {row['left out']}"
    return f"{row['decisions/s']:,.1f} a second; as on a CPU: {row[SAME[0]]}"
