"""Checks of models and policies: one place for all functions that take them, before anything is compiled.

Planners, evaluation, simulation, training, filters and exact solutions call `require_model` when they are given a
model. It reads the sizes and the discount, and traces the model's methods once, at an initial state, with the model's
numbers as data, as planners will. That takes as long as one stage takes to trace. It is done once for each structure of
a model, which is its shapes, types and constants, so that making a planner in a loop costs little.

Only models that cannot work are refused. If a model has no `initial_state`, or one that cannot be traced, planners can
still use it at the states they are given. They examine it there (`require_stage`) while a decision is being traced.
"""

import functools
import operator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from seriatim import _optional
from seriatim._compile import nothing_kept, taken_apart
from seriatim._diagnosis import constant_fields, explanation, field_explanation
from seriatim._errors import InputError
from seriatim._errors import in_words as error_in_words
from seriatim._errors import name_of as name_of
from seriatim._numbers import fits, real_number
from seriatim._structure import in_words, require_arrays, require_same, shapes
from seriatim.model import Key, Model, State, Transition

METHODS = ("initial_state", "control_mask", "sample_disturbance", "transition")


class _Raised(Exception):
    """A method of the user's raised `error`; it carries the exception to the place that writes the sentence."""

    def __init__(self, what: str, error: Exception) -> None:
        super().__init__(what)
        self.what = what
        self.error = error


def require_model(model: Any, *, starts: bool = False) -> None:
    """Refuse a model with which nothing can be computed.

    Args:
        model: the argument that was given.
        starts: whether episodes start from its initial states.

    Raises:
        InputError: it is a class; a size, the discount or `ends_after` is out of range; a method is missing, raises,
            cannot be traced, or returns a value that the protocol does not allow.
    """
    require_sizes(model)
    require_discount(model)
    _optional.ends_after(model)
    require_methods(model, METHODS if starts else METHODS[1:])
    try:
        leaves, shell = taken_apart(model)
        _examined(shell, _types_of(model, leaves))
    except _Raised as raised:
        if starts or not raised.what.endswith(".initial_state"):
            raise _in_a_sentence(model, raised, _examine) from raised.error
        _require_without_starts(model)


def require_sizes(model: Any) -> None:
    """Refuse a model whose numbers of agents and controls are no whole numbers from 1 up."""
    if isinstance(model, type):
        raise InputError(f"model={model.__name__} is a class; give a model made of it, such as {model.__name__}().")
    name = type(model).__name__
    for field in ("num_agents", "num_controls"):
        if not hasattr(model, field):
            raise InputError(f"{name} has no {field}; give a model, a record with the methods of st.Model.")
        value = getattr(model, field)
        if isinstance(value, jax.core.Tracer):
            raise InputError(f"{name}.{field} must be a constant; declare the field it is made of with st.static().")
        if isinstance(value, jax.Array):
            raise InputError(
                f"{name}.{field} is an array of JAX, whose value is not known in compiled code; give a whole number of "
                "Python from 1 up, such as int(...)."
            )
        try:
            small = isinstance(value, bool) or operator.index(value) < 1
        except TypeError:
            small = True
        if small:
            raise InputError(f"{name}.{field} is {value!r}; a whole number from 1 up is expected.")


def require_discount(model: Any) -> None:
    """Refuse a model with a discount outside (0, 1], if its value can be read."""
    discount = getattr(model, "discount", None)
    if isinstance(discount, jax.core.Tracer) and discount.shape == ():
        return
    number = None if isinstance(discount, jax.core.Tracer) else real_number(discount)
    if number is None or not 0 < number <= 1:
        raise InputError(
            f"{type(model).__name__}.discount is {discount!r}; a number above 0 and at most 1 is expected."
        )


def within_problem(model: Any, horizon: int) -> int:
    """Return the horizon, or the number of stages of the problem if that is smaller."""
    stages = _optional.ends_after(model)
    return int(horizon) if stages is None else min(int(horizon), stages)


def require_methods(model: Any, methods: tuple[str, ...]) -> None:
    """Refuse a model that lacks a method."""
    missing = _optional.missing_methods(model, methods)
    if missing:
        raise InputError(f"{type(model).__name__} has no method {missing[0]}; a model needs {', '.join(METHODS)}.")


def _types_of(owner: Any, leaves: list[Any]) -> tuple[Any, ...]:
    """Return shapes and types of a model's or policy's arrays and numbers, None for other leaves.

    Raises:
        InputError: a whole number is too large for any array.
    """
    try:
        return tuple([None if leaf is None else jax.typeof(leaf) for leaf in leaves])
    except OverflowError as error:
        large = [each for each in jax.tree_util.tree_leaves_with_path(owner) if not _can_be_held(each[1])]
        path, value = large[0]
        raise InputError(
            f"{name_of(owner)}{jax.tree_util.keystr(path)} is {value}, a whole number too large for JAX; give a float, "
            "or declare a constant with st.static()."
        ) from error


def _can_be_held(leaf: Any) -> bool:
    return not isinstance(leaf, int) or fits(leaf)


def require_key(key: Any, for_many: str = "") -> None:
    """Refuse an argument that is no random key, typed or old; `for_many` names the function that takes many keys.

    Raises:
        InputError: it is no key; the sentence says what was given.
    """
    if not _is_key(key, 0):
        raise InputError(f"key is {_seen_key(key)}; give one random key, such as jax.random.key(0){for_many}.")


def require_keys(keys: Any) -> None:
    """Refuse an argument that is no stack of at least one random key.

    Raises:
        InputError: it is no such stack; the sentence says what was given.
    """
    if not _is_key(keys, 1) or keys.shape[0] == 0:
        raise InputError(f"keys is {_seen_key(keys)}; give a stack of n random keys, jax.random.split(key, n).")


# The lengths of old keys, which are arrays of whole numbers: 2, or 4 for other generators.
_OLD_KEYS = (2, 4)


def _is_key(key: Any, axes: int) -> bool:
    dtype: Any = getattr(key, "dtype", None)
    if dtype is None:
        return False
    if jnp.issubdtype(dtype, jax.dtypes.prng_key):
        return len(key.shape) == axes
    return dtype == jnp.uint32 and len(key.shape) == axes + 1 and key.shape[-1] in _OLD_KEYS


def _seen_key(key: Any) -> str:
    dtype: Any = getattr(key, "dtype", None)
    if dtype is None:
        return repr(key) if len(repr(key)) < 80 else f"a {type(key).__name__}"
    if not jnp.issubdtype(dtype, jax.dtypes.prng_key):
        return f"an array of shape {key.shape} and type {dtype}"
    return f"a stack of {key.shape} keys" if key.shape else "a single key"


def require_state(model: Any, state: State) -> None:
    """Refuse a state at which a model's methods fail. A model may serve states of other sizes than its initial ones.

    Raises:
        InputError: a method fails; the sentence names it, or says where the state differs from an initial one.
    """
    try:
        require_stage(model, state)
    except Exception as problem:
        difference = difference_to_start(model, state, types=True)
        if difference is None and isinstance(problem, InputError):
            raise
        raise InputError(difference or f"The state cannot be used: {error_in_words(problem)}.") from problem


def difference_to_start(model: Any, state: Any, *, types: bool = False) -> str | None:
    """Say where the parts, shapes or types of a state differ from those of an initial one; return None if nowhere.

    The result is None too if there is no initial state to compare with.
    """
    try:
        require_arrays("state", state)
        initial = jax.eval_shape(model.initial_state, jax.random.key(0))
    except InputError as problem:
        return f"The {problem} G{_ADVICE[1:]}"
    except Exception:
        return None
    name = type(model).__name__
    parts: Any = jax.tree.structure(initial)
    if parts != jax.tree.structure(state):
        return f"The state is {_described(state)}; {name} has {_described(initial)}; {_ADVICE}"
    both = zip(jax.tree_util.tree_leaves_with_path(state), jax.tree.leaves(initial), strict=True)
    for (path, leaf), expected in both:
        place = f"state{jax.tree_util.keystr(path)}"
        if jnp.shape(leaf) != expected.shape:
            return f"{place} has shape {jnp.shape(leaf)}, where {name} has {expected.shape}; {_ADVICE}"
        if types and jnp.result_type(leaf) != expected.dtype:
            return f"{place} is of type {jnp.result_type(leaf)}, where {name} has {expected.dtype}; {_ADVICE}"
    return None


_ADVICE = "give a state as model.initial_state(key) or transition returns it."


def _described(tree: Any) -> str:
    """Name the type of a tree and the shapes in it."""
    if tree is None:
        return "None"
    if jax.tree_util.all_leaves([tree]):
        return f"an array of shape {jnp.shape(tree)}"
    shapes = [str(jnp.shape(leaf)) for leaf in jax.tree.leaves(tree)]
    return f"a {type(tree).__name__} of {len(shapes)} arrays" + (f": {', '.join(shapes)}" if shapes else "")


def require_policy(name: str, policy: Any) -> None:
    """Refuse an argument that cannot be called as a policy; `name` is the name of the argument."""
    if not callable(policy) or isinstance(policy, type):
        raise InputError(
            f"{name}={policy!r} cannot be called; give a policy, that is a function (state, key) -> control [m]."
        )


def require_playable(model: Any, policy: Any) -> None:
    """Refuse a policy that cannot choose a joint control at the model's initial states.

    A policy is traced once for each structure. Planners are not traced: they have been examined when they were made,
    and take long to trace. Only their number of agents is compared.

    Raises:
        InputError: it cannot be called, raises, cannot be traced, or returns no joint control; or a planner has
            another number of agents.
    """
    require_policy("policy", policy)
    if _optional.is_planner(policy):
        _require_same_team(model, policy)
        return
    try:
        leaves, shell = taken_apart((model, policy))
        _played(shell, _types_of(policy, leaves))
    except _Raised as raised:
        raise _in_a_sentence(policy, raised, lambda traced: _play(model, traced)) from raised.error


def _require_same_team(model: Any, planner: Any) -> None:
    planned: Any = getattr(getattr(planner, "model", None), "num_agents", model.num_agents)
    if planned != model.num_agents:
        raise InputError(
            f"{name_of(planner)} plans for {planned} agents, and {type(model).__name__} has {model.num_agents}; make "
            "it of a model of the same team."
        )


def require_stage(model: Any, state: State) -> None:
    """Refuse a model whose methods fail at a state, or return values that the protocol does not allow; trace them.

    Raises:
        InputError: a method fails; the sentence names it.
    """
    try:
        jax.eval_shape(lambda: _examine_at(model, state))
    except _Raised as raised:
        raise _in_a_sentence(model, raised, lambda traced: _examine_at(traced, state)) from raised.error


def require_outcomes(model: Any, state: State) -> None:
    """Refuse a finite model whose masks, constraints or outcomes at a state cannot be used by exact solutions.

    Raises:
        InputError: a method fails; the sentence names it.
    """
    try:
        jax.eval_shape(lambda: _enumerate_at(model, state))
    except _Raised as raised:
        raise _in_a_sentence(model, raised, lambda traced: _enumerate_at(traced, state)) from raised.error


def require_mask(model: Model, mask: Any) -> None:
    """Refuse a value that is no mask of controls, bool [m, c]."""
    expected = (int(model.num_agents), int(model.num_controls))
    if getattr(mask, "shape", None) != expected or mask.dtype != bool:
        raise InputError(
            f"{type(model).__name__}.control_mask returned {_seen(mask)}; bool[{expected[0]}, {expected[1]}] is "
            "expected, agents x controls."
        )


def require_transition(model: Model, after: Any, state: State) -> None:
    """Refuse a value that is no transition from `state`."""
    name = type(model).__name__
    if not isinstance(after, Transition):
        raise InputError(f"{name}.transition returned a {type(after).__name__}; a seriatim.Transition is expected.")
    require_arrays(f"{name}.transition(...)", after)
    require_same(
        f"{name}.transition(...).state", shapes(after.state), shapes(state), "the next state must be like the one given"
    )
    _require_scalar(f"{name}.transition(...).cost is", after.cost, "fiu", "one number")
    _require_scalar(f"{name}.transition(...).done is", after.done, "b", "one boolean")


def require_feasible(model: Model, seen: Any) -> None:
    """Refuse an answer of `feasible` that is not one boolean."""
    _require_scalar(f"{type(model).__name__}.feasible returned", seen, "b", "one boolean")


def require_nominal(model: Any, seen: Any, drawn: Any) -> None:
    """Refuse a nominal disturbance whose structure differs from that of a drawn one."""
    name = f"{type(model).__name__}.nominal_disturbance"
    require_arrays(name, seen)
    require_same(name, shapes(seen), shapes(drawn), "it stands in for a drawn one")


def number_of(who: str, function: Any, info: Any) -> Float[Array, ""]:
    """Call a function of a state that returns one real number; `who` names it in messages.

    Raises:
        InputError: it raises, cannot be traced, or returns something else.
    """
    given = _asked(who, function, info)
    _require_scalar(f"{who} returned", given, "fiu", "one number")
    return jnp.asarray(given, float)


def control_of(model: Model, policy: Any, info: Any, key: Key, who: str) -> Int[Array, " m"]:
    """Call a policy for its joint control; `who` names it in messages.

    Raises:
        InputError: it raises, cannot be traced, or its result is no joint control. Whether the controls are admissible
            is not checked here, because their values may not be known yet.
    """
    given = _asked(who, policy, info, key)
    require_control(model, given, who)
    return jnp.asarray(given, jnp.int32)


def require_control(model: Model, given: Any, who: str, lanes: tuple[int, ...] = ()) -> None:
    """Refuse a value that is no joint control `[m]` or, with lanes, no array `[m, lanes]` of joint controls."""
    shape: Any = getattr(given, "shape", None)
    dtype: Any = getattr(given, "dtype", None)
    if shape == (model.num_agents, *lanes) and jnp.issubdtype(dtype, jnp.integer):
        return
    seen = repr(given) if shape is None else f"an array of shape {shape[: len(shape) - len(lanes)]} and type {dtype}"
    raise InputError(
        f"{who} returned {seen}; return a joint control, an array of shape ({model.num_agents},) with a "
        f"whole number from 0 to {model.num_controls - 1} for each agent."
    )


def why_not_allowed(model: Any, state: State, control: Any, when: str = "") -> str | None:
    """Say which control was chosen and which law it breaks; None if it breaks none. Values must be known.

    The words continue a sentence that begins with "... chose "; `when` names the occasion.
    """
    mask, chosen = np.asarray(model.control_mask(state)), np.asarray(control)
    for agent, u in enumerate(chosen.tolist()):
        if 0 <= u < mask.shape[1] and mask[agent, u]:
            continue
        allowed = np.flatnonzero(mask[agent]).tolist()
        if not allowed:
            return f"control {u} for agent {agent}{when}, whom control_mask leaves no admissible control"
        return f"control {u} for agent {agent}{when}, where control_mask admits only {allowed}"
    feasible = _optional.feasible(model)
    if feasible is not None and not feasible(state, jnp.asarray(chosen)):
        return f"the joint control {chosen.tolist()}{when}, which {type(model).__name__}.feasible refuses"
    return None


def _examine(model: Any) -> None:
    operator.index(model.num_agents), operator.index(model.num_controls)
    if _optional.initial_state(model) is None:
        return
    state = _called(model, "initial_state", jax.random.key(0))
    require_arrays(f"{type(model).__name__}.initial_state", state)
    _examine_at(model, state)


def _examine_at(model: Any, state: State) -> None:
    drawn = _called(model, "sample_disturbance", jax.random.key(0))
    require_arrays(f"{type(model).__name__}.sample_disturbance", drawn)
    state = jax.tree.map(jnp.asarray, state)
    require_mask(model, _called(model, "control_mask", state))
    control = jnp.zeros(model.num_agents, jnp.int32)
    require_transition(model, _called(model, "transition", state, control, drawn), state)
    if _optional.feasible(model) is not None:
        require_feasible(model, _called(model, "feasible", state, control))


@functools.lru_cache(maxsize=512)
def _examined(shell: Any, types: tuple[Any, ...]) -> None:
    """Examine a model, once for each structure; a model that fails is examined again the next time."""
    with nothing_kept(shell):
        jax.eval_shape(lambda leaves: _examine(shell.filled(leaves)), list(types))


def _enumerate_at(model: Any, state: State) -> None:
    name, state = f"{type(model).__name__}.outcomes", jax.tree.map(jnp.asarray, state)
    require_mask(model, _called(model, "control_mask", state))
    control = jnp.zeros(model.num_agents, jnp.int32)
    if _optional.feasible(model) is not None:
        require_feasible(model, _called(model, "feasible", state, control))
    listed = _called(model, "outcomes", state, control)
    pair = isinstance(listed, tuple) and len(listed) == 2
    if not pair or not isinstance(listed[0], Transition) or len(np.shape(listed[1])) != 1:
        raise InputError(f"{name} returned {_seen(listed)}; (transitions, probabilities [k]) are expected.")
    require_arrays(name, listed)
    after, count = listed[0], np.shape(listed[1])[0]
    parts = {"cost": after.cost, "done": after.done}
    for field, value in parts.items():
        if np.shape(value) != (count,):
            raise InputError(f"{name}[0].{field} is {_seen(value)}; one for each of {count} outcomes is expected.")
    expected = [(count, *np.shape(leaf)) for leaf in jax.tree.leaves(state)]
    if [np.shape(leaf) for leaf in jax.tree.leaves(after.state)] != expected:
        raise InputError(f"{name}[0].state is not like the state given, one for each of {count} outcomes.")


def _play(model: Any, policy: Any) -> None:
    key, who = jax.random.key(0), f"The policy {name_of(policy)}"
    state = jax.tree.map(jnp.asarray, model.initial_state(key))
    try:
        given = policy(state, key)
    except Exception as error:
        raise _Raised(who, error) from error
    require_control(model, given, who)


@functools.lru_cache(maxsize=512)
def _played(shell: Any, types: tuple[Any, ...]) -> None:
    with nothing_kept(shell):
        jax.eval_shape(lambda leaves: _play(*shell.filled(leaves)), list(types))


def _require_without_starts(model: Any) -> None:
    """Examine a model whose initial states can be made only with known numbers; skip it if they cannot be made at all.

    Planners can still be given states of such a model.
    """
    try:
        state = jax.eval_shape(lambda: model.initial_state(jax.random.key(0)))
    except Exception:
        return
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), state)
    require_stage(model, zeros)


def _asked(who: str, function: Any, *given: Any) -> Any:
    try:
        return function(*given)
    except InputError:
        raise
    except Exception as error:
        raise InputError(explanation(who, error)) from error


def _called(model: Any, method: str, *args: Any) -> Any:
    try:
        return getattr(model, method)(*args)
    except Exception as error:
        raise _Raised(f"{type(model).__name__}.{method}", error) from error


def _in_a_sentence(model: Any, raised: _Raised, examine: Any) -> InputError:
    """Say what a method raised; if it helps to make some fields constants, say which."""
    needed = [] if isinstance(raised.error, InputError) else constant_fields(model, examine)
    if needed:
        return InputError(field_explanation(raised.what, raised.error, needed))
    return InputError(explanation(raised.what, raised.error))


def _require_scalar(what: str, seen: Any, kinds: str, expected: str) -> None:
    shape = np.shape(seen) if not hasattr(seen, "shape") else seen.shape
    if shape != () or isinstance(seen, str) or seen is None or _kind_of(seen) not in kinds:
        raise InputError(f"{what} {_seen(seen)}; {expected}, shape [], is expected.")


def _kind_of(number: Any) -> str:
    """Return NumPy's letter for a type of numbers; keys and values without a type in JAX have O, as objects have."""
    if isinstance(number, int) and not fits(number):
        return "O"
    dtype: Any = jnp.result_type(number)
    return "O" if jnp.issubdtype(dtype, jax.dtypes.extended) else str(dtype.kind)


def _seen(value: Any) -> str:
    """Write a returned value for a message: `float32[2]` for an array, otherwise the value itself."""
    if isinstance(value, int) and not fits(value):
        return f"{value}, too large a whole number for JAX"
    if isinstance(value, (bool, int, float, complex)) or hasattr(value, "dtype"):
        return in_words(shapes(value))
    return "None" if value is None else f"a {type(value).__name__}"
