"""The engine: what planners ask for the costs of joint controls at one state.

This is the one seam between planners and machines. A planner asks which joint controls to simulate (`Ask`) and is told
what they cost, sample by sample (`Costs`), all under the same noise. It knows nothing of how that is done. The compiled
engine here writes simulations into the program that is being compiled; another one may send them to simulators in
other processes.
"""

from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from seriatim import _optional
from seriatim.model import Key, Model, State
from seriatim.policy import Policy
from seriatim.simulation._expectation import expected_costs
from seriatim.simulation._futures import Costs
from seriatim.simulation._noise import Noise, noise_of, of_samples, reordered, worth_sorting
from seriatim.simulation._q_samples import sampled_costs
from seriatim.simulation._settings import Simulation, tail_bound, weight_cut_off

E = TypeVar("E")


class Ask(NamedTuple):
    """Joint controls whose costs a planner asks for.

    Attributes:
        controls: `[n, m]`.
        samples: consecutive ones of `0 .. num_samples - 1`; None is all of them. A sample is the same in whatever ask.
        like: about what the joint controls will cost, all samples; a hint that changes no number.
        needed: False where nobody looks at the answer; nothing is then simulated, and the costs are 0. Over a batch of
            states nothing is simulated where it is False at all of them.
        is_reference: whether the one joint control is what all later ones are compared with, on all samples. The engine
            may then put the samples into another order, from this answer on.
    """

    controls: Int[Array, "n m"]
    samples: range | None = None
    like: Float[Array, " samples"] | None = None
    needed: Bool[Array, ""] | None = None
    is_reference: bool = False


@runtime_checkable
class Answering(Protocol):
    """Whatever answers asks. It is a value: what it learns from one ask is in the one that it returns."""

    def answer(self: E, ask: Ask) -> tuple[Costs, E]:
        """Return the costs, `[n, samples]`, and the engine for the next ask."""
        ...


@runtime_checkable
class Engine(Answering, Protocol):
    """What a planner may ask at its state."""

    @property
    def num_agents(self) -> int:
        """The number of agents, m."""
        ...

    @property
    def num_controls(self) -> int:
        """The number of controls of one agent, c."""
        ...

    def control_mask(self) -> Bool[Array, "m c"]:
        """Say which controls each agent may choose."""
        ...

    def allowed(self, controls: Int[Array, "n m"]) -> Bool[Array, " n"]:
        """Say which joint controls are admissible for each agent and feasible for the team."""
        ...

    def is_exact(self) -> bool:
        """Say whether costs are expectations, without an error."""
        ...

    def tail(self) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Return the weight of what follows a future that was cut off, and the most that it can cost."""
        ...


class CompiledEngine(NamedTuple):
    """The engine for models that are pure JAX functions: simulations become part of the program that asks for them.

    `policies` play stages 1, 2, ...; `noise` is None where expectations are exact, and `key` is then the base policy's.
    """

    model: Model
    policies: tuple[Policy, ...]
    simulation: Simulation
    state: State
    key: Key
    noise: Noise | None

    @property
    def num_agents(self) -> int:
        return self.model.num_agents

    @property
    def num_controls(self) -> int:
        return self.model.num_controls

    def control_mask(self) -> Bool[Array, "m c"]:
        return self.model.control_mask(self.state)

    def allowed(self, controls: Int[Array, "n m"]) -> Bool[Array, " n"]:
        return jax.vmap(lambda u: _optional.is_allowed(self.model, self.state, u))(controls)

    def answer(self, ask: Ask) -> tuple[Costs, "CompiledEngine"]:
        if ask.needed is None:
            found = self._simulated(ask)
        else:
            nothing = NothingSimulated(self._num_samples()).answer(ask)[0]
            found = jax.lax.cond(anywhere(ask.needed), lambda: self._simulated(ask), lambda: nothing)
        if ask.is_reference and self.noise is not None and worth_sorting(found.costs.shape[1]):
            order = jnp.argsort(found.costs[0])
            return found._replace(costs=found.costs[:, order]), self._replace(noise=reordered(self.noise, order))
        return found, self

    def is_exact(self) -> bool:
        return self.simulation.expectation == "exact"

    def tail(self) -> tuple[Float[Array, ""], Float[Array, ""]]:
        return weight_cut_off(self.simulation, self.model), tail_bound(self.simulation, self.model)

    def _num_samples(self) -> int:
        return 1 if self.noise is None else self.noise.policy_keys.size

    def _simulated(self, ask: Ask) -> Costs:
        given = (self.model, self.policies, self.simulation, self.state, ask.controls)
        if self.noise is None:
            costs = expected_costs(*given, self.key)
            return Costs(costs, jnp.zeros(ask.controls.shape[0], jnp.int32))
        expected = None
        if ask.like is not None:
            expected = jnp.mean(ask.like.reshape(self.noise.policy_keys.shape[0], -1), axis=1)
        noise = self.noise if ask.samples is None else of_samples(self.noise, ask.samples)
        return sampled_costs(*given, noise, expected)


def compiled_engine(
    model: Model,
    policies: tuple[Policy, ...],
    simulation: Simulation,
    state: State,
    key: Key,
    *,
    asks_often: bool = True,
) -> CompiledEngine:
    """Return the engine at a state; for many asks it draws disturbances beforehand."""
    noise = None if simulation.expectation == "exact" else noise_of(model, simulation, key, beforehand=asks_often)
    return CompiledEngine(model, policies, simulation, state, key, noise)


class NothingSimulated(NamedTuple):
    """Answers every ask with costs of 0, where it is known that nobody looks at them."""

    samples: int

    def answer(self, ask: Ask) -> tuple[Costs, "NothingSimulated"]:
        count, samples = len(ask.controls), self.samples if ask.samples is None else len(ask.samples)
        return Costs(jnp.zeros((count, samples), float), jnp.zeros(count, jnp.int32)), self


@jax.custom_batching.custom_vmap
def anywhere(here: Bool[Array, ""]) -> Bool[Array, ""]:
    """Say whether something is so; over a batch of states, whether it is so at any of them.

    One answer for the batch keeps `cond` a branch. With an answer for each state, JAX would take both branches.
    """
    return here


@anywhere.def_vmap
def _(count: int, mapped: list[bool], here: Bool[Array, " states"]) -> tuple[Bool[Array, ""], bool]:
    del count, mapped
    return jnp.any(here), False
