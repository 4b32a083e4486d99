"""The laws of models for policies that are trained by gradients: relaxed models, and the observations of single agents.

A relaxed model is compared with the model itself along whole episodes, by costs, the end, admissible controls and
observations. Its states need not equal the model's: they may remember more than those, if derivatives need it.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from seriatim import _optional
from seriatim._errors import InputError
from seriatim._structure import in_words, require_arrays, require_same, shapes
from seriatim._unoptimised import jit_unoptimised
from seriatim.model import Disturbance, Features, Key, State
from seriatim.testing._report import Broken, Law, NotApplicable, call
from seriatim.testing._walk import random_control, walk

EPISODES, STAGES = 16, 12
# Sums of probabilities have rounding errors. A cost or feature is wrong if it differs by more than this part of it.
ROUNDING = 1e-3


def relaxed_laws(model: Any, key: Key) -> list[Law]:
    """List the laws; they do not apply to a model without the methods they are about."""
    return [
        Law("observations: each agent's are k finite numbers", lambda: _observed(model, key), vital=True),
        Law("features: each agent's are finite numbers", lambda: _told(model, key), vital=True),
        Law("relaxed: transition keeps the state's shapes", lambda: _structure(model, key), vital=True),
        Law("relaxed: one-hot controls play the model itself", lambda: _corners(model, key)),
        Law("relaxed: gradients are finite", lambda: _gradients(model, key)),
    ]


def _observed(model: Any, key: Key) -> str:
    if _optional.agent_observations(model) is None:
        raise NotApplicable("the model has no agent_observations()")
    name = f"{type(model).__name__}.agent_observations"
    path = walk(model, key, EPISODES)
    states = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), path.states)
    one = shapes(call(model, "agent_observations", jax.tree.map(lambda leaf: leaf[0], states), traced=True))
    if not hasattr(one, "shape") or len(one.shape) != 2 or one.shape[0] != model.num_agents or one.dtype.kind != "f":
        words = in_words(one) if hasattr(one, "shape") else repr(one)
        raise Broken(f"{name} returned {words}; float[{model.num_agents}, k], k numbers for each agent, is expected.")
    seen = np.asarray(jit_unoptimised(jax.vmap(model.agent_observations))(states))
    odd = np.argwhere(~np.isfinite(seen[np.asarray(path.alive).ravel()]))
    if odd.size:
        raise Broken(f"{name} holds a number that is not finite, number {odd[0][2]} of agent {odd[0][1]}.")
    return f"{one.shape[1]} numbers for each of {one.shape[0]} agents"


def _told(model: Any, key: Key) -> str:
    if _optional.features(model) is None:
        raise NotApplicable("the model has no features()")
    name = f"{type(model).__name__}.features"
    path = walk(model, key, EPISODES)
    states = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), path.states)
    first = jax.tree.map(lambda leaf: leaf[0], states)
    one = shapes(call(model, "features", first, jnp.zeros((), jnp.int32), traced=True))
    parts = (one.own, one.entities) if isinstance(one, Features) else (one,)
    for part, axes in zip(parts, ("k", "n, d"), strict=False):
        if getattr(part, "ndim", None) != len(axes.split(",")) or part.dtype.kind != "f":
            words = in_words(part) if hasattr(part, "shape") else repr(part)
            raise Broken(f"{name} returned {words}; float[{axes}] is expected, for one agent.")
    if isinstance(one, Features) and (one.present.shape != one.entities.shape[:1] or one.present.dtype != bool):
        raise Broken(f"{name} returned present {in_words(one.present)}; bool[{one.entities.shape[0]}] is expected.")
    every = jit_unoptimised(jax.vmap(jax.vmap(model.features, (None, 0)), (0, None)))(
        states, jnp.arange(model.num_agents)
    )
    alive = np.asarray(path.alive).ravel()
    numbers = (every.own, every.entities) if isinstance(one, Features) else (every,)
    for part in numbers:
        odd = np.argwhere(~np.isfinite(np.asarray(part)[alive]))
        if odd.size:
            raise Broken(f"{name} holds a number that is not finite, of agent {odd[0][1]}.")
    return f"{sum(int(np.prod(part.shape)) for part in parts)} numbers for each of {model.num_agents} agents"


def _relaxed_state(model: Any, state: State) -> State:
    """Return the relaxed state, or say why there is none."""
    missing = _optional.missing_methods(model, _optional.RELAXED)
    if len(missing) == len(_optional.RELAXED):
        raise NotApplicable("the model has no relaxed_state(), relaxed_mask() and relaxed_transition()")
    if missing:
        raise Broken(f"{type(model).__name__} has no method {missing[0]}, which a relaxed model needs.")
    # Many models have a relaxation only in some configurations. In others their methods raise an error that says so.
    try:
        return call(model, "relaxed_state", state)
    except Broken as reason:
        if isinstance(reason.__cause__, InputError):
            raise NotApplicable(str(reason)) from None
        raise


def _structure(model: Any, key: Key) -> str:
    name = type(model).__name__
    relaxed = _relaxed_state(model, model.initial_state(key))
    require_arrays(f"{name}.relaxed_state", relaxed)
    if _optional.agent_observations(model) is not None:
        one = shapes(call(model, "agent_observations", model.initial_state(key), traced=True))
        seen = shapes(call(model, "agent_observations", relaxed, traced=True))
        require_same(f"{name}.agent_observations of a relaxed state", seen, one, "it must be like that of a state")
    mask = shapes(call(model, "relaxed_mask", relaxed, traced=True))
    expected = (model.num_agents, model.num_controls)
    if mask.shape != expected or mask.dtype != bool:
        raise Broken(f"{name}.relaxed_mask returned {in_words(mask)}; bool{list(expected)} is expected.")
    soft = jnp.full(expected, 1 / model.num_controls)
    after = call(model, "relaxed_transition", relaxed, soft, model.sample_disturbance(key), traced=True)
    reason = "the next relaxed state must be like the one given"
    require_same(f"{name}.relaxed_transition(...).state", shapes(after.state), shapes(relaxed), reason)
    for field, kind, words in (("cost", "f", "one real number"), ("done", "b", "one boolean")):
        value = shapes(getattr(after, field))
        if value.shape != () or value.dtype.kind != kind:
            raise Broken(f"{name}.relaxed_transition(...).{field} is {in_words(value)}; {words} is expected.")
    return "state, cost [] and done []"


def _corners(model: Any, key: Key) -> str:
    _relaxed_state(model, model.initial_state(key))
    name, c = type(model).__name__, model.num_controls
    observe = _optional.agent_observations(model) or _nothing

    def both(carry: tuple[State, State, Array], key: Key) -> tuple[tuple[State, State, Array], Any]:
        state, relaxed, ended = carry
        choose, draw = jax.random.split(key)
        control, found = random_control(model, state, choose)
        disturbance = model.sample_disturbance(draw)
        played = ~ended & found
        true = model.transition(state, control, disturbance)
        soft = model.relaxed_transition(relaxed, jax.nn.one_hot(control, c), disturbance)
        going = played & ~true.done
        seen = {
            "relaxed_transition(...).cost": (true.cost, soft.cost, played),
            "relaxed_transition(...).done": (true.done, soft.done, played),
            "relaxed_mask": (model.control_mask(true.state), model.relaxed_mask(soft.state), going),
            "agent_observations": (observe(true.state), observe(soft.state), going),
        }
        return (true.state, soft.state, ended | ~found | true.done), (control, seen)

    def episode(key: Key) -> Any:
        start, rest = jax.random.split(key)
        state = jax.tree.map(jnp.asarray, model.initial_state(start))
        carry = (state, model.relaxed_state(state), jnp.array(False))
        return jax.lax.scan(both, carry, jax.random.split(rest, STAGES))[1]

    controls, seen = jax.tree.map(np.asarray, jit_unoptimised(jax.vmap(episode))(jax.random.split(key, EPISODES)))
    for what, (true, soft, counts) in seen.items():
        _require_agreement(f"{name}.{what}", true, soft, counts, controls)
    return f"{int(seen['relaxed_transition(...).cost'][2].sum())} stages of {EPISODES} episodes agree"


def _require_agreement(what: str, true: Any, soft: Any, counts: Any, controls: Any) -> None:
    close = np.isclose(soft.astype(float), true.astype(float), rtol=ROUNDING, atol=ROUNDING)
    wrong = np.argwhere(counts & ~close.reshape(*counts.shape, -1).all(axis=-1))
    if wrong.size:
        e, t = wrong[0]
        where = tuple(np.argwhere(~close[e, t])[0].tolist())
        raise Broken(
            f"{what}{list(where) if where else ''} is {soft[e, t][where]} under the one-hot controls of "
            f"{controls[e, t].tolist()} at stage {t} of an episode, where the model itself has {true[e, t][where]}; a "
            "relaxed model must be the model at the corners."
        )


def _nothing(_: State) -> Float[Array, ""]:
    return jnp.zeros(())


def _gradients(model: Any, key: Key) -> str:
    state = model.initial_state(key)
    relaxed, name = _relaxed_state(model, state), type(model).__name__
    scores = jax.random.normal(key, (STAGES, model.num_agents, model.num_controls))
    draws = jax.vmap(model.sample_disturbance, axis_size=STAGES)(jax.random.split(key, STAGES))
    for hard, where in ((False, "between the corners"), (True, "at a corner")):
        total = functools.partial(_total_cost, model, relaxed, draws, hard=hard)
        seen = np.asarray(jit_unoptimised(jax.grad(total))(scores))
        odd = np.argwhere(~np.isfinite(seen))
        if odd.size:
            t, agent, control = odd[0]
            raise Broken(
                f"{name}.relaxed_transition: {where}, the derivative of the cost of {STAGES} stages in what moves "
                f"agent {agent} to control {control} at stage {t} is {seen[t, agent, control]}; a finite number is "
                "expected (beware of 0/0, and of logarithms and roots of 0)."
            )
    return f"of {STAGES} stages, at a corner and between"


def _total_cost(
    model: Any, relaxed: State, disturbances: Disturbance, scores: Float[Array, "T m c"], *, hard: bool
) -> Float[Array, ""]:
    """Play the softmax of the scores or, if `hard`, the best control with the derivatives of the softmax."""

    def stage(state: State, given: Any) -> tuple[State, Array]:
        logits, disturbance = given
        masked = jnp.where(model.relaxed_mask(state), logits, -jnp.inf)
        soft = jax.nn.softmax(masked)
        best = jax.nn.one_hot(jnp.argmax(masked, axis=1), model.num_controls)
        after = model.relaxed_transition(state, soft + hard * jax.lax.stop_gradient(best - soft), disturbance)
        return after.state, after.cost

    return jnp.sum(jax.lax.scan(stage, relaxed, (scores, disturbances))[1])
