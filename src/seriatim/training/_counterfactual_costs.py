"""Counterfactual costs: what a trajectory would cost with one of its controls changed.

Let the controls of all stages be drawn independently of the state, and C(u) be the cost of a trajectory under fixed
disturbances. Its *multilinear extension* is the mean of C over the draws, as a function of their chances z, and

    d C(z) / d z_t^i[k]  =  C(u with u_t^i = k)        at the corner z = u,

so its derivative needs no model that can be differentiated: it is found by playing on from each stage with each other
control, all other controls staying as they were. These are the Q-factors of rollout, with the rest of the trajectory
itself in the place of the base policy. An extension that a `RelaxedModel` computes has the same derivatives at the
corners, but must carry where everybody might be.

`T m c` trajectories of at most `T` stages, which end when the problem does; they are simulated in lanes.

Source: multilinear extension: G. Owen, Multilinear Extensions of Games, Management Science 18(5), 1972; the estimator
that weighs each choice by what it would cost, with one sample of the others: M. Titsias, M. Lazaro-Gredilla, Local
Expectation Gradients for Black Box Variational Inference, 2015.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from seriatim.lanes import map_lanes, materialise
from seriatim.model import Disturbance, Model, State
from seriatim.simulation._stage import Lanes, Streams, begun, lane_stage


class _Now(NamedTuple):
    t: Int[Array, ""]
    lanes: Lanes


def counterfactual_costs(model: Model, keys: Streams, controls: Int[Array, "batch T m"]) -> Float[Array, "batch T m c"]:
    """Return what is still to be paid from stage t on, discounted to stage 0, if agent i chooses k there.

    Where a later control is not admissible in the changed course, the agent's first admissible one takes its place.
    0 from the end of the problem on.

    Args:
        model: the problem.
        keys: of the start and the disturbances of each trajectory.
        controls: that were played.
    """
    batch, stages, m = controls.shape
    each = m * model.num_controls
    draws = _draws(model, keys, stages)
    played = jnp.moveaxis(controls, 0, -1)
    changed = _changed(played, model.num_controls)

    def repeated(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: jnp.repeat(leaf, each, axis=-1), tree)

    # Written down once: in the loop, every element would have to find its trajectory by a division.
    played_lanes, draws_lanes = repeated(played), repeated(draws)

    def at(tree: Any, t: Int[Array, ""]) -> Any:
        return materialise(
            lambda: jax.tree.map(lambda leaf: jax.lax.dynamic_index_in_dim(leaf, t, keepdims=False), tree)
        )

    advance = lane_stage(model)

    def stage(main: Lanes, t: Int[Array, ""]) -> tuple[Lanes, Float[Array, " lanes"]]:
        begin = Lanes(*repeated((main.state, jnp.zeros(batch), main.weight, main.done)))
        changed_lanes, _ = advance(begin, at(changed, t), at(draws_lanes, t), ~begin.done)

        def more(now: _Now) -> Bool[Array, ""]:
            return (now.t < stages) & ~jnp.all(now.lanes.done)

        def on(now: _Now) -> _Now:
            control = _admissible(model, now.lanes.state, at(played_lanes, now.t))
            return _Now(now.t + 1, advance(now.lanes, control, at(draws_lanes, now.t), ~now.lanes.done)[0])

        end = jax.lax.while_loop(more, on, _Now(t + 1, changed_lanes))
        return advance(main, at(played, t), at(draws, t), ~main.done)[0], end.lanes.cost

    start = jax.vmap(model.initial_state, out_axes=-1)(keys.start)
    _, costs = jax.lax.scan(stage, begun(start, batch), jnp.arange(stages, dtype=jnp.int32))
    return jnp.moveaxis(costs.reshape(stages, batch, m, model.num_controls), 0, 1)


def _draws(model: Model, keys: Streams, stages: int) -> Disturbance:
    """Draw all disturbances, `[T, ..., batch]`, as `seriatim.simulate` does."""

    def one(t: Int[Array, ""]) -> Disturbance:
        own = jax.vmap(jax.random.fold_in, (0, None))(keys.disturbance, t)
        return jax.vmap(model.sample_disturbance, out_axes=-1)(own)

    return jax.vmap(one)(jnp.arange(stages))


def _changed(played: Int[Array, "T m batch"], num_controls: int) -> Int[Array, "T m lanes"]:
    """List, for each trajectory, agent i and control k, the joint control with that one changed."""
    stages, m, batch = played.shape
    own = jnp.eye(m, dtype=bool)[None, :, None, :, None]
    other = jnp.arange(num_controls, dtype=played.dtype)
    changed = jnp.where(own, other, played[..., None, None])
    return jnp.broadcast_to(changed, (stages, m, batch, m, num_controls)).reshape(stages, m, -1)


def _admissible(model: Model, state: State, control: Int[Array, "m lanes"]) -> Int[Array, "m lanes"]:
    mask = map_lanes(model.control_mask, (-1,))(state)
    wanted = jnp.arange(model.num_controls)[None, :, None] == control[:, None]
    allowed = jnp.any(mask & wanted, axis=1)
    return jnp.where(allowed, control, jnp.argmax(mask, axis=1).astype(control.dtype))
