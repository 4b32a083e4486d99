"""Settings of a simulation, apart from any model: how a planner estimates the future."""

import math
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from seriatim import _optional
from seriatim._errors import InputError
from seriatim._numbers import is_whole, real_number
from seriatim._preconditions import number_of
from seriatim._record import record, static
from seriatim.model import Model
from seriatim.policy import Value

# An endless simulation must end. Discounted costs are followed until the weight of the stages cut off is below this ...
TAIL_WEIGHT = 1e-4
# ... and undiscounted ones, or discounts very near 1, for at most so many stages.
MAX_STAGES = 10_000
# Planners nest once for each stage optimised; more could not be computed, let alone compiled.
MAX_LOOKAHEAD = 6
# Samples of a Q-factor where the model is random and the user gives no number, and the most: each is a future in
# memory, and ten million of them are beyond any use of an average.
DEFAULT_SAMPLES, MAX_SAMPLES = 32, 10**7
# Stages are counted in 32 bits.
MAX_HORIZON = 2**31 - 1


@record
class Simulation:
    """How Q-factors are estimated.

    The Q-factor of a joint control u at state x, followed by the base policy, is

        Q(x, u) = E[ g(x, u, w_0) + sum_{t=1}^{H-1} a^t g(x_t, base(x_t), w_t) + a^H J(x_H) ]

    with discount `a`, `H = horizon` and `J = terminal_cost`.

    Attributes:
        horizon: stages simulated, the first included, H >= 1. None follows each simulation to termination; discounted
            models are cut where a**H <= 1e-4, and any after 10,000 stages.
        num_samples: disturbance sequences averaged for each Q-factor; all candidates meet the same ones. By default
            1 where the model is deterministic (its disturbance is an empty pytree) and 32 elsewhere; give a number
            where the model is deterministic and the base policy random.
        terminal_cost: the cost-to-go added where a simulation is cut off by `horizon`; by default 0.
        lookahead: stages l >= 1 at which controls are optimised rather than taken from the base policy. The stages
            1 .. l-1 are played by the same planner with lookahead l-1, ..., 1 and the rest of the horizon, so that
            with exact expectations standard rollout minimises over the controls of l stages exactly. The work grows
            as (candidates * num_samples)**l.
        expectation: "sampled", or "exact": every outcome of every stage is enumerated (`model.outcomes`), which takes
            a short `horizon`. With horizon=1 and the base policy's exact cost-to-go as `terminal_cost`, the Q-factors
            are exact, and so is the guarantee of improvement. The base policy must then be deterministic.
        nominal_from: certainty equivalence: from this stage on, disturbances are the model's `nominal_disturbance()`.
            1 keeps the first stage random, the usual advice; 0 makes all of it deterministic; None none of it.
        cost_bound: your word that no stage cost of the model is larger, in absolute value. A simulation that is cut
            off after H stages then misses at most a**H * cost_bound / (1 - a), which `Decision.tail_bound` reports. It
            is for simulations without `terminal_cost`, and is not checked.

    Raises:
        InputError: a number is out of range, or options contradict each other.

    Source: D. Bertsekas, Rollout, Policy Iteration, and Distributed Reinforcement Learning, Athena Scientific, 2020.
    """

    horizon: int | None = static(default=None)
    num_samples: int | None = static(default=None)
    terminal_cost: Value | None = None
    lookahead: int = static(default=1)
    expectation: Literal["sampled", "exact"] = static(default="sampled")
    nominal_from: int | None = static(default=None)
    cost_bound: float | Float[Array, ""] | None = None

    def __post_init__(self) -> None:
        _check_numbers(self)
        _check_cost_bound(self)
        if self.terminal_cost is not None and not callable(self.terminal_cost):
            raise InputError(
                f"terminal_cost={self.terminal_cost!r} cannot be called; give a function of a state that returns one "
                "number."
            )
        if self.expectation not in ("sampled", "exact"):
            raise InputError(f"expectation={self.expectation!r} is neither 'sampled' nor 'exact'.")
        if self.expectation == "exact" and self.horizon is None:
            raise InputError(
                "expectation='exact' enumerates every outcome of every stage and needs a horizon; "
                "give horizon=1 and the base policy's cost-to-go as terminal_cost."
            )
        if self.expectation == "exact" and self.nominal_from is not None:
            raise InputError(
                f"expectation='exact' and nominal_from={self.nominal_from} contradict each other; give one of them."
            )
        if self.horizon is not None and self.horizon < self.lookahead:
            raise InputError(
                f"horizon={self.horizon} is shorter than lookahead={self.lookahead}; "
                "give a horizon at least as long as the lookahead."
            )


def _check_numbers(simulation: Simulation) -> None:
    _within(1, MAX_HORIZON, "horizon", simulation.horizon, "stages are simulated")
    _within(1, MAX_SAMPLES, "num_samples", simulation.num_samples, "samples are averaged")
    _within(0, MAX_HORIZON, "nominal_from", simulation.nominal_from, "is the stage from which disturbances are nominal")
    if not is_whole(simulation.lookahead, 1):
        raise InputError(
            f"lookahead={simulation.lookahead!r}: so many stages are optimised; give a whole number from 1 up."
        )
    if simulation.lookahead > MAX_LOOKAHEAD:
        raise InputError(
            f"lookahead={simulation.lookahead}: the work grows as (candidates * samples)**lookahead; give at most "
            f"{MAX_LOOKAHEAD}, and a terminal_cost for what lies beyond."
        )


def _within(lowest: int, highest: int, name: str, value: int | None, meaning: str) -> None:
    if value is not None and not (is_whole(value, lowest) and value <= highest):
        raise InputError(f"{name}={value!r}: {name} {meaning}; give a whole number from {lowest} to {highest:,}.")


def _check_cost_bound(simulation: Simulation) -> None:
    bound = simulation.cost_bound
    if bound is None or isinstance(bound, jax.core.Tracer):
        return
    number = real_number(bound)
    if number is None or not 0 <= number < math.inf:
        raise InputError(f"cost_bound={bound!r}: give the largest stage cost, in absolute value, a number from 0 up.")
    if simulation.terminal_cost is not None or simulation.expectation == "exact":
        other = "terminal_cost" if simulation.terminal_cost is not None else "expectation='exact'"
        raise InputError(
            f"cost_bound={bound} bounds what sampled simulations miss where nothing is added for it, and {other} is "
            "given too; leave one of them out."
        )


def num_stages(simulation: Simulation, model: Model) -> Int[Array, ""]:
    """Return the number of stages to simulate at most, H: no more than the problem has at all, if the model says it."""
    stages, last = _num_stages(simulation, model), _optional.ends_after(model)
    return stages if last is None else jnp.minimum(stages, jnp.asarray(last, jnp.int32))


def _num_stages(simulation: Simulation, model: Model) -> Int[Array, ""]:
    if simulation.horizon is not None:
        return jnp.asarray(simulation.horizon, jnp.int32)
    discount = jnp.asarray(model.discount, float)
    # The logarithm of a discount of 1 is 0; a number just below it leads to more than MAX_STAGES, which then decides.
    stages = jnp.ceil(math.log(TAIL_WEIGHT) / jnp.log(jnp.minimum(discount, 1 - 1e-6)))
    return jnp.clip(stages, 1, MAX_STAGES).astype(jnp.int32)


def weight_cut_off(simulation: Simulation, model: Model) -> Float[Array, ""]:
    """Return the weight a**H of the first stage that is not simulated."""
    return jnp.asarray(model.discount, float) ** num_stages(simulation, model).astype(float)


def tail_bound(simulation: Simulation, model: Model) -> Float[Array, ""]:
    """Return the most that cutting can have changed a Q-factor, `a**H * cost_bound / (1 - a)`; infinite if unknown."""
    if simulation.cost_bound is None:
        return jnp.full((), jnp.inf, float)
    bound = jnp.asarray(simulation.cost_bound, float)
    # A bound of 0 misses nothing, also where the discount is 1.
    rest = jnp.where(bound > 0, bound / (1 - jnp.asarray(model.discount, float)), 0.0)
    return weight_cut_off(simulation, model) * rest


def num_samples(simulation: Simulation, model: Model) -> int:
    """Return the number of samples of each Q-factor: a constant, known before anything is compiled."""
    if simulation.num_samples is not None:
        return simulation.num_samples
    # Shapes alone tell whether anything is drawn.
    drawn = jax.eval_shape(lambda: model.sample_disturbance(jax.random.key(0)))
    return DEFAULT_SAMPLES if jax.tree.leaves(drawn) else 1


def terminal(simulation: Simulation, state: object) -> Float[Array, ""]:
    """Return the cost-to-go where a simulation is cut off."""
    if simulation.terminal_cost is None:
        return jnp.zeros((), float)
    return number_of("terminal_cost", simulation.terminal_cost, state)
