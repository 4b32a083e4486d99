"""The solutions that solvers return, of states and of states with their time; their use as policies and as values."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from seriatim import _optional
from seriatim._errors import InputError
from seriatim._record import record
from seriatim.finite_horizon import FiniteHorizon, TimedState
from seriatim.model import Key, Model, State


@record
class TablePolicy:
    """The policy that looks its joint control up at the state's number: `control[model.index(x)]`."""

    model: Model
    control: Shaped[Any, "s m"]

    def __post_init__(self) -> None:
        _check_length(self.model, "control", self.control)
        object.__setattr__(self, "control", jnp.asarray(self.control, jnp.int32))

    def __call__(self, info: State, key: Key) -> Int[Array, " m"]:
        """Return the row of the state; `key` is not used."""
        del key
        control: Int[Array, " m"] = self.control[self.model.index(info)]  # type: ignore[attr-defined]
        return control


@record
class TableValue:
    """The cost-to-go looked up at the state's number: `cost_to_go[model.index(x)]`, in JAX's precision."""

    model: Model
    cost_to_go: Shaped[Any, " s"]

    def __post_init__(self) -> None:
        _check_length(self.model, "cost_to_go", self.cost_to_go)
        object.__setattr__(self, "cost_to_go", jnp.asarray(self.cost_to_go, float))

    def __call__(self, info: State) -> Float[Array, ""]:
        """Return the cost-to-go of the state."""
        value: Float[Array, ""] = self.cost_to_go[self.model.index(info)]  # type: ignore[attr-defined]
        return value


def _check_length(model: Any, name: str, table: Any) -> None:
    """Refuse a table with another number of states than the model: JAX would read past its end silently."""
    states = jax.tree.leaves(jax.eval_shape(model.states))[0].shape[0]
    if len(table) != states:
        raise InputError(f"{name} has {len(table)} rows; {type(model).__name__} has {states} states: give a row each.")


@record
class Solution:
    """The solution of an exact method.

    Attributes:
        cost_to_go: `[s]`, in double precision; infinity where every policy pays for ever.
        control: a joint control for each state, `[s, m]`.
        history: the cost-to-go of each policy (policy iteration) or each sweep (multiagent value iteration), the first
            included, `[iterations + 1, s]`; empty for methods that keep none.
        iterations: improvements or full sweeps made.
        error_bound: `cost_to_go` is within this of the exact solution, and the cost of `control` within twice this.
        converged: whether the tolerance was met. If not, a warning was given too.
        problem: the problem that was solved.
    """

    cost_to_go: Float[np.ndarray, " s"]
    control: Int[np.ndarray, "s m"]
    history: Float[np.ndarray, "n s"]
    iterations: int
    error_bound: float
    converged: bool
    problem: Any = dataclasses.field(repr=False)

    @property
    def policy(self) -> TablePolicy:
        """The control as a policy of the model."""
        return TablePolicy(self._model("policy"), self.control)

    @property
    def value(self) -> TableValue:
        """The cost-to-go as a value of the model."""
        return TableValue(self._model("value"), self.cost_to_go)

    def _model(self, what: str) -> Any:
        if _optional.index(self.problem) is None:
            raise InputError(
                f"Tables have no states to look up, so their solution has no {what}; use its arrays, or solve a model."
            )
        return self.problem


@record
class StagePolicy:
    """The policy of timed states that looks its joint control up: `control[N - left, model.index(x)]`."""

    model: Model
    control: Shaped[Any, "N s m"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "control", jnp.asarray(self.control, jnp.int32))

    def __call__(self, info: TimedState, key: Key) -> Int[Array, " m"]:
        """Return the row of the stage and the state; `key` is not used."""
        del key
        model: Any = self.model
        control: Int[Array, " m"] = self.control[self.control.shape[0] - info.left, model.index(info.state)]
        return control


@record
class StageValue:
    """The cost-to-go of timed states, looked up: `cost_to_go[N - left, model.index(x)]`, in JAX's precision."""

    model: Model
    cost_to_go: Shaped[Any, "stages s"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "cost_to_go", jnp.asarray(self.cost_to_go, float))

    def __call__(self, info: TimedState) -> Float[Array, ""]:
        """Return the cost-to-go of the state with so many stages left."""
        model: Any = self.model
        last = self.cost_to_go.shape[0] - 1
        value: Float[Array, ""] = self.cost_to_go[last - info.left, model.index(info.state)]
        return value


@record
class StageSolution:
    """The solution of a finite horizon of N stages.

    Attributes:
        cost_to_go: of the stages k, ..., N - 1 and the final cost, `[N + 1, s]`, in double precision; row 0 is that of
            the whole problem.
        control: a joint control for each stage and state, `[N, s, m]`.
        history: the cost-to-go of each policy, the first included, `[iterations + 1, N + 1, s]`; empty for backward
            induction, which needs none.
        iterations: improvements made.
        converged: whether no agent could improve the last policy. If not, a warning was given too.
        problem: the problem that was solved.
    """

    cost_to_go: Float[np.ndarray, "stages s"]
    control: Int[np.ndarray, "N s m"]
    history: Float[np.ndarray, "n stages s"]
    iterations: int
    converged: bool
    problem: Any = dataclasses.field(repr=False)

    @property
    def policy(self) -> StagePolicy:
        """The control as a policy of `FiniteHorizon(model, N)`."""
        return StagePolicy(self._model("policy"), self.control)

    @property
    def value(self) -> StageValue:
        """The cost-to-go as a value of `FiniteHorizon(model, N)`."""
        return StageValue(self._model("value"), self.cost_to_go)

    def _model(self, what: str) -> Any:
        model = self.problem.model if isinstance(self.problem, FiniteHorizon) else self.problem
        if _optional.index(model) is None:
            raise InputError(
                f"Tables have no states to look up, so their solution has no {what}; use its arrays, or solve a model."
            )
        return model
