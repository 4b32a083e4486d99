"""One stage of the problem: of one state, and of many states side by side, lanes last.

Everything that plays does so by one of the two: single episodes by `stage`, and futures of a planner, evaluated
episodes, training data by `lane_stage`.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from seriatim import _optional
from seriatim._preconditions import control_of, name_of
from seriatim._record import with_fields
from seriatim.lanes import map_lanes
from seriatim.model import Disturbance, Key, Model, State, Transition
from seriatim.policy import Policy


class Streams(NamedTuple):
    """The three independent streams of keys of one episode."""

    start: Key
    disturbance: Key
    policy: Key


def streams(key: Key) -> Streams:
    """Split an episode's key into its streams."""
    start, disturbance, policy = jax.random.split(key, 3)
    return Streams(start, disturbance, policy)


def stage(
    model: Model, policy: Policy, state: State, keys: Streams, t: Int[Array, ""] | int
) -> tuple[Int[Array, " m"], Transition]:
    """Play stage `t` at one state: the policy chooses, the disturbance of the stage is drawn, the model moves.

    The last stage of a model that names one (`ends_after`) ends the problem.
    """
    control = control_of(model, policy, state, jax.random.fold_in(keys.policy, t), f"The policy {name_of(policy)}")
    after, stages = move(model, state, control, keys, t), _optional.ends_after(model)
    return control, after if stages is None else with_fields(after, done=jnp.asarray(after.done) | (t + 1 >= stages))


def move(model: Model, state: State, control: Int[Array, " m"], keys: Streams, t: Int[Array, ""] | int) -> Transition:
    """Draw the disturbance of stage `t` and let the model move."""
    return model.transition(state, control, model.sample_disturbance(jax.random.fold_in(keys.disturbance, t)))


class Lanes(NamedTuple):
    """Many courses of a problem at one stage, lanes last.

    `cost` is the discounted cost so far, `weight` that of the next stage cost, discount**t, or 0 where the problem has
    ended, which `done` says.
    """

    state: State  # [..., lanes]
    cost: Float[Array, " lanes"]
    weight: Float[Array, " lanes"]
    done: Bool[Array, " lanes"]


LaneStage = Callable[[Lanes, Int[Array, "m lanes"], Disturbance, Bool[Array, " lanes"]], tuple[Lanes, Transition]]


def begun(state: State, lanes: int) -> Lanes:
    """Return courses that begin at these states."""
    return Lanes(state, jnp.zeros(lanes), jnp.ones(lanes), jnp.zeros(lanes, bool))


def lane_stage(model: Model) -> LaneStage:
    """Return the function (lanes, control, disturbance, playing) -> (lanes, transition) that plays one stage in all.

    In lanes that are not playing, cost and end stay as they are, whatever the model makes of them; their state is then
    of no meaning.
    """
    transition = map_lanes(model.transition, (-1, -1, -1), of=model)
    discount = jnp.asarray(model.discount, float)

    def play(
        now: Lanes, control: Int[Array, "m lanes"], disturbance: Disturbance, playing: Bool[Array, " lanes"]
    ) -> tuple[Lanes, Transition]:
        after: Transition = transition(now.state, control, disturbance)
        cost = now.cost + jnp.where(playing, now.weight * jnp.asarray(after.cost, float), 0.0)
        done = now.done | (playing & jnp.asarray(after.done, bool))
        return Lanes(after.state, cost, jnp.where(after.done, 0.0, now.weight * discount), done), after

    return play
