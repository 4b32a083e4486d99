"""The engine: estimating the Q-factors of a list of joint controls at one state.

This is the one seam between planners and machines. A planner says which joint controls to compare; the engine returns
their costs, sample by sample, all under the same disturbances. Everything a planner knows of the simulation is here.

Two random things are shared by all candidates of a call: the disturbance of each sample and stage, and the key the base
policy is given there. Differences between candidates are then paired, and far less noisy than the costs themselves.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from seriatim._compile import jit, split
from seriatim._errors import InputError
from seriatim.controls import is_admissible
from seriatim.model import Key, Model, State
from seriatim.planning._draws import Draws, draws_of, some_of
from seriatim.planning._lanes import Simulated, simulate_lanes
from seriatim.planning._simulation import Simulation, terminal
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
    draws: Draws | None = None,
    block: range | None = None,
    expected: Float[Array, " blocks"] | None = None,
) -> Float[Array, "n samples"]:
    """Return the cost of each joint control at `state`, one column a sample; Q-factors are the means of the rows.

    Args:
        model: the problem.
        policies: who plays stages 1, 2, ...; the last one plays all later stages too. Usually just the base policy.
        simulation: horizon, samples, terminal cost.
        state: where the controls are compared.
        controls: the candidates.
        key: decides all that is random; the same key gives every candidate of every call the same disturbances.
        draws: what `draws_of` returned for this key, if there will be many calls. It saves drawing again, and changes
            nothing but the order of the samples, if they were put into another.
        block: which samples, consecutive ones of 0 .. num_samples - 1; None is all of them. A sample meets the same
            disturbances in whatever block it is simulated. An exact expectation has one, and no blocks; nor have
            samples that were put into order.
        expected: about what a joint control costs here, for each block of `draws`. It changes nothing; where much is
            simulated together, what costs about the same, and so may last about as long, is taken together.

    Raises:
        InputError: exact expectations or nominal disturbances are asked of a model that cannot give them.
    """
    return simulated(model, policies, simulation, state, controls, key, draws, block, expected).costs


def simulated(
    model: Model,
    policies: tuple[Policy, ...],
    simulation: Simulation,
    state: State,
    controls: Int[Array, "n m"],
    key: Key,
    draws: Draws | None = None,
    block: range | None = None,
    expected: Float[Array, " blocks"] | None = None,
) -> Simulated:
    """Return what `q_samples` does, and how many futures had not ended where they were cut off; exact ones count 0."""
    if simulation.expectation == "exact":
        costs = _exact(model, policies, simulation, state, controls, key)
        return Simulated(costs, jnp.zeros(controls.shape[0], jnp.int32))
    met = draws_of(model, simulation, key) if draws is None else draws
    met = met if block is None else some_of(met, block)
    width = max(1, MAX_LANES // met.policy_keys.size)

    def at_once(some: Int[Array, "k m"]) -> Simulated:
        return _sampled(model, policies, simulation, state, some, met, expected)

    if controls.shape[0] <= width:
        return at_once(controls)
    each: Simulated = jax.lax.map(lambda u: at_once(u[None]), controls, batch_size=width)
    return Simulated(each.costs[:, 0], each.truncated[:, 0])


def allowed(model: Model, state: State, controls: Int[Array, "n m"]) -> Bool[Array, " n"]:
    """Say which joint controls are admissible for each agent and feasible for the team."""
    mask = model.control_mask(state)
    feasible = getattr(model, "feasible", None)

    def one(control: Int[Array, " m"]) -> Bool[Array, ""]:
        admissible = is_admissible(control, mask)
        return admissible if feasible is None else admissible & feasible(state, control)

    return jax.vmap(one)(controls)


def _sampled(
    model: Model,
    policies: tuple[Policy, ...],
    simulation: Simulation,
    state: State,
    controls: Int[Array, "n m"],
    draws: Draws,
    expected: Float[Array, " blocks"] | None,
) -> Simulated:
    """Simulate at one state; mapped over states, simulate at all of them together, lanes last.

    The rule for mapping may be applied long after this returns, inside another trace. So it is given every array as an
    argument and keeps none.
    """
    arrays, whole = split((model, policies, simulation))

    def many(arrays: Any, *given: Any) -> Simulated:
        known, players, settings = whole(arrays)
        return _simulated(known, players, settings, *given)

    @jax.custom_batching.custom_vmap
    def one(arrays: Any, *state: Any) -> Simulated:
        found: Simulated = jax.tree.map(lambda leaf: leaf[0], many(arrays, *jax.tree.map(lambda x: x[None], state)))
        return found

    @one.def_vmap
    def _(count: int, mapped: Any, arrays: Any, *states: Any) -> tuple[Simulated, Simulated]:
        both: Any = Simulated(True, True)  # type: ignore[arg-type]

        def everywhere(leaf: Any, is_mapped: bool) -> Array:
            return jnp.asarray(leaf) if is_mapped else jnp.broadcast_to(leaf, (count, *jnp.shape(leaf)))

        each = jax.tree.map(everywhere, states, tuple(mapped[1:]))
        if not any(jax.tree.leaves(mapped[0])):
            return many(arrays, *each), both
        # Models that differ too: nothing is shared, and lanes have nothing to gain.
        axes = jax.tree.map(lambda is_mapped: 0 if is_mapped else None, mapped[0])
        alone = jax.tree.map(lambda leaf: leaf[:, None], each)
        found = jax.vmap(many, in_axes=(axes, *([0] * len(alone))))(arrays, *alone)
        return jax.tree.map(lambda leaf: leaf[:, 0], found), both

    found: Simulated = one(arrays, jax.tree.map(jnp.asarray, state), controls, draws, expected)
    return found


# Turns are written several times, alone and side by side, with arrays of the same shapes: simulations once.
_simulated = jit(simulate_lanes)


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
