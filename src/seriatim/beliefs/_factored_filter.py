"""Beliefs of independent sites, in closed form.

Where the hidden state consists of n sites that move independently, each a chain of l levels, and each is seen by
itself, the sites stay independent: a belief of l**n states is n distributions of l numbers,

    b_i'(k)  ~  L_i(k) sum_j P_i(j, k) b_i(j),

with L_i(k) the likelihood of what was seen of site i at level k: 1 for a site that was not looked at. Everything else
that moves (where the robots are) must be known to the team.

Source: S. Bhattacharya, S. Badyal, T. Wheeler, S. Gil and D. Bertsekas, Reinforcement Learning for POMDP: Partitioned
Rollout and Policy Iteration with Application to Autonomous Sequential Repair Problems, IEEE Robotics and Automation
Letters 5(3), 2020.
"""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from seriatim import _optional
from seriatim._errors import InputError
from seriatim._inverse import inverse
from seriatim._record import record
from seriatim.model import Key, Observation, ObservedModel, State


@runtime_checkable
class FactoredModel(ObservedModel, Protocol):
    """An observed model of independent sites.

    Laws: given what is known and the control, sites move and are seen independently of one another, as
    `site_transition` and `site_likelihood` say; what is known next is a function of what was known, the control and the
    observation. `observation_likelihood` is the product of the sites' likelihoods where the observation agrees with
    what is known of the state.

    Optional: `expected_cost(known, sites, control) -> Float[""]`, the expected stage cost when the sites have the
    distributions `sites`, `[n, l]`.
    """

    def split(self, state: State) -> tuple[Any, Int[Array, " n"]]:
        """Take a state apart: what is known, and the hidden level of each site."""
        ...

    def join(self, known: Any, levels: Int[Array, " n"]) -> State:
        """Put a state together: the inverse of `split`."""
        ...

    def initial_sites(self) -> Float[Array, "n l"]:
        """Return the distribution of each site's first level."""
        ...

    def site_transition(self, known: Any, control: Int[Array, " m"]) -> Float[Array, "n l l"]:
        """Return the probabilities of each site's next level, by its level; rows sum to one."""
        ...

    def next_known(self, known: Any, control: Int[Array, " m"], observation: Observation) -> Any:
        """Return what is known after the stage."""
        ...

    def site_likelihood(self, observation: Observation, known: Any, control: Int[Array, " m"]) -> Float[Array, "n l"]:
        """Return the probability of what was seen of each site, by its new level; 1 everywhere for a site not seen."""
        ...


@record
class FactoredBelief:
    """What is known for sure, and a distribution of each site's level, `[n, l]`."""

    known: Any
    sites: Float[Array, "n l"]


def require_belief(info: Any, who: str) -> None:
    """Refuse what is no belief, before a policy looks for what a state does not have.

    Raises:
        InputError: `info` is something else than a `FactoredBelief`.
    """
    if not isinstance(info, FactoredBelief):
        raise InputError(
            f"{who} is a policy of beliefs, and was given a {type(info).__name__}; plan and play the problem's "
            "belief_model(), or on_belief(policy) in a HiddenModel."
        )


@record
class FactoredFilter:
    """Bayes' rule for independent sites; a belief is a `FactoredBelief`.

    It is exact, for problems that do not end early or whose end tells nothing of the sites. A site whose observation is
    impossible under its belief keeps its prediction, as if it had not been seen.

    Attributes:
        model: what the filter believes of the world: a `FactoredModel`. Where the world is another, both must draw
            alike what is known at the start: the belief takes it from `model.initial_state(key)`.

    Raises:
        InputError: the model is not factored, or rows of its distributions do not sum to one at the start.
    """

    model: Any

    def __post_init__(self) -> None:
        if not isinstance(self.model, FactoredModel):
            needed = ("split", "join", "initial_sites", "site_transition", "next_known", "site_likelihood")
            missing = _optional.missing_methods(self.model, needed) or ["observation"]
            raise InputError(
                f"{type(self.model).__name__} has no {missing[0]}(); a factored filter needs a FactoredModel, with "
                f"{', '.join(needed)}."
            )
        sites = jnp.asarray(self.model.initial_sites())
        total = sites.sum(axis=-1)
        if sites.ndim != 2 or not bool(jnp.all(sites >= 0) & jnp.all(jnp.abs(total - 1) <= 1e-4)):
            raise InputError(
                f"{type(self.model).__name__}.initial_sites returned shape {sites.shape} with sums {total.tolist()}; a "
                "distribution of levels for each site, [n, l], is expected."
            )

    def initial(self, key: Key) -> FactoredBelief:
        """Return the sites' first distributions, and what is known of the state that the model draws with `key`."""
        known, _ = self.model.split(self.model.initial_state(key))
        return FactoredBelief(known, jnp.asarray(self.model.initial_sites(), float))

    def sample_disturbance(self, key: Key) -> Float[Array, " n"]:
        """Draw a uniform number for each site, for `sample_state`; the update needs none."""
        sites = jax.eval_shape(self.model.initial_sites)
        return jax.random.uniform(key, sites.shape[:1])

    def sample_state(self, belief: FactoredBelief, disturbance: Float[Array, " n"]) -> State:
        """Draw each site's level by inverting its cumulative sum."""
        return self.model.join(belief.known, jax.vmap(inverse)(belief.sites, disturbance))

    def most_likely(self, belief: FactoredBelief) -> State:
        """Return the state of each site's most likely level."""
        return self.model.join(belief.known, jnp.argmax(belief.sites, axis=1).astype(jnp.int32))

    def update(
        self,
        belief: FactoredBelief,
        control: Int[Array, " m"],
        observation: Observation,
        disturbance: Float[Array, " n"] | None = None,
    ) -> FactoredBelief:
        """Apply Bayes' rule site by site; `disturbance` is not used."""
        del disturbance
        known, predicted, joint = self._seen(belief, control, observation)
        total = jnp.sum(joint, axis=1, keepdims=True)
        sites = jnp.where(total > 0, joint / jnp.where(total > 0, total, 1.0), predicted)
        return FactoredBelief(known, sites)

    def likelihood(
        self,
        belief: FactoredBelief,
        control: Int[Array, " m"],
        observation: Observation,
        disturbance: Float[Array, " n"] | None = None,
    ) -> Float[Array, ""]:
        """Return the probability of what was seen of all sites."""
        del disturbance
        _, _, joint = self._seen(belief, control, observation)
        return jnp.prod(jnp.sum(joint, axis=1))

    @property
    def expected_cost(self) -> Callable[[FactoredBelief, Int[Array, " m"]], Float[Array, ""]] | None:
        """The function of a belief and a control that gives the expected stage cost; None if the model has none."""
        expected = _optional.expected_cost(self.model)
        if expected is None:
            return None
        return lambda belief, control: jnp.asarray(expected(belief.known, belief.sites, control), float)

    def _seen(
        self, belief: FactoredBelief, control: Int[Array, " m"], observation: Observation
    ) -> tuple[Any, Float[Array, "n l"], Float[Array, "n l"]]:
        """Return what is known after the stage, the sites before looking, and weighed by what was seen."""
        move = jnp.asarray(self.model.site_transition(belief.known, control), float)
        predicted = jnp.sum(belief.sites[:, :, None] * move, axis=1)
        known = self.model.next_known(belief.known, control, observation)
        return known, predicted, predicted * self.model.site_likelihood(observation, known, control)
