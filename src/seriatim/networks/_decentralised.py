"""Decentralised policies: every agent chooses from what it sees and remembers, and from nothing else.

    u_i ~ softmax(logits_i),   logits_i, h_i' = network(o_i(x), h_i),        agents draw independently of one another.

The team's control is then a product of the agents' choices: nobody waits, nobody communicates. A policy drawn from
(`greedy=False`) has a differentiable chance of every control, which is what a gradient needs, and leaves the loops in
which agents that see the same thing again and again are caught.

Inadmissible controls have probability zero. The mask comes from the state: that a wall stops a move is known to the
agent that would make it.

Source: L. Peshkin, K.-E. Kim, N. Meuleau, L. Kaelbling, Learning to Cooperate via Policy Search, UAI 2000.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from seriatim import _optional, distributions
from seriatim._errors import InputError
from seriatim._numbers import is_whole
from seriatim._preconditions import require_key
from seriatim._record import record, static
from seriatim.model import DecentralisedModel, Key, State
from seriatim.networks._network import AgentNetwork, Memoryless


@record
class DecentralisedPolicy:
    """A team of networks as a policy: each sees one agent's observation. Made by `decentralised_policy`.

    It is a `Policy` of the model's states, so it can be the base of a rollout or a signal; one that remembers is a
    policy of the states of `WithMemory(model, policy)`.

    Attributes:
        model: says what each agent sees.
        parameters: the arrays of the networks; with a leading axis `m` where every agent has its own.
        structure: all else of a network: `eqx.combine(parameters, structure)` is one, called as
            `network(observation [k], memory [h]) -> (logits [c], memory [h])`.
        memory: h, how many numbers an agent remembers; 0: it decides on what it sees now.
        shared: whether all agents have the same parameters.
        greedy: whether an agent takes its likeliest control instead of drawing one.
    """

    model: DecentralisedModel
    parameters: Any
    structure: Any = static()
    memory: int = static(default=0)
    shared: bool = static(default=True)
    greedy: bool = static(default=False)

    def __call__(self, info: State, key: Key) -> Int[Array, " m"]:
        """Draw each agent's control, or take the likeliest."""
        logits, _ = self.logits(*self.split(info))
        return jnp.argmax(logits, axis=-1) if self.greedy else distributions.gumbel_max(logits, key)

    def split(self, info: State) -> tuple[State, Float[Array, "m h"]]:
        """Return the model's state and the agents' memories.

        Raises:
            InputError: the agents remember, and the state holds no memories.
        """
        if not self.memory:
            return info, self.blank()
        if not hasattr(info, "memory") or not hasattr(info, "state"):
            raise InputError(
                f"the policy's agents remember, and {type(info).__name__} is a state without memories; let it play "
                "WithMemory(model, policy) in place of the model."
            )
        return info.state, info.memory

    def blank(self) -> Float[Array, "m h"]:
        """Return what agents remember at the start: nothing."""
        return jnp.zeros((self.model.num_agents, self.memory))

    def logits(self, state: State, memory: Float[Array, "m h"]) -> tuple[Float[Array, "m c"], Float[Array, "m h"]]:
        """Return the logits of all agents, `-inf` where inadmissible, and what they then remember."""
        logits, memory = self.propose(self.model.agent_observations(state), memory)
        return distributions.masked(logits, self.model.control_mask(state)), memory

    def propose(
        self, observations: Any, memory: Float[Array, "m h"]
    ) -> tuple[Float[Array, "m c"], Float[Array, "m h"]]:
        """Ask the networks, which know nothing of masks."""
        own = None if self.shared else 0

        def one(parameters: Any, *seen: Any) -> tuple[Float[Array, " c"], Float[Array, " h"]]:
            logits, memory = eqx.combine(parameters, self.structure)(*seen)
            return logits, memory

        return jax.vmap(one, in_axes=(own, 0, 0))(self.parameters, observations, memory)


def decentralised_policy(
    model: DecentralisedModel,
    key: Key,
    *,
    hidden: tuple[int, ...] = (64, 64),
    memory: int = 0,
    shared: bool = True,
    greedy: bool = False,
    entities: int = 32,
) -> DecentralisedPolicy:
    """Make a policy of untrained networks, which tries all controls about alike.

    Args:
        model: says what each agent sees (`agent_observations`).
        key: decides the first parameters.
        hidden: sizes of the layers, each at least 1.
        memory: size of each agent's memory, a gated recurrent unit; 0 is none.
        shared: whether all agents have the same parameters; they then learn from one another's experience, and differ
            only by what they see.
        greedy: whether the policy takes the likeliest controls instead of drawing.
        entities: size of the vector that pools entities, where agents are told of any (`seriatim.Features`).

    Raises:
        InputError: the model does not say what agents see, or a size is out of range.
    """
    require_key(key)
    told = what_one_sees(model)
    check_sizes(hidden, entities)
    if not is_whole(memory, 0):
        raise InputError(f"memory={memory}: give 0 for agents without a memory, or its size, such as 32.")

    def make(key: Key) -> AgentNetwork:
        return AgentNetwork(told, model.num_controls, tuple(hidden), memory, key, entities)

    network = make(key) if shared else eqx.filter_vmap(make)(jax.random.split(key, model.num_agents))
    return _policy(model, network, memory, shared, greedy)


def network_policy(
    model: DecentralisedModel, network: Any, *, memory: int = 0, greedy: bool = False
) -> DecentralisedPolicy:
    """Make a policy of your own network, whose parameters all agents share.

    Args:
        model: says what each agent sees.
        network: an `equinox.Module`, or any pytree that can be called: from an observation `[k]` to logits `[c]`; with
            a memory, from `(observation [k], memory [h])` to `(logits [c], memory [h])`. Its arrays are trained.
        memory: h; 0 is none.
        greedy: whether the policy takes the likeliest controls instead of drawing.

    Raises:
        InputError: the model does not say what agents see, or the network does not return what it should.
    """
    told = what_one_sees(model)
    made = _policy(model, network if memory else Memoryless(network), memory, True, greedy)
    everybody = jax.tree.map(lambda x: jax.ShapeDtypeStruct((model.num_agents, *x.shape), x.dtype), told)
    try:
        found = jax.eval_shape(made.propose, everybody, made.blank())
        shapes = jax.tree.map(jnp.shape, found)
    except (TypeError, ValueError) as error:
        seen = ", ".join(str(list(x.shape)) for x in jax.tree.leaves(told))
        raise InputError(f"the network cannot be called on an observation of shape {seen}: {error}") from error
    expected = ((model.num_agents, model.num_controls), (model.num_agents, memory))
    if shapes != expected:
        raise InputError(
            f"the network of all agents returns shapes {shapes}; expected {expected}: a logit for each control, and "
            "the memory, of the size it came in."
        )
    return made


def what_one_sees(model: Any) -> Any:
    """Return the shapes of what one agent sees.

    Raises:
        InputError: the model does not say.
    """
    if _optional.agent_observations(model) is None:
        raise InputError(
            f"{type(model).__name__} does not say what each agent sees; give it a method "
            "agent_observations(state) -> [m, k]."
        )
    state = jax.eval_shape(model.initial_state, jax.random.key(0))
    seen = jax.eval_shape(model.agent_observations, state)
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), seen)


def check_sizes(hidden: Any, entities: Any) -> None:
    """Refuse layers without units.

    Raises:
        InputError: there is one.
    """
    if not isinstance(hidden, tuple | list) or not all(is_whole(size, 1) for size in hidden):
        raise InputError(
            f"hidden={hidden}: a layer needs at least 1 unit; give a tuple of positive whole numbers, such as (64, 64)."
        )
    if not is_whole(entities, 1):
        raise InputError(f"entities={entities}: give the size of a vector, a positive whole number.")


def _policy(model: DecentralisedModel, network: Any, memory: int, shared: bool, greedy: bool) -> DecentralisedPolicy:
    parameters, structure = eqx.partition(network, eqx.is_array)
    return DecentralisedPolicy(model, parameters, structure, memory, shared, greedy)
