"""The laws of a model.

1. The sizes are whole numbers from 1 up, the discount is in (0, 1].
2. Every method can be traced by JAX and gives the shapes and dtypes the protocol promises; `transition` keeps the
   state's structure, so that it can be iterated.
3. The methods can also be traced when the model's numbers are data, not constants, as planners compile them. The same
   key, state, control and disturbance always give the same result, and every method the same program.
4. Along episodes under random admissible controls: costs are finite, states hold no NaN, and every agent always has an
   admissible control.
5. States that are simulated side by side, lanes last, behave as each of them alone.
6. A finite model numbers its states without gaps. Its outcomes stay among them with probabilities that sum to one, and
   sampled transitions follow these probabilities.
7. Observations of a hidden state have a positive likelihood and occur as often as it says; likelihoods sum to one.
8. The observations of each agent are finite. A relaxed model equals the model at the corners of the simplex, and its
   gradients are finite.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from seriatim import _optional
from seriatim._preconditions import (
    METHODS,
    require_discount,
    require_feasible,
    require_key,
    require_mask,
    require_methods,
    require_model,
    require_nominal,
    require_sizes,
    require_transition,
)
from seriatim._structure import in_words, require_arrays, require_same, shapes
from seriatim._unoptimised import jit_unoptimised
from seriatim.model import Key, Model
from seriatim.testing._finite_laws import finite_laws
from seriatim.testing._lanes_law import lanes_law
from seriatim.testing._observed_laws import observed_laws
from seriatim.testing._purity import agree, generator_moved_by, impurity, require_pure
from seriatim.testing._relaxed_laws import relaxed_laws
from seriatim.testing._report import Broken, Law, NotApplicable, Report, arrays_of, call, examine
from seriatim.testing._walk import random_walk

# Makes an initial state, its mask, and each agent's first admissible control; computed when it is first needed.
Start: TypeAlias = Callable[[], tuple[Any, Any, Any]]


def check_model(model: Model, key: Key | None = None, *, quick: bool = False) -> Report:
    """Check the laws of a model and report the result for each.

    Args:
        model: yours.
        key: decides the sampled states and controls; by default `jax.random.key(0)`.
        quick: check only structure, programs and a short walk. Left out are the laws of finite, observed and relaxed
            models, and whether a transition gives the same result when it is called again or compiled.

    Raises:
        InputError: `key` is no key.

    Returns:
        A report; it never raises for a fault of the model's. Statistical laws have a false-alarm rate below one in
        100,000 for the whole report.
    """
    key = jax.random.key(0) if key is None else key
    require_key(key)
    name = type(model).__name__
    start = functools.cache(lambda: _start(model, key))
    laws = [
        Law("sizes and discount", lambda: _sizes(model), vital=True),
        Law("methods exist", lambda: _methods(model), vital=True),
        Law(
            "initial_state gives arrays of fixed shapes",
            lambda: _initial_state(model, name, key, quick),
            vital=True,
        ),
        Law("control_mask is boolean [m, c]", lambda: _control_mask(model, name, key, start), vital=True),
        Law("sample_disturbance gives arrays", lambda: _sample_disturbance(model, name, key, quick), vital=True),
        Law("transition keeps the state's shapes", lambda: _transition(model, key), vital=True),
        Law("feasible is one boolean", lambda: _feasible(model, key), vital=True),
        Law("fields are data", lambda: _as_data(model), vital=True),
        Law("nominal_disturbance is like a drawn one", lambda: _nominal(model, key)),
        Law("methods are pure functions", lambda: _pure(model, name, key, start, quick), vital=True),
        Law("along random episodes", lambda: random_walk(model, key, 8 if quick else 64), vital=True),
    ]
    if not quick:
        laws += [Law("many states at once are as each alone", lambda: lanes_law(model, key))]
        laws += [*finite_laws(model, key), *observed_laws(model, key), *relaxed_laws(model, key)]
    return examine(laws)


def _sizes(model: Any) -> str:
    require_sizes(model)
    require_discount(model)
    return f"{model.num_agents} agents, {model.num_controls} controls each, discount {float(model.discount):g}"


def _methods(model: Any) -> str:
    require_methods(model, METHODS)
    return ", ".join(METHODS)


def _initial_state(model: Model, name: str, key: Key, quick: bool) -> str:
    traced = arrays_of(model, "initial_state", key)
    if not quick:
        state = call(model, "initial_state", key)
        require_arrays(f"{name}.initial_state", state)
        require_same(
            f"{name}.initial_state under jit",
            traced,
            shapes(state),
            "it must not depend on being compiled",
        )
    leaves = jax.tree.leaves(traced)
    return f"{len(leaves)} arrays: " + ", ".join(in_words(leaf) for leaf in leaves[:4])


def _control_mask(model: Model, name: str, key: Key, start: Start) -> str:
    require_mask(model, call(model, "control_mask", jax.eval_shape(model.initial_state, key), traced=True))
    mask = np.asarray(start()[1])
    stuck = np.flatnonzero(~mask.any(axis=1))
    if stuck.size:
        raise Broken(
            f"{name}.control_mask leaves agent {stuck[0]} no admissible control at the initial state; every agent "
            "needs at least one (a control that does nothing will do)."
        )
    return f"{int(np.sum(mask))} of {mask.size} controls admissible at the initial state"


def _sample_disturbance(model: Model, name: str, key: Key, quick: bool) -> str:
    drawn = arrays_of(model, "sample_disturbance", key)
    if not quick:
        require_arrays(f"{name}.sample_disturbance", call(model, "sample_disturbance", key))
    count = len(jax.tree.leaves(drawn))
    return f"{count} arrays" if count else "none: the model is deterministic"


def _transition(model: Model, key: Key) -> str:
    state, control, disturbance = _first_stage(model, key)
    after = call(model, "transition", state, control, disturbance, traced=True)
    require_transition(model, after, state)
    return "state, cost [] and done []"


def _feasible(model: Model, key: Key) -> str:
    if _optional.feasible(model) is None:
        raise NotApplicable("the model has no coupled constraints")
    state, control, _ = _first_stage(model, key)
    require_feasible(model, call(model, "feasible", state, control, traced=True))
    return "one boolean"


def _as_data(model: Model) -> str:
    require_model(model, starts=True)
    return "planners may compile it with its numbers as data"


def _nominal(model: Model, key: Key) -> str:
    if _optional.nominal_disturbance(model) is None:
        raise NotApplicable("the model has no nominal disturbance, which only certainty equivalence needs")
    require_nominal(model, call(model, "nominal_disturbance"), jax.eval_shape(model.sample_disturbance, key))
    return "same arrays as a drawn disturbance"


def _pure(model: Model, name: str, key: Key, start: Start, quick: bool) -> str:
    state, control, disturbance = _first_stage(model, key)
    if not quick:
        _require_same_results(model, name, key, start)
    require_pure(f"{name}.transition", model.transition, state, control, disturbance, source="the disturbance")
    for method in ("initial_state", "sample_disturbance"):
        require_pure(f"{name}.{method}", getattr(model, method), key, source="the key")
    require_pure(f"{name}.control_mask", model.control_mask, state, source="the disturbance")
    if _optional.feasible(model) is not None:
        require_pure(f"{name}.feasible", model.feasible, state, control, source="the disturbance")  # type: ignore[attr-defined]
    same = "" if quick else "the same result again, and compiled; "
    return f"{same}the same programs when traced again"


def _require_same_results(model: Model, name: str, key: Key, start: Start) -> None:
    """Refuse a transition that gives another result when it is called again, or compiled."""
    state, _, control = start()
    disturbance = model.sample_disturbance(key)
    first, moved = generator_moved_by(lambda: call(model, "transition", state, control, disturbance))
    second = call(model, "transition", state, control, disturbance)
    compiled = jit_unoptimised(model.transition)(state, control, disturbance)
    for other, how in ((second, "called again"), (compiled, "compiled")):
        same = jax.tree.map(agree, first, other)
        if not all(jax.tree.leaves(same)):
            raise Broken(impurity(f"{name}.transition", moved, how, "the disturbance"))


def _start(model: Model, key: Key) -> tuple[Any, Any, Any]:
    """Return an initial state, its mask, and each agent's first admissible control, by one program for all three."""

    def start(key: Key) -> tuple[Any, Any, Any]:
        state = jax.tree.map(jnp.asarray, model.initial_state(key))
        mask = jnp.asarray(model.control_mask(state))
        return state, mask, jnp.argmax(mask, axis=1).astype(jnp.int32)

    found: tuple[Any, Any, Any] = jit_unoptimised(start)(key)
    return found


def _first_stage(model: Model, key: Key) -> tuple[Any, Any, Any]:
    """Return the shapes of an initial state, of a joint control and of a disturbance."""
    control = jax.ShapeDtypeStruct((model.num_agents,), jnp.int32)
    return shapes(jax.eval_shape(model.initial_state, key)), control, jax.eval_shape(model.sample_disturbance, key)
