"""Deciding for a team by tree search over joint controls, beside one agent at a time, at equal quality of decisions.

The tree search is mctx's `gumbel_muzero_policy` with the true model. It knows what rollout knows, the base policy: the
value of a leaf is the cost of the base policy from there, simulated, and the prior of a joint control is that of
independent agents, each following the base policy with the chance `FOLLOW`. The model being deterministic, no Gumbel
noise is added at the root, as mctx advises for games of perfect information.

Both play the same hunts from the same starts to their end. The tree's simulations are doubled until its mean cost is no
worse than that of one-at-a-time rollout, for each of a few numbers of controls considered at the root; the quickest of
those that get there is its time. Where none gets there, the time is that of the largest search tried: a lower bound.

States are decided one by one, as they come to a controller, and many together, for which mctx is made; then the time is
that of a state. Large trees together can take longer than one by one, and the quicker counts. One by one, calling a
compiled program takes some 30 microseconds, on either side.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import mctx
import numpy as np
from matplotlib.figure import Figure

import seriatim as st
from benchmarks._results import Row, publish
from benchmarks._timing import in_turns
from seriatim.controls import is_admissible, joint_controls
from seriatim.problems import SpidersAndFlies

TEAMS, SIDE, FLIES_EACH = (2, 3, 4, 5), 8, 2
EPISODES, HORIZON = 64, 60
# The searches that are tried: simulations, and joint controls considered at the root.
SIMULATIONS, CONSIDERED = (16, 32, 64, 128, 256), (16, 64)
# The chance with which the prior follows the base policy, for each agent.
FOLLOW = 0.5
# Numbers in one array of all trees that are timed together, at most.
TREE_SIZE = 2**24
ROUNDS, PATIENCE = 15, 8.0
# Our decisions are made so many times over where a tree's are once: they are short, and the tree leaves cold caches.
REPEATED = 16
COLUMNS = {
    "spiders": ",d",
    "joint controls": ",d",
    "base, cost": ".2f",
    "one at a time, cost": ".2f",
    "tree, cost": ".2f",
    "reached": "",
    "simulations of the tree": ",d",
    "considered": ",d",
    "one at a time, ms": ".3f",
    "tree, ms": ".3f",
    "times as fast": ".1f",
    "together": ",d",
    "one at a time, together, ms": ".4f",
    "tree, together, ms": ".3f",
    "times as fast, together": ".1f",
}


class Search(NamedTuple):
    """How a tree is searched."""

    simulations: int
    considered: int


def _game(spiders: int) -> SpidersAndFlies:
    return SpidersAndFlies(spiders=spiders, flies=FLIES_EACH * spiders, width=SIDE, height=SIDE)


def base_cost(model: SpidersAndFlies, state: Any) -> Any:
    """Return the cost of the base policy from a state, by simulation."""
    base, nothing, key = model.base_policy(), model.nominal_disturbance(), jax.random.key(0)

    def going_on(now: Any) -> Any:
        return (now[1] < HORIZON) & now[0].alive.any()

    def play(now: Any) -> Any:
        return model.transition(now[0], base(now[0], key), nothing).state, now[1] + 1

    return jax.lax.while_loop(going_on, play, (state, jnp.int32(0)))[1].astype(float)


def prior_logits(model: SpidersAndFlies, state: Any, controls: Any) -> Any:
    """Return the log-probability of each joint control if agents follow the base policy independently."""
    follows = controls == model.base_policy()(state, jax.random.key(0))[None]
    other = (1 - FOLLOW) / (model.num_controls - 1)
    logits = jnp.sum(jnp.where(follows, math.log(FOLLOW), math.log(other)), axis=1)
    mask = model.control_mask(state)
    return jnp.where(jax.vmap(lambda u: is_admissible(u, mask))(controls), logits, -1e9)


def tree_controls(model: SpidersAndFlies, search: Search, states: Any, key: Any) -> Any:
    """Decide at stacked states by tree search; return the joint controls, `[states, m]`."""
    controls, nothing = jnp.asarray(joint_controls(model.num_agents, model.num_controls)), model.nominal_disturbance()

    def seen(state: Any) -> tuple[Any, Any]:
        return prior_logits(model, state, controls), -base_cost(model, state)

    def grow(_: Any, key: Any, chosen: Any, states: Any) -> tuple[Any, Any]:
        del key
        ended = ~states.alive.any(axis=1)
        after = jax.vmap(lambda x, u: model.transition(x, u, nothing))(states, controls[chosen])
        logits, value = jax.vmap(seen)(after.state)
        discount = jnp.where(ended | after.done, 0.0, 1.0)
        step = mctx.RecurrentFnOutput(reward=-after.cost, discount=discount, prior_logits=logits, value=value)
        return step, after.state

    logits, value = jax.vmap(seen)(states)
    root = mctx.RootFnOutput(prior_logits=logits, value=value, embedding=states)
    found = mctx.gumbel_muzero_policy(
        params=(),
        rng_key=key,
        root=root,
        recurrent_fn=grow,
        num_simulations=search.simulations,
        invalid_actions=logits < -1e8,
        max_num_considered_actions=search.considered,
        gumbel_scale=0.0,
    )
    return controls[found.action]


def rollout_controls(model: SpidersAndFlies, states: Any, key: Any) -> Any:
    """Decide at stacked states one agent at a time."""
    planner = st.OneAtATimeRollout(model, model.base_policy(), st.Simulation(horizon=HORIZON))
    return st.decide_many(planner, states, jax.random.split(key, states.alive.shape[0])).control


Decide = Callable[[SpidersAndFlies, Any, Any], Any]


def _episodes(spiders: int, decide: Decide, together: int, starts: Any) -> np.ndarray:
    """Play every start to its end, deciding at `together` states a call; return the costs.

    Stages are counted in Python. In a loop within one program a tree took several times as long (5 spiders, 32
    simulations: 113 milliseconds, 17 by calls).
    """
    model, key = _game(spiders), jax.random.key(0)
    decided = jax.jit(lambda states: decide(model, states, key))
    play = jax.jit(jax.vmap(lambda x, u: model.transition(x, u, model.nominal_disturbance())))
    states, cost = starts, np.zeros(EPISODES)
    for _ in range(HORIZON):
        if not np.any(states.alive):
            break
        parts = [jax.tree.map(lambda leaf, k=k: leaf[k : k + together], states) for k in range(0, EPISODES, together)]
        after = play(states, jnp.concatenate([decided(part) for part in parts]))
        states, cost = after.state, cost + np.asarray(after.cost)
    return cost


def _together(spiders: int, search: Search) -> int:
    """Return how many trees fit into memory."""
    joint = _game(spiders).num_controls ** spiders
    most = max(1, TREE_SIZE // (joint * (search.simulations + 1)))
    return next(n for n in (EPISODES, 32, 16, 8, 4, 2, 1) if n <= most or n == 1)


def _tree_cost(spiders: int, search: Search, starts: Any) -> float:
    return float(np.mean(_episodes(spiders, functools.partial(_by_tree, search), 1, starts)))


def _by_tree(search: Search, model: SpidersAndFlies, states: Any, key: Any) -> Any:
    return tree_controls(model, search, states, key)


def _good_enough(spiders: int, cost: float, starts: Any) -> list[tuple[Search, float]]:
    """Return, for each number of controls considered, the least search that is no worse, and its cost; or none."""
    found = []
    for considered in CONSIDERED:
        if considered > 5**spiders and considered > CONSIDERED[0]:
            continue
        for simulations in SIMULATIONS:
            reached = _tree_cost(spiders, Search(simulations, considered), starts)
            if reached <= cost:
                found.append((Search(simulations, considered), reached))
                break
    return found


def team(spiders: int) -> Row:
    """Compare at one number of spiders."""
    model = _game(spiders)
    starts = jax.vmap(model.initial_state)(jax.random.split(jax.random.key(1), EPISODES))
    ours = float(np.mean(_episodes(spiders, rollout_controls, EPISODES, starts)))
    found = _good_enough(spiders, ours, starts)
    largest = Search(SIMULATIONS[-1], CONSIDERED[0])
    tried = found or [(largest, _tree_cost(spiders, largest, starts))]
    alone = _quickest(model, tried, starts, 1)
    search, cost = alone.tree
    together = _together(spiders, search)
    batch = _quickest(model, [alone.tree], starts, together)
    return {
        "spiders": spiders,
        "joint controls": model.num_controls**spiders,
        "base, cost": float(np.mean(jax.vmap(lambda x: base_cost(model, x))(starts))),
        "one at a time, cost": ours,
        "tree, cost": cost,
        "reached": "yes" if found else "no",
        "simulations of the tree": search.simulations,
        "considered": search.considered,
        "one at a time, ms": 1e3 * alone.ours,
        "tree, ms": 1e3 * alone.theirs,
        "times as fast": alone.theirs / alone.ours,
        "together": together,
        "one at a time, together, ms": 1e3 * batch.ours,
        "tree, together, ms": 1e3 * batch.theirs,
        "times as fast, together": min(alone.theirs, batch.theirs) / batch.ours,
    }


class _Times(NamedTuple):
    """Seconds a decision, and the tree that was the quickest, with its cost."""

    ours: float
    theirs: float
    tree: tuple[Search, float]


def _quickest(model: SpidersAndFlies, tried: list[tuple[Search, float]], starts: Any, together: int) -> _Times:
    """Time decisions at a few starts, `together` at a time, all in one run."""
    calls = max(1, 4 // together)
    few = [jax.tree.map(lambda leaf, k=k: leaf[k : k + together], starts) for k in range(0, calls * together, together)]
    key = jax.random.key(0)

    def each(decide: Decide, times: int = 1) -> Callable[[], list[Any]]:
        compiled = jax.jit(lambda states: decide(model, states, key))
        return lambda: [jax.block_until_ready(compiled(one)) for _ in range(times) for one in few]

    contestants = {str(index): each(functools.partial(_by_tree, search)) for index, (search, _) in enumerate(tried)}
    seconds = in_turns({"ours": each(rollout_controls, REPEATED), **contestants}, ROUNDS, patience=PATIENCE)
    ours = seconds.pop("ours") / REPEATED
    best = min(seconds, key=lambda name: seconds[name])
    decisions = calls * together
    return _Times(ours / decisions, seconds[best] / decisions, tried[int(best)])


def measure() -> list[Row]:
    return [team(spiders) for spiders in TEAMS]


def draw(rows: list[Row]) -> Figure:
    figure = Figure(figsize=(5.5, 3), layout="constrained")
    axes = figure.subplots()
    m = [row["spiders"] for row in rows]
    for name, label in (("tree, ms", "tree search (mctx)"), ("one at a time, ms", "one at a time")):
        axes.plot(m, [row[name] for row in rows], marker="o", label=label)
    axes.set(yscale="log", xlabel="spiders", ylabel="milliseconds a decision", xticks=m)
    axes.set_title("at equal quality, or the largest tree tried", fontsize="small")
    axes.legend(frameon=False)
    return figure


def main(*, redraw: bool = False) -> None:
    publish("trees", COLUMNS, measure, draw=draw, redraw=redraw)
