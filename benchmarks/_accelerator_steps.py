"""Joint steps a second of a heuristic, in as many lanes as pay, and the share of what the chip allows."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from benchmarks import _chip as chip
from benchmarks._accelerator_plan import Plan, Team, failure, timed
from benchmarks._budget import Budget
from benchmarks._results import Row
from seriatim.lanes import map_lanes, padded_lane_count
from seriatim.problems import SpidersAndFlies
from seriatim.simulation._stage import begun, lane_stage

# More lanes are tried while they simulate so many times as much, and within this share of all the time.
WORTHWHILE, SHARE = 1.1, 0.25
# States that are drawn; lanes repeat them.
DRAWN = 256
COLUMNS = {
    "spiders, flies, grid": "",
    "lanes": ",d",
    "million joint steps/s": ",.2f",
    "limit, million joint steps/s": ",.1f",
    "bound by": "",
    "share of the limit": ".1%",
    "tracing, s": ".1f",
    "compiling, s": ".1f",
    "operations a step": ",.0f",
    "operations, 10^9/s": ",.1f",
    "copied, GB/s": ",.1f",
    "left out": "",
}


class Most(NamedTuple):
    """What the chip does, what a joint step asks for, and how many it can do at most."""

    rates: chip.Rates
    work: chip.Work
    limit: chip.Limit


def most(team: Team, plan: Plan) -> Most:
    """Measure the chip with numbers like those of the model."""
    state = jax.tree.map(lambda leaf: leaf[0], team.states(1))
    rates = chip.rates(state.spiders.dtype, plan.array_bytes)
    zero = jnp.zeros(())
    work = chip.work_of(_one_stage(team.model()), state, zero, zero, jnp.zeros((), bool))
    return Most(rates, work, chip.limit(rates, work))


def _one_stage(model: SpidersAndFlies) -> Callable[..., Any]:
    """Return the stage of one state under the heuristic, as its author wrote it."""
    base = model.base_policy()

    def stage(state: Any, cost: Any, weight: Any, done: Any) -> Any:
        after = model.transition(state, base(state, jax.random.key(0)), model.nominal_disturbance())
        return after.state, cost + weight * after.cost, weight * model.discount, done | after.done

    return stage


def playing(team: Team, lanes: int, stages: int) -> Callable[[], Any]:
    """Return a program in which the heuristic plays so many stages in all lanes, by the library's lane stage."""
    model = team.model()
    stage, base = lane_stage(model), map_lanes(model.base_policy(), (-1, None))
    drawn = team.states(min(lanes, DRAWN))
    state = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, -1)[..., jnp.arange(lanes) % len(leaf)], drawn)

    @jax.jit
    def play(state: Any, key: Any) -> Any:
        def one(now: Any, _: None) -> Any:
            control = base(now.state, key)
            return stage(now, control, model.nominal_disturbance(), now.weight > 0)[0], None

        return jnp.sum(jax.lax.scan(one, begun(state, lanes), None, stages)[0].cost)

    return lambda: play(state, jax.random.key(0))


def measure(plan: Plan, budget: Budget, limits: dict[Team, Most]) -> list[Row]:
    """Return the best of each team."""
    share = SHARE * budget.left() / len(plan.teams)
    return [
        {"spiders, flies, grid": team.label, **_of_team(plan, team, budget, share, limits[team])} for team in plan.teams
    ]


def _of_team(plan: Plan, team: Team, budget: Budget, share: float, most: Most) -> Row:
    best = _best_lanes(plan, team, budget, budget.left() - share)
    known = {
        "limit, million joint steps/s": most.limit.steps / 1e6,
        "bound by": most.limit.bound,
        "operations a step": most.work.operations,
        "operations, 10^9/s": most.rates.operations / 1e9,
        "copied, GB/s": most.rates.bytes / 1e9,
    }
    if "million joint steps/s" in best:
        known["share of the limit"] = 1e6 * best["million joint steps/s"] / most.limit.steps
    return {**best, **known}


def _best_lanes(plan: Plan, team: Team, budget: Budget, until: float) -> Row:
    """Try more lanes while they pay, until so few seconds are left."""
    best: dict[str, Any] = {}
    expected, before = 1.0, 0
    for lanes in map(padded_lane_count, plan.lanes):
        expected *= lanes / (before or lanes)
        if budget.left() - expected <= until:
            budget.say(f"joint steps, {team.label}, {lanes:,} lanes and more: left out, for want of time")
            return {**best, "left out": f"{lanes:,} lanes and more, for want of time"}
        try:
            found = timed(playing(team, lanes, plan.stages), budget)
        except jax.errors.JaxRuntimeError as error:
            return {**best, "left out": f"{lanes:,} lanes: {failure(error)}"}
        speed = lanes * plan.stages / found.seconds / 1e6
        budget.say(f"joint steps, {team.label}, {lanes:,} lanes: {speed:,.2f} million a second")
        if speed < WORTHWHILE * best.get("million joint steps/s", 0.0):
            break
        best = {"lanes": lanes, "million joint steps/s": speed, **found.preparation}
        # Once to prepare it, once to time it.
        expected, before = 2 * found.seconds, lanes
    return best
