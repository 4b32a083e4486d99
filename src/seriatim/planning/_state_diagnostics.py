"""One sentence for a state or a key of which no decision can be made.

A model may serve states of other sizes than its own initial ones, so a state is not compared with those beforehand.
Only if the program of a decision cannot be written is the state held against an initial one, to say where they differ,
and the model's methods are called at it one by one, to say which fails. A decision that can be made pays nothing.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from seriatim._errors import InputError
from seriatim._preconditions import difference_to_start, require_key, require_stage

F = TypeVar("F", bound=Callable[..., Any])


def with_state_diagnostics(program: F) -> F:
    """Make a program (planner, state, key, ...) say in one sentence what is wrong with its state or key."""

    @functools.wraps(program)
    def call(planner: Any, info: Any, key: Any, *rest: Any) -> Any:
        try:
            return program(planner, info, key, *rest)
        except Exception as problem:
            # Only after a failure, so that decisions that can be made pay nothing for these checks.
            require_key(key, " (for many states at once: decide_many)")
            known = f"{problem} " if isinstance(problem, InputError) else ""
            difference = difference_to_start(planner.model, info, types=bool(known))
            if difference is not None:
                raise InputError(f"{known}{difference}") from problem
            if not isinstance(problem, InputError):
                require_stage(planner.model, info)
            raise

    return call  # type: ignore[return-value]


def require_served(model: Any, info: Any) -> None:
    """Refuse a state that the model does not serve, where a decision is part of a program that is still being traced.

    The simulations of such a decision are traced when that program is lowered, and what they raise is said there, far
    from this call.

    Raises:
        InputError: a method of the model fails at the state, or returns what the protocol does not allow.
    """
    try:
        require_stage(model, info)
    except InputError as problem:
        difference = difference_to_start(model, info, types=True)
        if difference is None:
            raise
        raise InputError(f"{problem} {difference}") from problem
