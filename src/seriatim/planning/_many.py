"""Decisions at many states at once: the work-horse of training data."""

import jax
from jaxtyping import Array, Shaped

from seriatim._compile import jit
from seriatim._errors import InputError
from seriatim.model import Key, State
from seriatim.policy import Decision, Planner

# States decided side by side; more are taken in turns, which bounds the memory.
STATES_AT_ONCE = 256


def decide_many(planner: Planner, states: State, keys: Key | Shaped[Array, "states ..."]) -> Decision:
    """Decide at every state, as if one after the other: row `i` is `planner.decide(states[i], keys[i])`.

    Args:
        planner: any planner.
        states: stacked along a leading axis.
        keys: one for each state, along the same axis.

    Raises:
        InputError: the leading axes differ.
    """
    lengths = {leaf.shape[:1] for leaf in jax.tree.leaves(states)} | {keys.shape[:1]}
    if len(lengths) != 1 or lengths == {()}:
        seen = ", ".join(str(n[0]) if n else "none" for n in sorted(lengths))
        raise InputError(
            f"The leading axes of states and keys have lengths {seen}; give as many keys as states, stacked along "
            "axis 0 (jax.random.split(key, n))."
        )
    return _decide_many(planner, states, keys)


def _many(planner: Planner, states: State, keys: Key) -> Decision:
    decisions: Decision = jax.lax.map(lambda pair: planner.decide(*pair), (states, keys), batch_size=STATES_AT_ONCE)
    return decisions


_decide_many = jit(_many)
