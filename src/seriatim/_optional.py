"""The one place that asks models, policies and filters for methods that they may lack.

Each name below is a question: `feasible(model)` is the method `model.feasible`, or None if the model has no such
method. An attribute that is None counts as missing. The table in docs/models.md lists for each method who asks for it,
and what happens without it. Whether a joint control is allowed depends on an optional method, so it is computed here
too.
"""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeAlias, TypeGuard, TypeVar

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from seriatim._errors import InputError
from seriatim._numbers import is_whole
from seriatim.controls import is_admissible
from seriatim.model import Disturbance, Key, Observation, State
from seriatim.policy import Decision, Planner, Policy, Value

T = TypeVar("T")
Control: TypeAlias = Int[Array, " m"]

FINITE = ("states", "index", "outcomes")
OBSERVED = ("observation", "observation_likelihood")
RELAXED = ("relaxed_state", "relaxed_mask", "relaxed_transition")


class Question(Generic[T]):
    """A question for one attribute, by its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, owner: Any) -> T | None:
        """Return the attribute of the object, or None if it has none."""
        found: T | None = getattr(owner, self.name, None)
        return found


# Asked of models.
initial_state = Question[Callable[[Key], State]]("initial_state")
feasible = Question[Callable[[State, Control], Bool[Array, ""]]]("feasible")
nominal_disturbance = Question[Callable[[], Disturbance]]("nominal_disturbance")
base_policy = Question[Callable[[], Policy]]("base_policy")
terminal_cost = Question[Callable[[], Value | None]]("terminal_cost")
endless = Question[bool]("endless")
features = Question[Callable[[State, Int[Array, ""]], Any]]("features")
agent_observations = Question[Callable[[State], Any]]("agent_observations")
draw = Question[Callable[[State], str]]("draw")
text = Question[Callable[[State], str]]("text")
# Asked of finite models.
states = Question[Callable[[], State]]("states")
index = Question[Callable[[State], Int[Array, ""]]]("index")
tabulated_motion = Question[Callable[[], tuple[Float[np.ndarray, "s a"], Any]]]("tabulated_motion")
# Asked of observed models.
observation = Question[Callable[[State, Control, Disturbance], Observation]]("observation")
observations = Question[Callable[[], Observation]]("observations")
tabulated_observations = Question[Callable[[], Float[np.ndarray, "a s o"]]]("tabulated_observations")
initial_distribution = Question[Callable[[], Float[Array, " s"]]]("initial_distribution")
belief_model = Question[Callable[[], Any]]("belief_model")
split = Question[Callable[[State], tuple[Any, Int[Array, " n"]]]]("split")
# Asked of models, about states, and of filters, about beliefs.
outcomes = Question[Callable[[Any, Control], Any]]("outcomes")
expected_cost = Question[Callable[..., Float[Array, ""]]]("expected_cost")
# Asked of filters.
support = Question[Callable[[Any], tuple[State, Float[Array, " k"]]]]("support")
# Asked of policies: planners have this method.
decide = Question[Callable[[Any, Key], Decision]]("decide")
# Asked of models and of policies.
lanes_last = Question[bool]("lanes_last")
_ends_after = Question[int]("ends_after")


def ends_after(model: Any) -> int | None:
    """Return the number of stages after which the problem ends on purpose, or None if the model names none.

    Raises:
        InputError: it is no whole number from 1 up.
    """
    stages: Any = _ends_after(model)
    if stages is None or isinstance(stages, jax.core.Tracer):
        return stages  # type: ignore[return-value]
    if not is_whole(stages, 1):
        raise InputError(
            f"{type(model).__name__}.ends_after is {stages!r}; give the number of stages after which the problem ends, "
            "a whole number from 1 up, or None."
        )
    return int(stages)


def is_planner(policy: Any) -> TypeGuard[Planner]:
    """Say whether a policy is a planner: it has `decide`, which returns the evidence of a decision."""
    return decide(policy) is not None


def is_allowed(model: Any, state: State, control: Control) -> Bool[Array, ""]:
    """Say whether a joint control is admissible for every agent and, where the model has constraints, feasible."""
    admissible, constraint = is_admissible(control, model.control_mask(state)), feasible(model)
    return admissible if constraint is None else admissible & constraint(state, control)


def missing_methods(owner: Any, names: Sequence[str]) -> list[str]:
    """Return the names among these that are no methods of the object."""
    return [name for name in names if not callable(getattr(owner, name, None))]
