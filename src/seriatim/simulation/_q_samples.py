"""Q-factors by simulation: what joint controls at a state cost, sample by sample.

Two random things are shared by all joint controls of a call: the disturbance of each sample and stage, and the key that
the base policy is given there. Differences between joint controls are then paired, and far less noisy than the costs
themselves.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from seriatim._compile import as_called, jit, split
from seriatim.model import Key, Model, State
from seriatim.policy import Policy
from seriatim.simulation._expectation import expected_costs
from seriatim.simulation._futures import Costs, simulate_futures
from seriatim.simulation._noise import Noise, noise_of
from seriatim.simulation._settings import Simulation

# Lanes (joint controls x samples) simulated side by side; more are taken in turns, which bounds the memory.
MAX_LANES = 2**16


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
        controls: the joint controls.
        key: decides all that is random; the same key gives every joint control of every call the same disturbances.

    Raises:
        InputError: exact expectations or nominal disturbances are asked of a model that cannot give them.
    """
    if simulation.expectation == "exact":
        return expected_costs(model, policies, simulation, state, controls, key)
    return sampled_costs(model, policies, simulation, state, controls, noise_of(model, simulation, key)).costs


def sampled_costs(
    model: Model,
    policies: tuple[Policy, ...],
    simulation: Simulation,
    state: State,
    controls: Int[Array, "n m"],
    noise: Noise,
    expected: Float[Array, " blocks"] | None = None,
) -> Costs:
    """Simulate joint controls under some noise.

    `expected` is about what a joint control costs here, for each block of `noise`. It changes nothing; where much is
    simulated together, what costs about the same, and so may last about as long, is taken together.
    """
    width = max(1, MAX_LANES // noise.policy_keys.size)
    if controls.shape[0] <= width:
        return _at_one_state(model, policies, simulation, state, controls, noise, expected)

    def one(control: Int[Array, " m"]) -> Costs:
        return _at_one_state(model, policies, simulation, state, control[None], noise, expected)

    each: Costs = jax.lax.map(one, controls, batch_size=width)
    return Costs(each.costs[:, 0], each.truncated[:, 0])


# Turns are written several times, alone and side by side, with arrays of the same shapes: simulations once.
_simulated = jit(simulate_futures)


def _at_one_state(
    model: Model,
    policies: tuple[Policy, ...],
    simulation: Simulation,
    state: State,
    controls: Int[Array, "n m"],
    noise: Noise,
    expected: Float[Array, " blocks"] | None,
) -> Costs:
    """Simulate at one state; mapped over states, simulate at all of them together, lanes last.

    The rule for mapping may be applied long after this returns, inside another trace. So it is given every array as an
    argument and keeps none.
    """
    arrays, whole = split((model, policies, simulation))

    def many(arrays: Any, *given: Any) -> Costs:
        known, players, settings = whole(arrays)
        return _simulated(known, players, settings, *given)

    @jax.custom_batching.custom_vmap
    def one(arrays: Any, *state: Any) -> Costs:
        found: Costs = jax.tree.map(lambda leaf: leaf[0], many(arrays, *jax.tree.map(lambda x: x[None], state)))
        return found

    @one.def_vmap
    @as_called
    def _(count: int, mapped: Any, arrays: Any, *states: Any) -> tuple[Costs, Costs]:
        both: Any = Costs(True, True)  # type: ignore[arg-type]

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

    found: Costs = one(arrays, jax.tree.map(jnp.asarray, state), controls, noise, expected)
    return found
