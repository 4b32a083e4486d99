"""Bayes' rule for finite models.

    b'(x')  =  P(o | x', u) sum_x P(x'|x, u) b(x)  /  the same, summed over x'.

Source: E. Sondik and R. Smallwood, The Optimal Control of Partially Observable Markov Processes over a Finite Horizon,
Operations Research 21(5), 1973.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Shaped

from seriatim import _optional
from seriatim._inverse import inverse
from seriatim._record import record, static
from seriatim.beliefs._filter import require_observed
from seriatim.beliefs._tables import dense, likelihood_table, motion_rows, prior_of, require_finite_model
from seriatim.controls import joint_index
from seriatim.model import Key, Observation, ObservedModel, State


@record
class ExactFilter:
    """Bayes' rule for a finite observed model; a belief is an array `[s]`, a probability for each of `model.states()`.

    If an observation is impossible under the belief, the update returns the belief before looking: the prediction, as
    if nothing had been seen. `likelihood` tells such observations, and `observe` refuses them. If the control surely
    ends the problem, the update returns the belief unchanged.

    Attributes:
        model: the filter's model of the world: a `FiniteModel` and `ObservedModel`. With `observations()`, all
            observations stacked, beliefs can be enumerated (`outcomes`).
        prior: the distribution of the first state, `[s]`; by default `model.initial_distribution()`.
        costs: expected stage costs, `[s, a]`; made from the model.
        transitions: probabilities that the problem goes on in each state, `[a, s, s]`; made from the model.
        observation_table: probabilities of all observations, `[a, s, o]`; made from the model, None where it does not
            list its observations.
        ends: whether any control may end the problem; made from the model.

    Raises:
        InputError: the model is not finite or too large, it has no initial distribution, or probabilities do not sum to
            one.
    """

    model: ObservedModel
    prior: Shaped[ArrayLike, " s"] | None = None
    costs: Any = dataclasses.field(init=False, repr=False)
    transitions: Any = dataclasses.field(init=False, repr=False)
    observation_table: Any = dataclasses.field(init=False, repr=False)
    ends: bool = static(init=False)

    def __post_init__(self) -> None:
        require_finite_model(self.model)
        require_observed(self.model, "observation_likelihood")
        costs, rows = motion_rows(self.model)
        transitions = dense(rows)
        seen = likelihood_table(self.model, rows) if _optional.observations(self.model) is not None else None
        allowed = jnp.isfinite(costs)
        made = {
            "prior": jnp.asarray(prior_of(self.model, self.prior), float),
            "costs": jnp.asarray(costs, float),
            "transitions": jnp.asarray(transitions, float),
            "observation_table": None if seen is None else jnp.asarray(seen, float),
            "ends": bool((allowed & (transitions.sum(axis=2).T < 1 - 1e-9)).any()),
        }
        for name, value in made.items():
            object.__setattr__(self, name, value)

    def initial(self, key: Key) -> Float[Array, " s"]:
        """Return the prior; `key` is not used."""
        del key
        return jnp.asarray(self.prior)

    def sample_disturbance(self, key: Key) -> Float[Array, ""]:
        """Draw the uniform number that `sample_state` needs; the update needs none."""
        return jax.random.uniform(key)

    def sample_state(self, belief: Float[Array, " s"], disturbance: Float[Array, ""]) -> State:
        """Invert the belief's cumulative sum."""
        return self._state(inverse(belief, disturbance))

    def most_likely(self, belief: Float[Array, " s"]) -> State:
        """Return the first of the most likely states."""
        return self._state(jnp.argmax(belief))

    def support(self, belief: Float[Array, " s"]) -> tuple[State, Float[Array, " s"]]:
        """Return all states and the belief."""
        return self.model.states(), belief  # type: ignore[attr-defined]

    def update(
        self,
        belief: Float[Array, " s"],
        control: Int[Array, " m"],
        observation: Observation,
        disturbance: Float[Array, ""] | None = None,
    ) -> Float[Array, " s"]:
        """Apply Bayes' rule; `disturbance` is not used."""
        del disturbance
        predicted = self.predicted(belief, control)
        seen = normalised(predicted * self._seen(control, observation), normalised(predicted, belief))
        return seen

    def likelihood(
        self,
        belief: Float[Array, " s"],
        control: Int[Array, " m"],
        observation: Observation,
        disturbance: Float[Array, ""] | None = None,
    ) -> Float[Array, ""]:
        """Return the probability of an observation, if the problem goes on; 0 where it surely ends."""
        del disturbance
        predicted = normalised(self.predicted(belief, control), jnp.zeros_like(belief))
        return jnp.sum(predicted * self._seen(control, observation))

    def expected_cost(self, belief: Float[Array, " s"], control: Int[Array, " m"]) -> Float[Array, ""]:
        """Return `sum_x b(x) g(x, u)`; infinity where the control is inadmissible at a state believed possible."""
        cost = self.costs[:, self._joint(control)]
        # Where the state cannot be, an infinite cost counts nothing.
        return jnp.sum(jnp.where(belief > 0, belief * cost, 0.0))

    def outcomes(
        self, belief: Float[Array, " s"], control: Int[Array, " m"]
    ) -> tuple[Float[Array, "k s"], Float[Array, " k"], Bool[Array, " k"]]:
        """Enumerate the beliefs that may follow: one for each observation and, where problems may end, the end.

        Returns:
            Their beliefs, their probabilities, and which of them is the end.
        """
        predicted = self.predicted(belief, control)
        joint = self.observation_table[self._joint(control)].T * predicted
        # Impossible observations keep the prediction, as in `update`; it is of probability 0 here.
        otherwise = normalised(predicted, belief)
        after = jax.vmap(lambda row: normalised(row, otherwise))(joint)
        probability, done = jnp.sum(joint, axis=1), jnp.zeros(joint.shape[0], bool)
        if not self.ends:
            return after, probability, done
        # The rest, which rounding may put below zero.
        end = jnp.maximum(0.0, 1.0 - jnp.sum(probability))
        return jnp.vstack([after, belief]), jnp.append(probability, end), jnp.append(done, True)

    def _joint(self, control: Int[Array, " m"]) -> Int[Array, ""]:
        return joint_index(control, self.model.num_controls)

    def likelihoods(self, control: Int[Array, " m"]) -> Float[Array, "s o"]:
        """Return the probabilities of all observations after a control, in each new state."""
        return jnp.asarray(self.observation_table[self._joint(control)])

    def predicted(self, belief: Float[Array, " s"], control: Int[Array, " m"]) -> Float[Array, " s"]:
        """Return the probabilities that the problem goes on in each state after a control, before anything is seen."""
        return jnp.sum(belief[:, None] * self.transitions[self._joint(control)], axis=0)

    def _seen(self, control: Int[Array, " m"], observation: Observation) -> Float[Array, " s"]:
        states = self.model.states()  # type: ignore[attr-defined]
        likelihood = jax.vmap(self.model.observation_likelihood, (None, 0, None))(observation, states, control)
        return jnp.asarray(likelihood, float)

    def _state(self, number: Int[Array, ""]) -> State:
        return jax.tree.map(lambda leaf: leaf[number], self.model.states())  # type: ignore[attr-defined]


def normalised(weights: Float[Array, " k"], otherwise: Float[Array, " k"]) -> Float[Array, " k"]:
    """Divide by the sum; where that is 0, return the other weights."""
    total = jnp.sum(weights)
    return jnp.where(total > 0, weights / jnp.where(total > 0, total, 1.0), otherwise)
