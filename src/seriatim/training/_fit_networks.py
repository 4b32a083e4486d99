"""Fitting a policy or a value: of one network, or of one for each region, regions side by side.

The classifier's loss at a state is the cross-entropy to each agent's target, weighed by how sure the label is,

    sum_i w_i sum_u -p_i(u) log softmax(logits_i)(u),       w_i = least + (1 - least) confidence_i.

Targets are the controls chosen, p_i = 1 at u_i; or soft, p_i = softmax(-(Q_i - min Q_i) / t), which says how little
harm the second best does; t is in cost units. A close call weighs less, as either choice is as good; it keeps some
weight, because among equals the base policy's control is chosen, and that is worth imitating.

The value's loss is half the squared error, in units of the spread of the costs. Masked controls have no part.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from seriatim._preconditions import require_key
from seriatim._record import with_fields
from seriatim.model import Key, State
from seriatim.networks._classifier import NetworkValue, TeamNetwork
from seriatim.networks._decentralised import DecentralisedPolicy
from seriatim.networks._network import standardised
from seriatim.networks._partition import PartitionedPolicy, PartitionedValue, regions_of
from seriatim.parallel import Backend, over_keys
from seriatim.training._fit import Fitting, Loss, fit
from seriatim.training._labels import Labels, confidence

Networks: TypeAlias = DecentralisedPolicy | NetworkValue | PartitionedPolicy | PartitionedValue


def fit_networks(
    networks: Networks,
    loss: Callable[[Any], Loss],
    rows: Any,
    states: State,
    chance: Float[Array, " n"],
    key: Key,
    fitting: Fitting,
    *,
    on: Backend | None = None,
) -> tuple[Any, Float[Array, ""]]:
    """Fit networks to rows, starting at their parameters.

    Args:
        networks: the policy or value.
        loss: from the networks of one region to their loss.
        rows: the data.
        states: of the rows; they say to whose region each belongs.
        chance: how often each row is drawn, relative to the others.
        key: decides which rows are drawn.
        fitting: how.
        on: who fits the networks of different regions; by default all cores of this process.

    Returns:
        The parameters, and the mean loss over the last steps.
    """
    require_key(key)
    if not isinstance(networks, PartitionedPolicy | PartitionedValue):
        return fit(loss(networks), networks.parameters, rows, chance, key, fitting)
    regions = regions_of(networks, states)
    count = jax.tree.leaves(networks.parameters)[0].shape[0]
    numbers = jnp.arange(count)
    parameters, losses = over_keys(
        _fit_region,
        jax.vmap(lambda number: jax.random.fold_in(key, number))(numbers),
        shared=(loss(of_one_region(networks)), rows, regions, chance, fitting),
        inputs=(numbers, networks.parameters),
        part=1,
        on=on,
    )
    share = jax.ops.segment_sum(chance, regions, count)
    return parameters, jnp.sum(losses * share) / jnp.maximum(jnp.sum(share), 1e-12)


def _fit_region(shared: Any, inputs: Any, keys: Key) -> Any:
    """Fit the networks of one region to its own rows, as one worker."""
    loss, rows, regions, chance, fitting = shared
    number, parameters = jax.tree.map(lambda leaf: leaf[0], inputs)
    fitted = fit(loss, parameters, rows, jnp.where(regions == number, chance, 0.0), keys[0], fitting)
    return jax.tree.map(lambda leaf: leaf[None], fitted)


def of_one_region(networks: Networks) -> DecentralisedPolicy | NetworkValue:
    """Return the networks of one region, as they were before they were given to all."""
    if isinstance(networks, PartitionedPolicy):
        return networks.policy
    return networks.value if isinstance(networks, PartitionedValue) else networks


def standardised_to(networks: Networks, states: State) -> Any:
    """Return the parameters, with centre and spread of the features of such states."""
    one = of_one_region(networks)
    told = jax.vmap(one.model.agent_observations)(states)
    return _in_every_region(networks, lambda network: standardised(network, told))


def scaled_to(value: NetworkValue | PartitionedValue, costs: Float[Array, " n"]) -> Any:
    """Return the parameters, the default network's with centre and spread of the costs."""

    def scaled(network: Any) -> Any:
        if not isinstance(network, TeamNetwork):
            return network
        spread = jnp.maximum(jnp.std(costs), 1e-6)
        return eqx.tree_at(lambda n: (n.centre, n.spread), network, (jnp.mean(costs), spread))

    return _in_every_region(value, scaled)


def _in_every_region(networks: Networks, change: Callable[[Any], Any]) -> Any:
    one = of_one_region(networks)

    def changed(parameters: Any) -> Any:
        return eqx.partition(change(eqx.combine(parameters, one.structure)), eqx.is_array)[0]

    if isinstance(networks, PartitionedPolicy | PartitionedValue):
        return jax.vmap(changed)(networks.parameters)
    return changed(networks.parameters)


# The weight of a label of which nothing is sure, beside that of one which is.
LEAST_WEIGHT = 0.1


def classifier_loss(
    policy: DecentralisedPolicy, temperature: Float[Array, ""] | float, parameters: Any, labels: Labels
) -> Float[Array, " batch"]:
    """Return the loss at each state; `temperature` 0 asks for the controls chosen."""
    logits = jax.vmap(_logits(policy, parameters))(labels.states)
    log_p = jnp.where(jnp.isfinite(logits), jax.nn.log_softmax(logits), 0.0)
    target = targets(labels, temperature)
    weight = LEAST_WEIGHT + (1 - LEAST_WEIGHT) * confidence(labels)
    # Agents without a choice teach nothing.
    free = jnp.sum(jnp.isfinite(logits), axis=-1) > 1
    loss: Float[Array, " batch"] = -jnp.sum(jnp.where(free, weight, 0.0)[..., None] * target * log_p, axis=(-2, -1))
    return loss


def targets(labels: Labels, temperature: Float[Array, ""] | float) -> Float[Array, "batch m c"]:
    """Return the probabilities that the classifier should have."""
    soft = jax.nn.softmax(-labels.excess / jnp.maximum(temperature, 1e-12), where=labels.compared)
    return jnp.where(temperature > 0, soft, jax.nn.one_hot(labels.control, labels.excess.shape[-1]))


def agreement(policy: DecentralisedPolicy | PartitionedPolicy, labels: Labels) -> Float[Array, ""]:
    """Return the share of agents' choices that are those of the labels, weighed by how sure they are."""
    logits = jax.vmap(_logits(policy, policy.parameters))(labels.states)
    weight = confidence(labels)
    right = jnp.argmax(logits, axis=-1) == labels.control
    return jnp.sum(weight * right) / jnp.maximum(jnp.sum(weight), 1e-12)


def _logits(policy: DecentralisedPolicy | PartitionedPolicy, parameters: Any) -> Any:
    return lambda state: with_fields(policy, parameters=parameters).logits(state, policy.blank())[0]


def value_loss(value: NetworkValue, parameters: Any, rows: Any) -> Float[Array, " batch"]:
    """Return the loss of each pair of a state and the cost from there."""
    states, costs = rows
    network = with_fields(value, parameters=parameters)
    spread = jax.lax.stop_gradient(getattr(eqx.combine(parameters, value.structure), "spread", jnp.ones(())))
    error: Float[Array, " batch"] = (jax.vmap(network)(states) - costs) / spread
    return 0.5 * error**2
