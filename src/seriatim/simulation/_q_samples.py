"""Q-factors by simulation: what joint controls at a state cost, sample by sample.

Two random things are shared by all joint controls of a call: the disturbance of each sample and stage, and the key that
the base policy is given there. Differences between joint controls are then paired, and far less noisy than the costs
themselves.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from seriatim._compile import jit
from seriatim._mapping import split, two_ways
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
    """Simulate at one state; mapped over states, simulate at all of them together, lanes last."""
    settings, whole = split((model, policies, simulation))
    of_state, state_whole = split((jax.tree.map(jnp.asarray, state), controls, noise, expected))
    shared, samples = len(settings), noise.policy_keys.size

    def alone(arrays: Sequence[Any]) -> Costs:
        one_state = state_whole([array[None] for array in arrays[shared:]])
        found: Costs = jax.tree.map(lambda leaf: leaf[0], _simulated(*whole(list(arrays[:shared])), *one_state))
        return found

    def mapped(count: int, which: list[bool], arrays: Sequence[Any]) -> Costs:
        each = [
            array if here else jnp.broadcast_to(array, (count, *jnp.shape(array)))
            for array, here in zip(arrays[shared:], which[shared:], strict=True)
        ]
        if not any(which[:shared]):
            return _simulated(*whole(list(arrays[:shared])), *state_whole(each))
        # Models that differ too: nothing is shared, and lanes have nothing to gain.
        axes = [*(0 if here else None for here in which[:shared]), *[0] * len(each)]
        costs: Costs = jax.vmap(lambda *given: alone(given), axes)(*arrays[:shared], *each)
        return costs

    like = Costs(_shaped((controls.shape[0], samples), float), _shaped(controls.shape[:1], jnp.int32))  # type: ignore[arg-type]
    costs: Costs = two_ways(alone, mapped, [*settings, *of_state], like)
    return costs


def _shaped(shape: tuple[int, ...], kind: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jax.dtypes.canonicalize_dtype(kind))
