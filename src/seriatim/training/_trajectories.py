"""Trajectories a policy gradient learns from, in three ways.

*Played.* Controls are drawn, the model moves, and what every agent saw is kept. By the chances of the controls that
were drawn, the gradient of the expected cost is (the policy gradient theorem, costs before a choice having no part)

    grad J = E[ sum_t (G_t - b_t) sum_i grad log p(u_t^i | o_t^i) ],    G_t = sum_{s >= t} discount^s g_s.

It needs nothing of the model but that it can be simulated.

*Relaxed.* Controls are points of the simplex whose derivative by the logits is that of an estimator of
`seriatim.gradients`, the relaxed model takes them, and the cost of the trajectory is one differentiable function at
fixed noise.

*Played and weighed.* Where samples are corners of the simplex, and no derivative passes through what agents see, a
trajectory is played in the model itself, and its choices are weighed by what each control is worth (`_worth`):

    sum_t <D_t, z_t(logits_t)>,       D_t^i = d cost(z_1, ..., z_T) / d z_t^i    at the corners that were played.

Both follow the keys of `seriatim.simulate`: trajectory and episode of one key meet the same start and disturbances.

Source: R. Sutton, D. McAllester, S. Singh, Y. Mansour, Policy Gradient Methods for Reinforcement Learning with Function
Approximation, 1999.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from jaxtyping import Array, Bool, Float, Int

from seriatim import distributions
from seriatim._record import record
from seriatim.model import Key, State
from seriatim.networks._decentralised import DecentralisedPolicy
from seriatim.simulation._stage import Streams, move

# `(logits [m, c], key) -> choices [m, c]`
Choices = Callable[[Any, Any], Any]


@record
class Played:
    """The observations, controls and costs of a trajectory of `T` stages.

    Attributes:
        observations: of each agent, `[T, m, k]`, or `Features` with these axes first.
        mask: admissible controls, `[T, m, c]`.
        controls: drawn, `[T, m]`.
        costs: discounted stage costs, `[T]`; 0 once the problem has ended.
        playing: whether the stage was played, `[T]`.
        ended: whether the problem ended within them.
    """

    observations: Any
    mask: Bool[Array, "*batch T m c"]
    controls: Int[Array, "*batch T m"]
    costs: Float[Array, "*batch T"]
    playing: Bool[Array, "*batch T"]
    ended: Bool[Array, "*batch"]

    @property
    def cost_to_go(self) -> Float[Array, "*batch T"]:
        """The costs from each stage on, G."""
        # Summed from the last stage backwards.
        return jnp.cumsum(self.costs[..., ::-1], axis=-1)[..., ::-1]


def played(policy: DecentralisedPolicy, keys: Streams, horizon: int, draw: Choices | None = None) -> Played:
    """Play one trajectory of at most `horizon` stages, with controls drawn from the policy.

    Args:
        policy: of the team.
        keys: of the start, the disturbances and the draws.
        horizon: T.
        draw: from logits and a key to one-hot choices; by default `gumbel_max`.
    """
    model: Any = policy.model

    def drawn(logits: Float[Array, "m c"], key: Key) -> Int[Array, " m"]:
        return distributions.gumbel_max(logits, key) if draw is None else jnp.argmax(draw(logits, key), axis=-1)

    def stage(
        carry: tuple[State, Array, Array], t: Int[Array, ""]
    ) -> tuple[tuple[State, Array, Array], tuple[Any, ...]]:
        state, memory, ended = carry
        observations, mask = model.agent_observations(state), model.control_mask(state)
        logits, memory = policy.propose(observations, memory)
        control = drawn(distributions.masked(logits, mask), jax.random.fold_in(keys.policy, t))
        after = move(model, state, control, keys, t)
        # Selected, since a state after the end may cost anything.
        cost = jnp.where(
            ended, 0.0, jnp.asarray(model.discount, float) ** t.astype(float) * jnp.asarray(after.cost, float)
        )
        return (after.state, memory, ended | after.done), (observations, mask, control, cost, ~ended)

    start = (model.initial_state(keys.start), policy.blank(), jnp.array(False))
    (_, _, ended), (observations, mask, controls, costs, playing) = jax.lax.scan(stage, start, jnp.arange(horizon))
    return Played(observations, mask, controls, costs, playing, ended)


def logits_of(policy: DecentralisedPolicy, seen: Played) -> Float[Array, "T m c"]:
    """Return the logits of every stage once more, as functions of the parameters alone."""
    # With a memory stages depend on one another; without, all are one batch.
    if policy.memory:
        _, logits = jax.lax.scan(lambda memory, o: policy.propose(o, memory)[::-1], policy.blank(), seen.observations)
    else:
        logits = jax.vmap(lambda o: policy.propose(o, policy.blank())[0])(seen.observations)
    return distributions.masked(logits, seen.mask)


def log_probabilities(logits: Float[Array, "T m c"], seen: Played) -> Float[Array, " T"]:
    """Return, for each stage played, the log-probability of the joint control."""
    chosen = jnp.sum(distributions.log_probability(logits, seen.controls), axis=-1)
    return jnp.where(seen.playing, chosen, 0)


def entropies(logits: Float[Array, "T m c"], seen: Played) -> Float[Array, " T"]:
    """Return, for each stage played, the mean entropy of an agent."""
    return jnp.where(seen.playing, jnp.mean(distributions.entropy(logits), axis=-1), 0)


@record
class Relaxed:
    """A relaxed trajectory of `T` stages.

    Attributes:
        cost: its discounted cost, differentiable.
        entropy: mean over stages and agents, in nats.
        ended: whether the problem has certainly ended.
    """

    cost: Float[Array, "*batch"]
    entropy: Float[Array, "*batch"]
    ended: Bool[Array, "*batch"]


def relaxed(
    policy: DecentralisedPolicy, choices: Choices, keys: Streams, horizon: int, *, through_observations: bool
) -> Relaxed:
    """Play one relaxed trajectory of `horizon` stages.

    Args:
        policy: of a model that is relaxed as well.
        choices: from logits `[m, c]` and a key to a soft control `[m, c]`.
        keys: of the start, the disturbances and the noise of the choices.
        horizon: T.
        through_observations: whether derivatives also pass through the agents' observations. Without it, a choice
            counts by its effect on the state, but not by the effect of changed observations on later choices: a bias,
            and less work.
    """
    model: Any = policy.model

    def stage(
        carry: tuple[State, Array, Array], t: Int[Array, ""]
    ) -> tuple[tuple[State, Array, Array], tuple[Any, ...]]:
        state, memory, ended = carry
        seen = model.agent_observations(state)
        logits, memory = policy.propose(seen if through_observations else stop_gradient(seen), memory)
        logits = distributions.masked(logits, model.relaxed_mask(state))
        control = choices(logits, jax.random.fold_in(keys.policy, t))
        disturbance = model.sample_disturbance(jax.random.fold_in(keys.disturbance, t))
        after = model.relaxed_transition(state, control, disturbance)
        # Not masked where the problem has ended: the cost is zero there, but not its derivative. Had an earlier control
        # been another, the problem would have gone on.
        cost = jnp.asarray(model.discount, float) ** t.astype(float) * jnp.asarray(after.cost, float)
        entropy = jnp.where(ended, 0, jnp.mean(distributions.entropy(logits)))
        return (after.state, memory, ended | after.done), (cost, entropy)

    start = (model.relaxed_state(model.initial_state(keys.start)), policy.blank(), jnp.array(False))
    (_, _, ended), (costs, entropy) = jax.lax.scan(stage, start, jnp.arange(horizon))
    return Relaxed(jnp.sum(costs), jnp.mean(entropy), ended)
