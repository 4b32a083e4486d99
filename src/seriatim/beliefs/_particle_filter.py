"""Particle filter: a belief as a cloud of weighted states, for any model that can be simulated.

    x_i' = f(x_i, u, w_i),   weight_i' ~ weight_i P(o | x_i', u),

and where few particles carry all the weight, each is replaced by copies in proportion to its weight: systematic
resampling, with one uniform number for all. Means under the belief tend to those of the exact filter as
1/sqrt(particles).

Sources: N. Gordon, D. Salmond and A. Smith, Novel Approach to Nonlinear/Non-Gaussian Bayesian State Estimation, IEE
Proceedings F 140(2), 1993; A. Doucet and A. Johansen, A Tutorial on Particle Filtering and Smoothing, in: The Oxford
Handbook of Nonlinear Filtering, 2011.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from seriatim._arguments import require_real, require_whole
from seriatim._inverse import inverse
from seriatim._record import record, static
from seriatim.beliefs._exact_filter import normalised
from seriatim.beliefs._filter import require_observed
from seriatim.model import Disturbance, Key, Observation, ObservedModel, State

# Sets the particles of the prior apart from the state that the model itself draws with the same key.
PRIOR = 0x5EED
# Numbers that all particles together, and what is random in their moves, may take.
MOST_NUMBERS = 2**28


@record
class ParticleBelief:
    """A cloud of weighted states.

    Attributes:
        states: the particles, stacked along a leading axis `n`.
        weights: their probabilities, `[n]`, which sum to one.
        deprived: how often no particle could explain the observation.
    """

    states: State
    weights: Float[Array, " n"]
    deprived: Int[Array, ""]


class ParticleDisturbance(NamedTuple):
    """The random numbers of a stage of the filter: a state drawn from it, the particles' moves, their resampling."""

    state: Float[Array, ""]
    moves: Disturbance
    resampling: Float[Array, ""]


@record
class ParticleFilter:
    """Bayes' rule by simulation, for any observed model; a belief is a `ParticleBelief`.

    Deprivation: if no particle can explain the observation, Bayes' rule has nothing to work on. The filter then keeps
    the particles as they have moved, with the weights they had, as if nothing had been seen, and counts it in
    `belief.deprived`. A cloud that was deprived may be far from the truth; the remedy is more particles, or
    observations with a little more noise in the filter's model than in the world.

    Attributes:
        model: the filter's model of the world.
        num_particles: n.
        resample_below: particles are resampled when their effective number, `1 / sum(weights**2)`, falls below this
            share of n: 1 does so always, 0 never.

    Raises:
        InputError: the model is not observed, or an argument is out of range.
    """

    model: ObservedModel
    num_particles: int = static(default=1000)
    resample_below: float | Float[Array, ""] = 0.5

    def __post_init__(self) -> None:
        require_observed(self.model, "observation_likelihood")
        each = 1 + sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(self._one)))
        most = max(1, MOST_NUMBERS // each)
        require_whole("num_particles", self.num_particles, 1, most, advice=f", each of which takes {each} numbers")
        share = "a share of the particles, from 0 to 1"
        require_real("resample_below", self.resample_below, share, least=0, most=1)

    def initial(self, key: Key) -> ParticleBelief:
        """Draw particles from the model's initial states, independent of the one that it draws with the same key."""
        keys = jax.random.split(jax.random.fold_in(key, PRIOR), self.num_particles)
        states = jax.vmap(self.model.initial_state)(keys)
        return ParticleBelief(states, self._equal(), jnp.zeros((), jnp.int32))

    def sample_disturbance(self, key: Key) -> ParticleDisturbance:
        """Draw a disturbance for each particle, and uniform numbers for the state drawn and for resampling."""
        state, resampling, moves = jax.random.split(key, 3)
        draws = jax.vmap(self.model.sample_disturbance)(jax.random.split(moves, self.num_particles))
        return ParticleDisturbance(jax.random.uniform(state), draws, jax.random.uniform(resampling))

    def sample_state(self, belief: ParticleBelief, disturbance: ParticleDisturbance) -> State:
        """Pick a particle by inverting the weights' cumulative sum."""
        number = inverse(belief.weights, disturbance.state)
        return jax.tree.map(lambda leaf: leaf[number], belief.states)

    def most_likely(self, belief: ParticleBelief) -> State:
        """Return the state whose particles carry most weight together; equal particles count as one."""
        together = jax.vmap(lambda x: jnp.sum(jnp.where(_equals(x, belief.states), belief.weights, 0.0)))(belief.states)
        number = jnp.argmax(together)
        return jax.tree.map(lambda leaf: leaf[number], belief.states)

    def support(self, belief: ParticleBelief) -> tuple[State, Float[Array, " n"]]:
        """Return the particles and their weights."""
        return belief.states, belief.weights

    def update(
        self,
        belief: ParticleBelief,
        control: Int[Array, " m"],
        observation: Observation,
        disturbance: ParticleDisturbance,
    ) -> ParticleBelief:
        """Move every particle, weigh it by the observation, and resample where few carry all the weight."""
        states, going_on, seen = self._moved(belief, control, observation, disturbance)
        predicted = normalised(belief.weights * going_on, belief.weights)
        joint = belief.weights * going_on * seen
        weights = normalised(joint, predicted)
        # A problem that surely ends leaves nothing to explain.
        deprived = (jnp.sum(joint) <= 0) & jnp.any((belief.weights > 0) & (going_on > 0))
        return self._resampled(states, weights, belief.deprived + deprived.astype(jnp.int32), disturbance.resampling)

    def likelihood(
        self,
        belief: ParticleBelief,
        control: Int[Array, " m"],
        observation: Observation,
        disturbance: ParticleDisturbance,
    ) -> Float[Array, ""]:
        """Estimate the probability of an observation by the particles that go on, moved by the same disturbance."""
        _, going_on, seen = self._moved(belief, control, observation, disturbance)
        return jnp.sum(normalised(belief.weights * going_on, jnp.zeros_like(belief.weights)) * seen)

    def _one(self) -> tuple[State, Disturbance]:
        key = jax.random.key(0)
        return self.model.initial_state(key), self.model.sample_disturbance(key)

    def _equal(self) -> Float[Array, " n"]:
        return jnp.full(self.num_particles, 1 / self.num_particles, float)

    def _moved(
        self,
        belief: ParticleBelief,
        control: Int[Array, " m"],
        observation: Observation,
        disturbance: ParticleDisturbance,
    ) -> tuple[State, Float[Array, " n"], Float[Array, " n"]]:
        """Return the particles after the stage, 1 for those that go on, and how well each explains the observation."""
        after = jax.vmap(lambda x, w: self.model.transition(x, control, w))(belief.states, disturbance.moves)
        seen = jax.vmap(lambda x: self.model.observation_likelihood(observation, x, control))(after.state)
        return after.state, 1.0 - jnp.asarray(after.done, float), jnp.asarray(seen, float)

    def _resampled(
        self, states: State, weights: Float[Array, " n"], deprived: Int[Array, ""], uniform: Float[Array, ""]
    ) -> ParticleBelief:
        n = self.num_particles
        effective = 1 / jnp.sum(weights**2)
        copies = systematic(weights, uniform)
        again = effective < jnp.asarray(self.resample_below) * n
        # Selected, not branched: where states are mapped both ways would be computed anyway.
        places = jnp.where(again, copies, jnp.arange(n))
        return ParticleBelief(
            states=jax.tree.map(lambda leaf: leaf[places], states),
            weights=jnp.where(again, self._equal(), weights),
            deprived=deprived,
        )


def systematic(weights: Float[Array, " n"], uniform: Float[Array, ""]) -> Int[Array, " n"]:
    """Return n places in proportion to the weights, from n equally spaced numbers shifted by one uniform number.

    A place of weight p is returned floor(n p) or ceil(n p) times, but for rounding; one of weight 0 never.
    """
    n = weights.shape[0]
    cumulative = jnp.cumsum(weights)
    # Times the sum, which rounding may have moved off 1.
    marks = (jnp.arange(n).astype(uniform.dtype) + uniform) / n * cumulative[-1]
    # Rounding may put a mark at the very end, beyond the last particle with a weight.
    last = n - 1 - jnp.argmax((weights > 0)[::-1])
    return jnp.minimum(jnp.searchsorted(cumulative, marks, side="right"), last).astype(jnp.int32)


def _equals(one: State, many: State) -> Array:
    """Say which of the stacked states equal one."""
    same = jax.tree.map(lambda a, b: jnp.all((a == b).reshape(b.shape[0], -1), axis=1), one, many)
    return jnp.all(jnp.stack(jax.tree.leaves(same)), axis=0)
