"""Labels: the controls that one-at-a-time rollout chooses at states that a team comes to, and how sure it is of them.

States are sampled from episodes, one from each, every stage of an episode being as likely as any other. Agent i's label
is the control u_i it chose, and for each control by how much its Q-factor, given the predecessors' choices, exceeds the
least, with the standard error s_i(v) of the difference to the control it had before. How close the call was is

    z_i = min over v != u_i of |Q_i(v) - Q_i(u_i)| / max(s_i(v), s_i(u_i)),      confidence  2 Phi(z_i) - 1,

about the chance that the samples tell the two apart. A label without errors (one sample, exact expectations) has
confidence 1, or 0 where another control costs the same.

Source: M. Lagoudakis, R. Parr, Reinforcement Learning as Classification: Leveraging Modern Classifiers, ICML 2003;
C. Dimitrakakis, M. Lagoudakis, Rollout Sampling Approximate Policy Iteration, Machine Learning 72, 2008, for the
weight of evidence.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from seriatim import _optional, distributions
from seriatim._arguments import require_real, require_whole
from seriatim._compile import jit
from seriatim._preconditions import require_keys, require_model, require_playable
from seriatim._record import record
from seriatim.lanes import map_lanes, materialise
from seriatim.model import Key, Model, State
from seriatim.policy import Decision, Policy
from seriatim.simulation._stage import Lanes, begun, lane_stage, streams

# Episodes played side by side.
TOGETHER = 512


@record
class Labels:
    """States and the decisions there, `[n, ...]`.

    Attributes:
        states: stacked.
        control: chosen, `[n, m]`.
        compared: which controls the agent chose from, `[n, m, c]`.
        excess: of their Q-factors over the least of them, `[n, m, c]`, in cost units; 0 for the others.
        errors: `Decision.q_errors`, `[n, m, c]`; 0 where not known.
    """

    states: State
    control: Int[Array, "n m"]
    compared: Bool[Array, "n m c"]
    excess: Float[Array, "n m c"]
    errors: Float[Array, "n m c"]


def labels_of(states: State, decisions: Decision) -> Labels:
    """Return the parts of decisions from which a network learns."""
    q, errors = decisions.q_factors, decisions.q_errors
    # Controls that were not compared have infinite Q-factors.
    compared = jnp.isfinite(q)
    excess = jnp.where(compared, q - jnp.min(q, axis=-1, keepdims=True), 0.0)
    return Labels(states, decisions.control, compared, excess, jnp.where(compared & jnp.isfinite(errors), errors, 0.0))


def blank_labels(model: Model, n: int) -> Labels:
    """Return room for so many labels."""
    state = jax.eval_shape(model.initial_state, jax.random.key(0))
    states = jax.tree.map(lambda leaf: jnp.zeros((n, *leaf.shape), leaf.dtype), state)
    table = jnp.zeros((n, model.num_agents, model.num_controls))
    return Labels(states, jnp.zeros((n, model.num_agents), jnp.int32), table > 0, table, table)


def confidence(labels: Labels) -> Float[Array, "n m"]:
    """Return how sure each agent's choice is, from 0 to 1; an agent without a choice has confidence 0."""
    chosen = labels.control[..., None]
    gap = jnp.abs(labels.excess - jnp.take_along_axis(labels.excess, chosen, axis=-1))
    error = jnp.maximum(labels.errors, jnp.take_along_axis(labels.errors, chosen, axis=-1))
    # Without an error the gap decides alone.
    score = jnp.where(error > 0, gap / jnp.where(error > 0, error, 1.0), jnp.where(gap > 0, jnp.inf, 0.0))
    others = labels.compared & (jnp.arange(gap.shape[-1]) != chosen)
    sure = 2 * jax.scipy.stats.norm.cdf(jnp.min(jnp.where(others, score, jnp.inf), axis=-1)) - 1
    return jnp.where(jnp.any(others, axis=-1), sure, 0.0)


def visited(model: Model, policy: Policy, keys: Key, horizon: int, noise: float | Float[Array, ""]) -> State:
    """Return a state of each of many episodes, any stage of an episode being as likely as any other.

    Args:
        model: the problem.
        policy: the policy that plays.
        keys: one for each episode.
        horizon: stages after which an episode is cut.
        noise: the chance, at each stage, that one agent does something at random instead.

    Raises:
        InputError: the model cannot work, the policy cannot be called, `keys` is no stack of keys, or a number is out
            of range.
    """
    _check(model, policy, keys, horizon)
    require_real("noise", noise, "a chance, from 0 to 1", least=0, most=1)
    states: State = _visited(model, policy, keys, jnp.asarray(horizon, jnp.int32), jnp.asarray(noise, float))[0]
    return states


def costs_to_go(model: Model, policy: Policy, keys: Key, horizon: int) -> tuple[State, Float[Array, " n"]]:
    """Return a state of each of many episodes, as `visited`, and the discounted cost from there to the end.

    Raises:
        InputError: as `visited`.
    """
    _check(model, policy, keys, horizon)
    states, costs = _visited(model, policy, keys, jnp.asarray(horizon, jnp.int32), jnp.zeros(()))
    return states, costs


def _check(model: Model, policy: Policy, keys: Key, horizon: int) -> None:
    require_keys(keys)
    require_model(model, starts=True)
    require_playable(model, policy)
    require_whole("horizon", horizon)


def _sampled(
    model: Model, policy: Policy, keys: Key, horizon: Int[Array, ""], noise: Float[Array, ""]
) -> tuple[State, Float[Array, " n"]]:
    """Play episodes in parts of equal size, side by side in each; the last part is filled up."""
    count = keys.shape[0]
    parts = -(-count // TOGETHER)
    size = -(-count // parts)
    places = jnp.minimum(jnp.arange(parts * size).reshape(parts, size), count - 1)
    found = jax.lax.map(lambda some: _part(model, policy, keys[some], horizon, noise), places)
    flat: tuple[State, Float[Array, " n"]] = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:count], found)
    return flat


_visited = jit(_sampled)


class _Now(NamedTuple):
    """Episodes at one stage; `kept` is the state that each has kept, and their costs are those since."""

    t: Int[Array, ""]
    lanes: Lanes
    kept: State


def _part(
    model: Model, policy: Policy, keys: Key, horizon: Int[Array, ""], noise: Float[Array, ""]
) -> tuple[State, Float[Array, " lanes"]]:
    """Play episodes; keep one state of each (reservoir sampling) and add up the costs since."""
    episodes, choosing, straying = jax.vmap(lambda key: tuple(jax.random.split(key, 3)))(keys)
    of = jax.vmap(streams)(episodes)
    start = jax.vmap(model.initial_state, out_axes=-1)(of.start)
    choose = jax.vmap(policy, (-1, -1), -1) if _optional.is_planner(policy) else map_lanes(policy, (-1, -1))
    stray = map_lanes(functools.partial(_astray, model, noise), (-1, -1, -1))
    advance = lane_stage(model)

    def of_stage(keys: Key, t: Int[Array, ""]) -> Key:
        return jax.vmap(lambda key: jax.random.fold_in(key, t))(keys)

    def play(now: _Now) -> _Now:
        chance = jax.vmap(jax.random.uniform)(of_stage(choosing, now.t))
        # The state of stage t replaces the one kept with chance 1 / (t + 1): all stages are equally likely.
        lanes, playing = now.lanes, ~now.lanes.done
        takes = playing & (chance * (now.t + 1).astype(chance.dtype) < 1)
        kept_state = jax.tree.map(lambda new, old: jnp.where(takes, new, old), lanes.state, now.kept)
        control = materialise(lambda: jnp.asarray(choose(lanes.state, of_stage(of.policy, now.t)), jnp.int32))
        control = materialise(lambda: stray(lanes.state, control, of_stage(straying, now.t)))
        drawn = jax.vmap(model.sample_disturbance, out_axes=-1)(of_stage(of.disturbance, now.t))
        # Costs count from the state that is kept, undiscounted there.
        cost, weight = jnp.where(takes, 0.0, lanes.cost), jnp.where(takes, 1.0, lanes.weight)
        after, _ = advance(lanes._replace(cost=cost, weight=weight), control, drawn, playing)
        return _Now(now.t + 1, after, kept_state)

    begin = _Now(jnp.int32(0), begun(start, keys.shape[0]), start)
    end = jax.lax.while_loop(lambda now: (now.t < horizon) & ~jnp.all(now.lanes.done), play, begin)
    return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, -1, 0), end.kept), end.lanes.cost


def _astray(
    model: Model, noise: Float[Array, ""], state: State, control: Int[Array, " m"], key: Key
) -> Int[Array, " m"]:
    """With chance `noise` let one agent, drawn at random, take a random admissible control, if that is feasible."""
    whether, who, what = jax.random.split(key, 3)
    agent = jax.random.randint(who, (), 0, model.num_agents)
    even = distributions.masked(jnp.zeros(model.num_controls), model.control_mask(state)[agent])
    strayed = control.at[agent].set(distributions.gumbel_max(even, what))
    feasible = _optional.feasible(model)
    may = jnp.array(True) if feasible is None else feasible(state, strayed)
    return jnp.where(may & (jax.random.uniform(whether) < noise), strayed, control)
