"""The engine: estimating the Q-factors of a list of joint controls at one state.

This is the one seam between planners and machines. A planner says which joint controls to compare; the engine returns
their costs, sample by sample, all under the same disturbances. Everything a planner knows of the simulation is here.

Two random things are shared by all candidates of a call: the disturbance of each sample and stage, and the key the base
policy is given there. Differences between candidates are then paired, and far less noisy than the costs themselves.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from seriatim._errors import InputError
from seriatim.controls import is_admissible
from seriatim.model import Disturbance, Key, Model, State, Transition
from seriatim.planning._simulation import Simulation, num_samples, num_stages, terminal
from seriatim.policy import Policy

# Lanes (candidates x samples) simulated side by side; more are taken in turns, which bounds the memory.
MAX_LANES = 2**16
# Leaves of the tree of outcomes that an exact expectation may enumerate for one joint control.
MAX_OUTCOMES = 2**20


def q_samples(
    model: Model,
    policies: tuple[Policy, ...],
    simulation: Simulation,
    state: State,
    controls: Int[Array, "n m"],
    key: Key,
) -> Float[Array, "n samples"]:
    """Return the cost of each joint control at `state`, one column a sample; Q-factors are the means of the rows.

    Args:
        model: the problem.
        policies: who plays stages 1, 2, ...; the last one plays all later stages too. Usually just the base policy.
        simulation: horizon, samples, terminal cost.
        state: where the controls are compared.
        controls: the candidates.
        key: decides all that is random; the same key gives every candidate of every call the same disturbances.

    Raises:
        InputError: exact expectations or nominal disturbances are asked of a model that cannot give them.
    """
    if simulation.expectation == "exact":
        return _exact(model, policies, simulation, state, controls, key)
    width = max(1, MAX_LANES // num_samples(simulation, model))

    def simulated(some: Int[Array, "k m"]) -> Float[Array, "k samples"]:
        return _sampled(model, policies, simulation, state, some, key)

    if controls.shape[0] <= width:
        return simulated(controls)
    return jnp.asarray(jax.lax.map(lambda u: simulated(u[None])[0], controls, batch_size=width))


def allowed(model: Model, state: State, controls: Int[Array, "n m"]) -> Bool[Array, " n"]:
    """Say which joint controls are admissible for each agent and feasible for the team."""
    mask = model.control_mask(state)
    feasible = getattr(model, "feasible", None)

    def one(control: Int[Array, " m"]) -> Bool[Array, ""]:
        admissible = is_admissible(control, mask)
        return admissible if feasible is None else admissible & feasible(state, control)

    return jax.vmap(one)(controls)


class _Lanes(NamedTuple):
    """The state of all simulations, `[n, samples]`: one lane for each candidate and sample."""

    t: Int[Array, ""]
    weight: Float[Array, ""]
    state: State
    cost: Float[Array, "n samples"]
    done: Bool[Array, "n samples"]


def _sampled(
    model: Model,
    policies: tuple[Policy, ...],
    simulation: Simulation,
    state: State,
    controls: Int[Array, "n m"],
    key: Key,
) -> Float[Array, "n samples"]:
    n, samples = controls.shape[0], num_samples(simulation, model)
    horizon = num_stages(simulation, model)
    discount = jnp.asarray(model.discount, float)
    disturbance_keys, policy_keys = jax.random.split(key, (2, samples))
    shape = (n, samples)

    def advance(lanes: _Lanes, after: Transition) -> _Lanes:
        cost = jnp.where(lanes.done, 0.0, jnp.asarray(after.cost, float))
        return _Lanes(
            lanes.t + 1,
            lanes.weight * discount,
            after.state,
            lanes.cost + lanes.weight * cost,
            lanes.done | after.done,
        )

    def play(policy: Policy, lanes: _Lanes) -> _Lanes:
        draws = _draw(model, simulation, disturbance_keys, lanes.t)
        keys = jax.vmap(jax.random.fold_in, in_axes=(0, None))(policy_keys, lanes.t)

        def one(x: State, w: Disturbance, k: Key) -> Transition:
            return model.transition(x, policy(x, k), w)

        return advance(lanes, jax.vmap(jax.vmap(one), in_axes=(0, None, None))(lanes.state, draws, keys))

    zero = jnp.zeros((), jnp.int32)
    start = _Lanes(zero, jnp.ones((), float), None, jnp.zeros(shape, float), jnp.zeros(shape, bool))
    # The number of samples is given, because the disturbance of a deterministic model has no axis to read it from.
    first = jax.vmap(jax.vmap(model.transition, (None, None, 0), axis_size=samples), (None, 0, None))
    lanes = advance(start, first(state, controls, _draw(model, simulation, disturbance_keys, zero)))
    for policy in policies[:-1]:
        lanes = play(policy, lanes)
    # The stages are counted outside the lanes, so that the draws of a stage serve all candidates.
    lanes = jax.lax.while_loop(
        lambda now: (now.t < horizon) & ~jnp.all(now.done),
        lambda now: play(policies[-1], now),
        lanes,
    )
    rest = jax.vmap(jax.vmap(lambda x: terminal(simulation, x)))(lanes.state)
    return lanes.cost + lanes.weight * jnp.where(lanes.done, 0.0, rest)


def _draw(model: Model, simulation: Simulation, keys: Key, t: Int[Array, ""]) -> Disturbance:
    """Draw the disturbance of stage `t` for every sample, or take the nominal one."""
    drawn = jax.vmap(lambda k: model.sample_disturbance(jax.random.fold_in(k, t)))(keys)
    if simulation.nominal_from is None:
        return drawn
    nominal = _nominal(model)
    chosen = t >= simulation.nominal_from
    return jax.tree.map(lambda d, w: jnp.where(chosen, jnp.broadcast_to(w, d.shape), d), drawn, nominal)


def _nominal(model: Model) -> Disturbance:
    method = getattr(model, "nominal_disturbance", None)
    if method is None:
        raise InputError(
            f"nominal_from asks for certainty equivalence, but {type(model).__name__} has no method "
            "nominal_disturbance(); add one that returns the typical disturbance."
        )
    return method()


def _exact(
    model: Model,
    policies: tuple[Policy, ...],
    simulation: Simulation,
    state: State,
    controls: Int[Array, "n m"],
    key: Key,
) -> Float[Array, "n 1"]:
    """Enumerate the tree of outcomes: Q(x, u) = sum_k p_k (g_k + a V(x_k)), V the same one stage on."""
    horizon = simulation.horizon or 1
    discount = jnp.asarray(model.discount, float)
    outcomes = _outcomes(model, state, controls[0], horizon)

    def q_factor(x: State, control: Int[Array, " m"], t: int) -> Float[Array, ""]:
        after, probability = outcomes(x, control)
        rest = jax.vmap(lambda y: cost_to_go(y, t + 1))(after.state)
        total = jnp.asarray(after.cost, float) + discount * jnp.where(after.done, 0.0, rest)
        return jnp.sum(jnp.where(probability > 0, probability * total, 0.0))

    def cost_to_go(x: State, t: int) -> Float[Array, ""]:
        if t >= horizon:
            return terminal(simulation, x)
        policy = policies[min(t, len(policies)) - 1]
        return q_factor(x, policy(x, key), t)

    return jax.vmap(lambda u: q_factor(state, u, 0))(controls)[:, None]


def _outcomes(model: Model, state: State, control: Int[Array, " m"], horizon: int) -> Any:
    method = getattr(model, "outcomes", None)
    if method is None:
        raise InputError(
            f"expectation='exact' needs the outcomes of a control, but {type(model).__name__} has no method "
            "outcomes(state, control); add it, or use expectation='sampled'."
        )
    _, probability = jax.eval_shape(method, state, control)
    leaves = probability.shape[0] ** horizon
    if leaves > MAX_OUTCOMES:
        raise InputError(
            f"expectation='exact' would enumerate {probability.shape[0]}**{horizon} = {leaves:,} outcomes, more than "
            f"{MAX_OUTCOMES:,}; shorten the horizon and give a terminal_cost, or use expectation='sampled'."
        )
    return method
