"""Random episodes: states that a model can reach, under controls drawn from its masks."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from seriatim import _optional
from seriatim._unoptimised import jit_unoptimised
from seriatim.model import Key, Model, State
from seriatim.testing._purity import numbers_of
from seriatim.testing._report import Broken

STAGES = 50
# The number of joint controls drawn at each stage of a model with coupled constraints, to find a feasible one.
TRIES = 32


class Walk(NamedTuple):
    """Episodes under random controls, with leading axes episodes and stages; `alive` marks stages that were played."""

    states: State
    controls: Int[Array, "episodes T m"]
    costs: Float[Array, "episodes T"]
    masks: Bool[Array, "episodes T m c"]
    alive: Bool[Array, "episodes T"]


def random_control(model: Model, state: State, key: Key) -> tuple[Int[Array, " m"], Bool[Array, ""]]:
    """Draw an admissible joint control, feasible if one is found; also return whether it is feasible."""
    logits = jnp.where(model.control_mask(state), 0.0, -jnp.inf)
    feasible = _optional.feasible(model)
    tries = 1 if feasible is None else TRIES  # a draw takes a random number for every control of every agent
    drawn = jax.random.categorical(key, logits, shape=(tries, model.num_agents)).astype(jnp.int32)
    if feasible is None:
        return drawn[0], jnp.array(True)
    good = jax.vmap(lambda u: feasible(state, u))(drawn)
    return drawn[jnp.argmax(good)], jnp.any(good)


def walk(model: Model, key: Key, episodes: int) -> Walk:
    """Play random episodes of at most `STAGES` stages."""

    def step(carry: tuple[State, Array], key: Key) -> tuple[tuple[State, Array], Any]:
        state, ended = carry
        choose, draw = jax.random.split(key)
        control, found = random_control(model, state, choose)
        after = model.transition(state, control, model.sample_disturbance(draw))
        alive = ~ended & found
        kept = jax.tree.map(lambda new, old: jnp.where(alive, new, old), after.state, state)
        mask = jnp.asarray(model.control_mask(state))
        record = (state, control, jnp.asarray(after.cost, float), mask, alive)
        return (kept, ended | ~found | after.done), record

    def episode(key: Key) -> Any:
        start, rest = jax.random.split(key)
        first = (jax.tree.map(jnp.asarray, model.initial_state(start)), jnp.array(False))
        return jax.lax.scan(step, first, jax.random.split(rest, STAGES))[1]

    return Walk(*jit_unoptimised(lambda key: jax.vmap(episode)(jax.random.split(key, episodes)))(key))


def random_walk(model: Model, key: Key, episodes: int) -> str:
    """Check costs, masks and states along random episodes; return a sentence about the result."""
    seen = jax.tree.map(numbers_of, walk(model, key, episodes))
    name = type(model).__name__
    stuck = np.argwhere(~seen.masks.any(axis=3) & seen.alive[..., None])
    if stuck.size:
        _, t, agent = stuck[0]
        raise Broken(
            f"{name}.control_mask leaves agent {agent} no admissible control at stage {t} of an episode; every agent "
            "needs at least one (a control that does nothing will do)."
        )
    infinite = np.argwhere(~np.isfinite(seen.costs) & seen.alive)
    if infinite.size:
        e, t = infinite[0]
        raise Broken(
            f"{name}.transition returned the stage cost {seen.costs[e, t]} at stage {t} of an episode, for control "
            f"{seen.controls[e, t].tolist()}; stage costs must be finite."
        )
    for path, leaf in jax.tree_util.tree_flatten_with_path(seen.states)[0]:
        if np.issubdtype(leaf.dtype, np.inexact) and np.isnan(leaf[seen.alive]).any():
            raise Broken(f"{name}.transition made a state with NaN in {jax.tree_util.keystr(path) or 'it'}.")
    return f"{int(seen.alive.sum())} stages of {episodes} episodes: finite costs, a control for every agent"
