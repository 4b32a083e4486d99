"""Policy classifiers and value networks: approximations of a policy and of its cost-to-go, told features of the state.

    u_i = argmax_u  logit_u(features_i(x)),          J(x) = centre + spread * head(max_i h_i, mean_i h_i),
    h_i = relu(W_l ... relu(W_1 features_i(x)))

All agents share the weights unless they are told to differ, so experience with one serves all; the value pools agents,
whose order and number then do not matter. A classifier decides for all agents at once: m evaluations of a small
network, no simulation.

*Features* are the numbers that networks are told of a state on behalf of each agent. A model may define
features of its own. For other models the whole state is told as it is, with the agent's number: for small problems.

Sources: M. Lagoudakis, R. Parr, Reinforcement Learning as Classification: Leveraging Modern Classifiers, ICML 2003;
D. Bertsekas, Feature-Based Aggregation and Deep Reinforcement Learning, 2018, for the role of features.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from seriatim import _optional
from seriatim._errors import InputError
from seriatim._preconditions import require_key, require_model
from seriatim._record import record, static
from seriatim._wrapped_model import WrappedModel, passed_on
from seriatim.model import Key, Model, State
from seriatim.networks._decentralised import (
    DecentralisedPolicy,
    check_sizes,
    decentralised_policy,
    network_policy,
    what_one_sees,
)
from seriatim.networks._network import Encoder, layers_of, through


@record
class Featured(WrappedModel):
    """A model whose agents are told features of the whole state, in place of what they see by themselves.

    Attributes:
        model: says what the features are: by `features(state, agent)`; else by `agent_observations(state)`; else they
            are all numbers of the state, and a one for the agent's own number.

    Raises:
        InputError: the model cannot work.
    """

    model: Model

    lanes_last = passed_on()
    initial_state = passed_on()
    control_mask = passed_on()
    transition = passed_on()
    feasible = passed_on()
    nominal_disturbance = passed_on()
    base_policy = passed_on()

    def __post_init__(self) -> None:
        require_model(self.model, starts=True)

    def agent_observations(self, state: State) -> Any:
        """Return the features of each agent: arrays `[m, k]`, or `seriatim.Features` with a leading axis `m`."""
        told, seen = _optional.features(self.model), _optional.agent_observations(self.model)
        if told is not None:
            return jax.vmap(told, (None, 0))(state, jnp.arange(self.num_agents))
        if seen is not None:
            return seen(state)
        everything = jnp.concatenate([jnp.ravel(leaf).astype(float) for leaf in jax.tree.leaves(state)])
        m = self.num_agents
        return jnp.concatenate([jnp.broadcast_to(everything, (m, everything.size)), jnp.eye(m)], axis=1)


def policy_classifier(
    model: Model,
    key: Key,
    *,
    hidden: tuple[int, ...] = (64, 64),
    entities: int = 32,
    shared: bool = True,
    network: Any = None,
) -> DecentralisedPolicy:
    """Make an untrained classifier of controls: from features of the state to each agent's likeliest control.

    Args:
        model: its `features(state, agent)` are what the network is told; without them see `Featured`.
        key: decides the first parameters.
        hidden: sizes of the layers.
        entities: size of the vector that pools entities, where the features have any.
        shared: whether all agents have the same parameters.
        network: your own instead, from features to logits `[c]`; a pytree whose arrays are trained.

    Raises:
        InputError: a size is out of range, or the network does not return what it should.
    """
    require_key(key)
    told = Featured(model)
    if network is not None:
        return network_policy(told, network, greedy=True)
    return decentralised_policy(told, key, hidden=hidden, entities=entities, shared=shared, greedy=True)


class TeamNetwork(eqx.Module):
    """A function from all agents' features, `[m, ...]`, to one number."""

    encoder: Encoder
    layers: tuple[eqx.nn.Linear, ...]
    head: eqx.nn.MLP
    centre: Float[Array, ""]
    spread: Float[Array, ""]

    def __init__(self, told: Any, hidden: tuple[int, ...], key: Key, entities: int = 32) -> None:
        keys = jax.random.split(key, len(hidden) + 2)
        self.encoder = Encoder(told, entities, keys[0])
        sizes = (self.encoder.size, *hidden)
        self.layers = layers_of(sizes, keys[2:])
        self.head = eqx.nn.MLP(2 * sizes[-1], "scalar", sizes[-1], 1, key=keys[1])
        self.centre, self.spread = jnp.zeros(()), jnp.ones(())

    def __call__(self, told: Any) -> Float[Array, ""]:
        """Return the value."""
        each = jax.vmap(lambda one: through(self.layers, self.encoder(one)))(told)
        pooled = jnp.concatenate([jnp.max(each, axis=0), jnp.mean(each, axis=0)])
        centre, spread = jax.lax.stop_gradient((self.centre, self.spread))
        value: Float[Array, ""] = centre + spread * self.head(pooled)
        return value


@record
class NetworkValue:
    """A network as a `Value`: an estimate of the cost-to-go, in the units of the stage cost.

    Attributes:
        model: says what the network is told of each agent.
        parameters: the arrays of the network.
        structure: all else of it; called as `network(told [m, ...]) -> cost-to-go`.
    """

    model: Featured
    parameters: Any
    structure: Any = static()

    def __call__(self, info: State) -> Float[Array, ""]:
        """Return the estimate."""
        return jnp.asarray(eqx.combine(self.parameters, self.structure)(self.model.agent_observations(info)), float)


def value_network(
    model: Model, key: Key, *, hidden: tuple[int, ...] = (64, 64), entities: int = 32, network: Any = None
) -> NetworkValue:
    """Make an untrained value network.

    Args:
        model: as in `policy_classifier`.
        key: decides the first parameters.
        hidden: sizes of the layers of each agent.
        entities: size of the vector that pools entities.
        network: your own instead, from the features of all agents, with a leading axis `m`, to a number.

    Raises:
        InputError: a size is out of range, or the network does not return one number.
    """
    require_key(key)
    featured = Featured(model)
    check_sizes(hidden, entities)
    if network is None:
        network = TeamNetwork(what_one_sees(featured), tuple(hidden), key, entities)
    parameters, structure = eqx.partition(network, eqx.is_array)
    value = NetworkValue(featured, parameters, structure)
    state = jax.eval_shape(model.initial_state, jax.random.key(0))
    try:
        shape = jax.eval_shape(value, state).shape
    except (TypeError, ValueError) as error:
        raise InputError(f"the value network cannot be called on the features of all agents: {error}") from error
    if shape != ():
        raise InputError(f"the value network returns shape {shape}; let it return one number.")
    return value
