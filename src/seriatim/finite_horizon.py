"""Finite-horizon problems: any model, played for N stages. The number of stages left is part of the state.

    J_n(x) = min_u E[ g(x, u, w) + a J_{n-1}(f(x, u, w)) ],    J_0(x) = the final cost of x,    n stages left.

The best control depends on the number of stages left. A planner that does not know this number may look beyond the end,
and then be worse than its base policy. Here the problem ends (`done`) after its last stage. All simulations then run to
the true end, and the guarantees of problems that end hold.

Source: D. Bertsekas, Dynamic Programming and Optimal Control, vol. I, 4th ed., Athena Scientific, 2017, sections 1.3
and 1.4 (the algorithm, and time as part of an augmented state).
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from seriatim._arguments import require_whole
from seriatim._errors import InputError
from seriatim._optional import is_planner
from seriatim._record import record, static
from seriatim._wrapped_model import Method, WrappedModel, of_state, passed_on
from seriatim.model import Disturbance, Key, Model, State, Transition
from seriatim.policy import Decision, Planner, Policy, Value


@record
class TimedState:
    """A state of the model, and how many stages are left, the present one included."""

    state: State
    left: Int[Array, "..."]


def _likelihood(_: Any, method: Method) -> Method:
    return lambda seen, timed, control: method(seen, timed.state, control)


def _base_policy(_: Any, made: Method) -> Method:
    return lambda: at_any_time(made())


def _belief_model(problem: Any, made: Method) -> Method:
    _require_no_final_cost(problem)
    return lambda: FiniteHorizon(made(), problem.stages)


def _relaxed_state(problem: Any, relaxed: Method) -> Method:
    _require_no_final_cost(problem)
    return lambda timed: TimedState(relaxed(timed.state), timed.left)


def _relaxed_transition(problem: Any, moved: Method) -> Method:
    _require_no_final_cost(problem)
    return lambda timed, control, disturbance: _timed(
        moved(timed.state, control, disturbance), timed.left, None, problem.discount
    )


def _require_no_final_cost(problem: Any) -> None:
    """Let a method be missing where the final cost of a state of another kind would be asked for."""
    if problem.final_cost is not None:
        raise AttributeError("final_cost is of states, and not of relaxed states or beliefs")


def _states(problem: Any, listed: Method) -> Method:
    def every() -> TimedState:
        states = listed()
        count = jax.tree.leaves(states)[0].shape[0]
        left = np.repeat(np.arange(problem.stages, 0, -1, dtype=np.int32), count)
        tiled = jax.tree.map(lambda leaf: jnp.tile(leaf, (problem.stages, *[1] * (leaf.ndim - 1))), states)
        return TimedState(tiled, jnp.asarray(left))

    return every


def _index(problem: Any, number: Method) -> Method:
    count = jax.tree.leaves(jax.eval_shape(problem.model.states))[0].shape[0]
    return lambda timed: (problem.stages - timed.left) * count + number(timed.state)


def _initial_distribution(problem: Any, given: Method) -> Method:
    return lambda: np.pad(np.asarray(given()), (0, (problem.stages - 1) * len(given())))


def _outcomes(problem: Any, listed: Method) -> Method:
    def every(timed: TimedState, control: Int[Array, " m"]) -> tuple[Transition, Float[Array, " k"]]:
        after, probability = listed(timed.state, control)
        done = jnp.broadcast_to(jnp.asarray(after.done), probability.shape)
        final = None if problem.final_cost is None else jax.vmap(problem.final_cost)
        return _timed(Transition(after.state, after.cost, done), timed.left, final, problem.discount), probability

    return every


def _timed(after: Transition, left: Int[Array, "..."], final: Any, discount: Any) -> Transition:
    """Say what a transition of the model is where so many stages are left, its own included."""
    last, cost = left <= 1, after.cost
    done = jnp.asarray(after.done) | last
    if final is not None:
        at_end = jnp.asarray(discount, float) * jnp.asarray(final(after.state), float)
        cost = jnp.asarray(cost, float) + jnp.where(last & ~jnp.asarray(after.done), at_end, 0.0)
    rest = jnp.broadcast_to(left - 1, done.shape)
    return Transition(state=TimedState(after.state, rest), cost=cost, done=done)


@record
class FiniteHorizon(WrappedModel):
    """The problem that a model poses over N stages; its state is a `TimedState`.

    It has every optional method that the model has, `states`, `outcomes`, `observation` and `relaxed_transition` among
    them. Its base policy is the model's, whatever the time left. `terminal_cost` is left out: what a problem costs for
    ever is not what it costs until its end.

    Policies of the model's own states play it as `at_any_time(policy)`. Planners that are given this problem for their
    model know the time: `OneAtATimeRollout(problem, problem.base_policy())`. Over beliefs, `FiniteHorizon(BeliefModel(
    ...), N)` is planned and `FiniteHorizon(HiddenModel(...), N)` is played, by `beliefs.on_belief(planner)`.

    Attributes:
        model: what happens in a stage.
        stages: N, from 1 up.
        final_cost: of the state after the last stage, in cost units, unless the problem ended before; by default 0.
            With one, the problem is neither relaxed nor one over beliefs.

    Raises:
        InputError: `model` is no model, `stages` no whole number from 1 up, or `final_cost` cannot be called.
    """

    model: Model
    stages: int = static()
    final_cost: Value | None = None

    ends_after = None  # the last stage says `done`
    lanes_last = passed_on()
    control_mask = passed_on(of_state)
    feasible = passed_on(of_state)
    features = passed_on(of_state)
    agent_observations = passed_on(of_state)
    text = passed_on(of_state)
    draw = passed_on(of_state)
    nominal_disturbance = passed_on()
    base_policy = passed_on(_base_policy)
    states = passed_on(_states)
    index = passed_on(_index)
    outcomes = passed_on(_outcomes)
    observation = passed_on(of_state)
    observation_likelihood = passed_on(_likelihood)
    observations = passed_on()
    initial_distribution = passed_on(_initial_distribution)
    belief_model = passed_on(_belief_model)
    relaxed_state = passed_on(_relaxed_state)
    relaxed_mask = passed_on(of_state)
    relaxed_transition = passed_on(_relaxed_transition)

    def __post_init__(self) -> None:
        if isinstance(self.model, type) or not hasattr(self.model, "transition"):
            raise InputError(f"model={self.model!r} is no model; give a record with the methods of st.Model.")
        require_whole("stages", self.stages, what="the number of stages, a whole number")
        if not (self.final_cost is None or callable(self.final_cost)):
            raise InputError(f"final_cost={self.final_cost!r} cannot be called; give a function of the state, or None.")

    def initial_state(self, key: Key) -> TimedState:
        """Draw the model's first state, with all stages left."""
        return TimedState(self.model.initial_state(key), jnp.int32(self.stages))

    def transition(self, state: TimedState, control: Int[Array, " m *lanes"], disturbance: Disturbance) -> Transition:
        """Play one stage; the last one ends the problem."""
        final = self.final_cost
        if final is not None and control.ndim > 1:
            final = jax.vmap(final, -1)
        return _timed(self.model.transition(state.state, control, disturbance), state.left, final, self.discount)


@record
class AtAnyTime:
    """The policy, or the value, of timed states that looks at the state alone."""

    of_state: Any

    def __call__(self, info: TimedState, *key: Key) -> Any:
        """Ask about the state."""
        return self.of_state(info.state, *key)


@record
class PlanningAtAnyTime:
    """The planner of timed states that looks at the state alone, and so does not know where the problem ends."""

    planner: Planner

    @property
    def base(self) -> AtAnyTime:
        """The planner's base policy, of timed states too."""
        return AtAnyTime(self.planner.base)

    def __call__(self, info: TimedState, key: Key) -> Int[Array, " m"]:
        """Choose by the state."""
        return self.planner(info.state, key)

    def decide(self, info: TimedState, key: Key) -> Decision:
        """Decide by the state."""
        return self.planner.decide(info.state, key)


def at_any_time(policy: Policy | Value) -> AtAnyTime | PlanningAtAnyTime:
    """Make a policy of timed states from one of states; of a planner a planner, of a value a value."""
    return PlanningAtAnyTime(policy) if is_planner(policy) else AtAnyTime(policy)
