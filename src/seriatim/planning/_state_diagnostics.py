"""One sentence for a state or a key of which no decision can be made.

A model may serve states of other sizes than its own initial ones, so a state is not compared with those beforehand.
Only if the program of a decision cannot be written is the state held against an initial one, to say where they differ,
and the model's methods are called at it one by one, to say which fails. A model without initial states has not been
examined before, so it is examined here. All of this happens while a program is being written: a decision that is
compiled pays nothing.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from seriatim._errors import InputError
from seriatim._preconditions import difference_to_start, require_key, require_stage

F = TypeVar("F", bound=Callable[..., Any])


def with_state_diagnostics(function: F) -> F:
    """Make a function (planner, state, key, ...) say in one sentence what is wrong with its state or key."""

    @functools.wraps(function)
    def call(planner: Any, info: Any, key: Any, *rest: Any) -> Any:
        require_key(key, " (for many states at once: decide_many)")
        try:
            if not callable(getattr(planner.model, "initial_state", None)):
                require_stage(planner.model, info)
            return function(planner, info, key, *rest)
        except Exception as problem:
            known = f"{problem} " if isinstance(problem, InputError) else ""
            difference = difference_to_start(planner.model, info, types=bool(known))
            if difference is not None:
                raise InputError(f"{known}{difference}") from problem
            if not isinstance(problem, InputError):
                require_stage(planner.model, info)
            raise

    return call  # type: ignore[return-value]
