"""The partitioned architecture: regions of the state space, each with networks of its own.

    mu(x) = mu_{r(x)}(x),      J(x) = J_{r(x)}(x),      r: state -> 0 .. R-1

The right controls of different situations may have little in common (many sites are damaged, or the last few). Small
networks that know one situation each then learn more from the same data than one large network, and are trained at the
same time. A truncated rollout that leaves its region ends with the value of the region it has come to.

Regions are a function of the state: one of your own, or clusters of the networks' features (`clusters`).

Source: S. Bhattacharya, S. Badyal, T. Wheeler, S. Gil, D. Bertsekas, Reinforcement Learning for POMDP: Partitioned
Rollout and Policy Iteration with Application to Autonomous Sequential Repair Problems, IEEE RA-L 2020.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.cluster.vq
from jaxtyping import Array, Float, Int

from seriatim._arguments import require_callable, require_whole
from seriatim._errors import InputError
from seriatim._preconditions import require_key
from seriatim._record import record, with_fields
from seriatim.model import Features, Key, Model, State
from seriatim.networks._classifier import Featured, NetworkValue
from seriatim.networks._decentralised import DecentralisedPolicy

# From a state to the number of its region.
Region = Callable[[Any], Any]


@record
class PartitionedPolicy:
    """One policy network for each region. Made by `partitioned`.

    Attributes:
        region: from a state to the number of its region; a record, whose arrays are data, or a function.
        policy: the networks of one region; its own parameters are not used.
        parameters: of all regions, with a leading axis R.
    """

    region: Region
    policy: DecentralisedPolicy
    parameters: Any

    def __call__(self, info: State, key: Key) -> Int[Array, " m"]:
        """Ask the networks of the state's region."""
        control: Int[Array, " m"] = _of_region(self, self.policy, info, lambda policy: policy(info, key))
        return control

    def blank(self) -> Float[Array, "m h"]:
        """Return the agents' memories at the start."""
        return self.policy.blank()

    def logits(self, state: State, memory: Float[Array, "m h"]) -> tuple[Float[Array, "m c"], Float[Array, "m h"]]:
        """Return the logits of the networks of the state's region."""
        found: tuple[Float[Array, "m c"], Float[Array, "m h"]] = _of_region(
            self, self.policy, state, lambda policy: policy.logits(state, memory)
        )
        return found


@record
class PartitionedValue:
    """One value network for each region. Made by `partitioned`; attributes as of `PartitionedPolicy`."""

    region: Region
    value: NetworkValue
    parameters: Any

    def __call__(self, info: State) -> Float[Array, ""]:
        """Return the estimate of the state's region."""
        found: Float[Array, ""] = _of_region(self, self.value, info, lambda value: value(info))
        return found


def partitioned(
    networks: DecentralisedPolicy | NetworkValue, region: Region, num_regions: int
) -> PartitionedPolicy | PartitionedValue:
    """Give each region networks of its own, all starting at the same parameters.

    Args:
        networks: of one region.
        region: from a state to the number of its region, 0 .. num_regions - 1; others are taken for the nearest.
        num_regions: R.

    Raises:
        InputError: there is no region, or `region` does not return one number.
    """
    if not isinstance(networks, DecentralisedPolicy | NetworkValue):
        raise InputError(
            f"networks is a {type(networks).__name__}; give what policy_classifier or value_network returns."
        )
    require_whole("num_regions", num_regions)
    require_callable("region", region, "a function of a state that returns the number of its region", 1)
    state = jax.eval_shape(networks.model.initial_state, jax.random.key(0))
    number = jax.eval_shape(region, state)
    if getattr(number, "shape", None) != () or not jnp.issubdtype(number.dtype, jnp.integer):
        raise InputError(f"region returns {number} for a state; let it return one whole number, the region's.")
    parameters = jax.tree.map(lambda leaf: jnp.stack([leaf] * num_regions), networks.parameters)
    if isinstance(networks, NetworkValue):
        return PartitionedValue(region, networks, parameters)
    return PartitionedPolicy(region, networks, parameters)


def regions_of(networks: PartitionedPolicy | PartitionedValue, states: State) -> Int[Array, " n"]:
    """Return the regions of many states, leading axis."""
    last = jax.tree.leaves(networks.parameters)[0].shape[0] - 1
    return jax.vmap(lambda state: jnp.clip(networks.region(state), 0, last))(states)


def _of_region(partition: Any, networks: Any, state: State, ask: Callable[[Any], Any]) -> Any:
    """Ask the networks of the state's region; only those, where there is one state."""
    count = jax.tree.leaves(partition.parameters)[0].shape[0]

    def branch(number: int) -> Callable[[], Any]:
        own = jax.tree.map(lambda leaf: leaf[number], partition.parameters)
        return lambda: ask(with_fields(networks, parameters=own))

    return jax.lax.switch(jnp.asarray(partition.region(state), jnp.int32), [branch(number) for number in range(count)])


@record
class NearestCentre:
    """The region whose centre is nearest to the features of the state, in units of its spread.

    Attributes:
        model: says what that is: the mean over agents, and over the entities of each.
        centres: `[R, k]`.
        spread: `[k]`.
    """

    model: Featured
    centres: Float[Array, "R k"]
    spread: Float[Array, " k"]

    def __call__(self, info: State) -> Int[Array, ""]:
        """Return the number of the region."""
        away = (_summary(self.model, info) / self.spread - self.centres) ** 2
        return jnp.argmin(jnp.sum(away, axis=1)).astype(jnp.int32)


def clusters(model: Model, states: State, num_regions: int, key: Key) -> NearestCentre:
    """Learn regions from states: k-means of their features.

    Args:
        model: as in `policy_classifier`.
        states: stacked, such as `visited` returns; at least as many as regions.
        num_regions: R.
        key: decides the first centres.

    Raises:
        InputError: there are fewer states than regions, or no region.
    """
    require_key(key)
    featured = Featured(model)
    told = np.asarray(jax.vmap(lambda state: _summary(featured, state))(states), float)
    if not 1 <= num_regions <= len(told):
        raise InputError(f"num_regions={num_regions}: give from 1 up to as many regions as states, {len(told)}.")
    spread = np.where(told.std(axis=0) > 0, told.std(axis=0), 1.0)
    seed = int(jax.random.randint(key, (), 0, np.iinfo(np.int32).max))
    centres, _ = scipy.cluster.vq.kmeans2(told / spread, num_regions, seed=seed, minit="++")
    return NearestCentre(featured, jnp.asarray(centres, float), jnp.asarray(spread, float))


def _summary(model: Featured, state: State) -> Float[Array, " k"]:
    told = model.agent_observations(state)
    if not isinstance(told, Features):
        return jnp.mean(jnp.asarray(told, float), axis=0)
    there = told.present[..., None]
    entities = jnp.sum(jnp.where(there, told.entities, 0.0), axis=(0, 1)) / jnp.maximum(1, jnp.sum(there))
    return jnp.concatenate([jnp.mean(told.own, axis=0), entities])
