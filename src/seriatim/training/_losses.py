"""Losses by which classifiers and value networks are fitted.

The classifier's loss at a state is the cross-entropy to each agent's target, weighed by how sure the label is,

    sum_i w_i sum_u -p_i(u) log softmax(logits_i)(u),       w_i = least + (1 - least) confidence_i.

Targets are the controls chosen, p_i = 1 at u_i; or soft, p_i = softmax(-(Q_i - min Q_i) / t), which says how little
harm the second best does; t is in cost units. A close call weighs less, as either choice is as good; it keeps some
weight, because among equals the base policy's control is chosen, and that is worth imitating.

The value's loss is half the squared error, in units of the spread of the costs. Masked controls have no part.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from seriatim._record import with_fields
from seriatim.networks._classifier import NetworkValue
from seriatim.networks._decentralised import DecentralisedPolicy
from seriatim.networks._partition import PartitionedPolicy
from seriatim.training._labels import Labels, confidence

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
    """Return what the classifier's probabilities should be."""
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
