"""The laws of a policy.

1. A policy can be traced by JAX and returns one whole number for each agent.
2. The same state and key always give the same control.
3. At states that random episodes reach, its controls are admissible and, with coupled constraints, feasible.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from seriatim import _optional
from seriatim._preconditions import name_of, require_key, require_model
from seriatim._structure import in_words, shapes
from seriatim.controls import is_admissible
from seriatim.model import Key, Model
from seriatim.policy import Policy
from seriatim.testing._purity import generator_moved_by, require_pure
from seriatim.testing._report import Broken, Law, Report, call, examine
from seriatim.testing._walk import walk

# States at which the controls are checked.
STATES = 256


def check_policy(model: Model, policy: Policy, key: Key | None = None, *, quick: bool = False) -> Report:
    """Check the laws of a policy on a lawful model and report the result for each.

    Args:
        model: satisfies `check_model`.
        policy: yours.
        key: decides the sampled states; by default `jax.random.key(0)`.
        quick: check the first law only, which calls the policy but does not compile it.

    Returns:
        A report; it never raises for a fault of the policy's.

    Raises:
        InputError: nothing can be computed with the model, or `key` is no key.
    """
    require_model(model, starts=True)
    key = jax.random.key(0) if key is None else key
    require_key(key)
    name = name_of(policy)
    laws = [Law("policy gives one control an agent", lambda: _control(model, policy, name, key), vital=True)]
    if not quick:
        laws += [
            Law("policy is a pure function", lambda: _pure(model, policy, name, key)),
            Law("policy's controls are admissible", lambda: _admissible(model, policy, name, key)),
        ]
    return examine(laws)


def _control(model: Model, policy: Policy, name: str, key: Key) -> str:
    if not callable(policy):
        raise Broken(f"policy {policy!r} cannot be called; a function (state, key) -> control [m] is expected.")
    state = jax.eval_shape(model.initial_state, key)
    seen = shapes(call(policy, "__call__", state, key, traced=True))
    if not hasattr(seen, "shape") or seen.shape != (model.num_agents,) or seen.dtype.kind not in "iu":
        words = in_words(seen) if hasattr(seen, "shape") else repr(seen)
        raise Broken(f"{name} returned {words}; int32[{model.num_agents}], a control for each agent, is expected.")
    return in_words(seen)


def _pure(model: Model, policy: Policy, name: str, key: Key) -> str:
    state = model.initial_state(key)
    given, moved = generator_moved_by(lambda: call(policy, "__call__", state, key))
    first, second = np.asarray(given), np.asarray(call(policy, "__call__", state, key))
    compiled = np.asarray(jax.jit(lambda x, k: policy(x, k))(state, key))
    draws = f" (it draws from {moved})" if moved else ""
    if not (np.array_equal(first, second) and np.array_equal(first, compiled)):
        raise Broken(
            f"{name} chose {first.tolist()}, then {second.tolist()}, and {compiled.tolist()} when compiled, for the "
            f"same state and key{draws}; randomness must come from the key alone."
        )
    require_pure(name, policy, state, key, source="the key")
    return "the same control again, and compiled"


def _admissible(model: Model, policy: Policy, name: str, key: Key) -> str:
    path = walk(model, key, 16)
    alive = np.argwhere(np.asarray(path.alive))
    picks = alive[np.unique(np.linspace(0, len(alive) - 1, STATES).astype(int))]
    states = jax.tree.map(lambda leaf: leaf[picks[:, 0], picks[:, 1]], path.states)
    keys = jax.random.split(key, len(picks))
    controls = jax.jit(jax.vmap(policy))(states, keys)
    masks = path.masks[picks[:, 0], picks[:, 1]]
    wrong = np.flatnonzero(~np.asarray(jax.vmap(is_admissible)(controls, masks)))
    if wrong.size:
        raise Broken(_inadmissible(name, np.asarray(controls)[wrong[0]], np.asarray(masks)[wrong[0]]))
    _require_feasible(model, name, states, controls)
    return f"admissible at {len(picks)} states of random episodes"


def _inadmissible(name: str, control: Any, mask: Any) -> str:
    m, c = mask.shape
    agent = next(i for i in range(m) if not (0 <= control[i] < c and mask[i, control[i]]))
    return (
        f"{name} chose control {control[agent]} for agent {agent}, where control_mask admits only "
        f"{np.flatnonzero(mask[agent]).tolist()}; a policy must choose admissible controls."
    )


def _require_feasible(model: Any, name: str, states: Any, controls: Any) -> None:
    if _optional.feasible(model) is None:
        return
    wrong = np.flatnonzero(~np.asarray(jax.vmap(model.feasible)(states, jnp.asarray(controls))))
    if wrong.size:
        raise Broken(
            f"{name} chose the joint control {np.asarray(controls)[wrong[0]].tolist()}, which {type(model).__name__}."
            "feasible refuses; a policy must choose feasible controls."
        )
