"""Policy gradients: descend the expected cost of a parameterised policy, off-line, before anything is played.

    parameters <- parameters - rate * estimate of grad J,      J = E[ sum_{t < T} discount^t g(x_t, u_t, w_t) ]

The way of the field where agents see different things, and the rival of rollout. What it has not: a guarantee that the
policy is no worse than a heuristic, and a way to answer changes that training never saw. Measure it, and put a rollout
on top of it: a trained policy is a base policy like any other.

The estimators are those of `seriatim.gradients` that serve a whole trajectory. Any model serves the score function,
plain with a moving baseline for each stage or with the other trajectories of the same start as its baseline, and the
straight-through family, which asks what each control of the trajectory was worth (`_worth`). Gumbel-softmax plays soft
controls, and so needs a `RelaxedModel`. The others compare the cost of choices that were not made under noise of their
own: they would need a trajectory for each stage and more.

Source: R. Williams, Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement Learning, 1992;
W. Kool, H. van Hoof, M. Welling, Buy 4 REINFORCE Samples, Get a Baseline for Free!, 2019, for the baseline of a group.
"""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax.lax import stop_gradient
from jaxtyping import Array, Bool, Float, Int

from seriatim import _optional
from seriatim._arguments import require_whole
from seriatim._errors import InputError
from seriatim._numbers import real_number
from seriatim._preconditions import require_model, within_problem
from seriatim._record import record, static, with_fields
from seriatim.gradients import MovingBaseline
from seriatim.gradients._list import CHOICES
from seriatim.model import Key
from seriatim.networks._decentralised import DecentralisedPolicy
from seriatim.simulation._stage import Streams, streams
from seriatim.training._counterfactual_costs import counterfactual_costs
from seriatim.training._trajectories import (
    Choices,
    Played,
    Relaxed,
    entropies,
    log_probabilities,
    logits_of,
    played,
    relaxed,
)

SCORE_FUNCTIONS = ("score-function", "leave-one-out")
TRAJECTORY_ESTIMATORS = (*SCORE_FUNCTIONS, *CHOICES)
# Of those that differentiate choices, the ones whose choices are corners of the simplex.
CORNERS = ("straight-through", "straight-through-gumbel-softmax", "gumbel-rao")

Schedule = float | int | Callable[[Any], Any]
Metrics = dict[str, Float[Array, ""]]


@record
class PolicyGradientState:
    """The state of training: arrays, and nothing else.

    Attributes:
        step: how many steps were made.
        key: of the whole training; each step folds its number into it.
        parameters: of the policy.
        optimiser: the optimiser's memory.
        baseline: of the score function, for each stage; not used by the others.
    """

    step: Int[Array, ""]
    key: Key
    parameters: Any
    optimiser: Any
    baseline: MovingBaseline


@record
class PolicyGradient:
    """A trainer: `init(key) -> state`, `step(state) -> (state, metrics)`. A step is a function of the state alone.

    Attributes:
        policy: the policy to train, and through it the model; training starts at its parameters.
        estimator: "score-function" (a moving baseline), "leave-one-out"; "straight-through",
            "straight-through-gumbel-softmax", "gumbel-rao"; "gumbel-softmax", which needs a `RelaxedModel` and whose
            costs are those of the relaxed model.
        batch: trajectories of a step.
        horizon: stages of a trajectory, T; what comes later counts nothing. No more than the model has at all, if it
            says after how many it ends (`ends_after`).
        learning_rate: a number, or a function of the step (an Optax schedule).
        optimiser: an Optax transformation in place of Adam after clipping; it has its own learning rate.
        clip: largest norm of the gradient that Adam is given.
        temperature: of relaxed choices; a number, or a function of the step
            (`seriatim.distributions.temperature_schedule`).
        num_samples: leave-one-out: trajectories with one start and the same disturbances, a divisor of the batch.
            Gumbel-Rao: draws of the noise given the choice.
        entropy: weight of the agents' mean entropy, subtracted from the cost of a stage; keeps choices open.
        decay: of the moving baseline.
        through_observations: whether derivatives also pass through the agents' observations of a relaxed state, for
            which every estimator but the score functions needs a `RelaxedModel`. Without it, a gradient leaves out how
            changed observations change later choices: it is biased, far quicker, and of far less variance.

    Raises:
        InputError: an argument is out of range, or the model lacks what the estimator needs.
    """

    policy: DecentralisedPolicy
    estimator: str = static(default="leave-one-out")
    batch: int = static(default=64)
    horizon: int = static(default=40)
    learning_rate: Schedule = static(default=3e-3)
    optimiser: optax.GradientTransformation | None = static(default=None)
    clip: float | int = static(default=1.0)
    temperature: Schedule = static(default=1.0)
    num_samples: int = static(default=4)
    entropy: float | int = 0.0
    decay: float | int = 0.9
    through_observations: bool = static(default=False)

    def __post_init__(self) -> None:
        _check(self)
        object.__setattr__(self, "horizon", within_problem(self.policy.model, self.horizon))

    def init(self, key: Key) -> PolicyGradientState:
        """Return the state before the first step; `key` decides everything random in training."""
        baseline = MovingBaseline(self.decay, jnp.zeros(self.horizon), jnp.zeros(()))
        trained, _ = eqx.partition(self.policy.parameters, eqx.is_inexact_array)
        return PolicyGradientState(
            jnp.zeros((), jnp.int32), key, self.policy.parameters, self._optimiser.init(trained), baseline
        )

    def step(self, state: PolicyGradientState) -> tuple[PolicyGradientState, Metrics]:
        """Estimate the gradient on a batch of new trajectories, and make one step.

        Returns:
            The next state, and of this batch: `cost` (mean; costs are discounted, up to the horizon) and `cost_error`
            (its standard error), `unfinished` (share of trajectories that had not ended), `entropy` (mean of an agent,
            nats), `gradient_norm` (before clipping).
        """
        gradient, baseline, metrics = self.gradient(state)
        # Whole numbers among the parameters have no derivative, and stay.
        trained, fixed = eqx.partition(state.parameters, eqx.is_inexact_array)
        # Optax leaves promotions of types to JAX.
        with jax.numpy_dtype_promotion("standard"):
            updates, optimiser = self._optimiser.update(gradient, state.optimiser, trained)
            parameters = eqx.combine(optax.apply_updates(trained, updates), fixed)
        metrics["gradient_norm"] = optax.tree.norm(gradient)
        return PolicyGradientState(state.step + 1, state.key, parameters, optimiser, baseline), metrics

    def gradient(self, state: PolicyGradientState) -> tuple[Any, MovingBaseline, Metrics]:
        """Return the estimate of the step to come, shaped like the trained parameters; the next baseline; metrics.

        With the score functions its mean is the gradient of the expected cost, discounted, up to the horizon.
        """
        key = jax.random.fold_in(state.key, state.step)
        trained, fixed = eqx.partition(state.parameters, eqx.is_inexact_array)

        def loss(trained: Any) -> tuple[Float[Array, ""], tuple[MovingBaseline, Metrics]]:
            # A greedy policy has no chances to differentiate.
            policy = with_fields(self.policy, parameters=eqx.combine(trained, fixed), greedy=False)
            return self._surrogate(policy, state, key)

        gradient, (baseline, metrics) = jax.grad(loss, has_aux=True)(trained)
        return gradient, baseline, metrics

    def trained(self, state: PolicyGradientState) -> DecentralisedPolicy:
        """Return the policy as trained so far."""
        return with_fields(self.policy, parameters=state.parameters)

    @property
    def _optimiser(self) -> optax.GradientTransformation:
        if self.optimiser is not None:
            return self.optimiser
        return optax.chain(optax.clip_by_global_norm(self.clip), optax.adam(self.learning_rate))

    def _surrogate(
        self, policy: DecentralisedPolicy, state: PolicyGradientState, key: Key
    ) -> tuple[Float[Array, ""], tuple[MovingBaseline, Metrics]]:
        """Return a number whose derivative is the estimate, the next baseline, and the metrics."""
        if self.estimator not in CHOICES:
            return self._score_surrogate(policy, state, key)
        settings = self._settings(state.step)

        def choices(logits: Float[Array, "m c"], key: Key) -> Float[Array, "m c"]:
            drawn: Float[Array, "m c"] = CHOICES[self.estimator](logits, key, **settings)
            return drawn

        corners = self.estimator in CORNERS and not self.through_observations
        loss, metrics = (_corner_surrogate if corners else _relaxed_surrogate)(self, policy, choices, key)
        if "temperature" in settings:
            metrics["temperature"] = jnp.asarray(settings["temperature"], float)
        return loss, (state.baseline, metrics)

    def _settings(self, step: Int[Array, ""]) -> dict[str, Any]:
        """Return the settings with which relaxed choices are drawn."""
        settings: dict[str, Any] = {}
        if self.estimator != "straight-through":
            settings["temperature"] = self.temperature(step) if callable(self.temperature) else self.temperature
        if self.estimator == "gumbel-rao":
            settings["num_samples"] = self.num_samples
        return settings

    def _score_surrogate(
        self, policy: DecentralisedPolicy, state: PolicyGradientState, key: Key
    ) -> tuple[Float[Array, ""], tuple[MovingBaseline, Metrics]]:
        size = self.num_samples if self.estimator == "leave-one-out" else 1
        # The trajectory is data; its logits are computed once more below, as functions of the parameters.
        seen = jax.tree.map(stop_gradient, self._groups(policy, key, size))
        to_go = seen.cost_to_go
        if size > 1:
            # The others' mean, subtracted, is the distance from the mean of all, times n / (n - 1).
            advantage = (to_go - jnp.mean(to_go, axis=1, keepdims=True)) * size / (size - 1)
            baseline = state.baseline
        else:
            # With the baseline of past batches: that of this one would depend on the samples, and bias the estimate.
            advantage = to_go - state.baseline.mean
            baseline = state.baseline.updated(_mean_where(to_go, seen.playing))
        logits = jax.vmap(jax.vmap(lambda one: logits_of(policy, one)))(seen)
        chosen = jax.vmap(jax.vmap(log_probabilities))(logits, seen)
        entropy = jax.vmap(jax.vmap(entropies))(logits, seen)
        loss = jnp.mean(jnp.sum(advantage * chosen - self.entropy * entropy, axis=-1))
        return loss, (baseline, _metrics(to_go[..., 0], self._unfinished(seen), _mean_entropy(entropy, seen)))

    def _unfinished(self, some: Played | Relaxed) -> Bool[Array, "*batch"]:
        """Say which trajectories were cut before the problem ended, of itself or with the last stage it has."""
        return ~some.ended & (self.horizon != _optional.ends_after(self.policy.model))

    def _groups(self, policy: DecentralisedPolicy, key: Key, size: int) -> Played:
        """Play the batch, `[groups, size]`: a group has one start and the same disturbances, each its own choices."""

        def one(key: Key, member: Int[Array, ""]) -> Played:
            keys = streams(key)
            # Only the choices differ within a group; start and disturbances are common.
            return played(policy, keys._replace(policy=jax.random.fold_in(keys.policy, member)), self.horizon)

        group = jax.vmap(one, in_axes=(None, 0))
        return jax.vmap(group, in_axes=(0, None))(jax.random.split(key, self.batch // size), jnp.arange(size))


def _corner_surrogate(
    trainer: PolicyGradient, policy: DecentralisedPolicy, choices: Choices, key: Key
) -> tuple[Float[Array, ""], Metrics]:
    """Play the model, find the cost of each control, and weigh the choices by it."""
    keys = jax.vmap(streams)(jax.random.split(key, trainer.batch))
    seen = jax.tree.map(stop_gradient, jax.vmap(lambda keys: played(policy, keys, trainer.horizon, choices))(keys))
    worth = stop_gradient(counterfactual_costs(policy.model, keys, seen.controls))

    def weighed(keys: Streams, seen: Played, worth: Float[Array, "T m c"]) -> tuple[Float[Array, ""], Array]:
        logits = logits_of(policy, seen)
        # The keys of `played`, so that the choices are those that were made.
        own = jax.vmap(jax.random.fold_in, (None, 0))(keys.policy, jnp.arange(trainer.horizon))
        return jnp.sum(worth * jax.vmap(choices)(logits, own)), entropies(logits, seen)

    value, entropy = jax.vmap(weighed)(keys, seen, worth)
    loss = jnp.mean(value - trainer.entropy * jnp.sum(entropy, axis=-1))
    return loss, _metrics(seen.cost_to_go[:, :1], trainer._unfinished(seen), _mean_entropy(entropy, seen))


def _relaxed_surrogate(
    trainer: PolicyGradient, policy: DecentralisedPolicy, choices: Choices, key: Key
) -> tuple[Float[Array, ""], Metrics]:
    """Play the relaxed model, and differentiate its cost."""

    def one(key: Key) -> Relaxed:
        through = trainer.through_observations
        return relaxed(policy, choices, streams(key), trainer.horizon, through_observations=through)

    batch = jax.vmap(one)(jax.random.split(key, trainer.batch))
    # `batch.entropy` is a mean over stages, and the bonus is one for each stage.
    loss = jnp.mean(batch.cost - trainer.entropy * trainer.horizon * batch.entropy)
    return loss, _metrics(batch.cost[:, None], trainer._unfinished(batch), jnp.mean(batch.entropy))


def _mean_entropy(entropy: Float[Array, "*batch T"], seen: Played) -> Float[Array, ""]:
    return jnp.sum(entropy) / jnp.maximum(jnp.sum(seen.playing), 1).astype(entropy.dtype)


def _metrics(costs: Float[Array, "groups size"], unfinished: Any, entropy: Float[Array, ""]) -> Metrics:
    """Return mean cost and its standard error; trajectories of one group are not independent, groups are."""
    of_group = jnp.mean(costs, axis=1)
    groups = of_group.shape[0]
    # Of one group there is no error to be known.
    error = {"cost_error": jnp.std(of_group, ddof=1) / jnp.sqrt(groups)} if groups > 1 else {}
    mean = {"cost": jnp.mean(of_group), "unfinished": jnp.mean(unfinished.astype(float)), "entropy": entropy}
    return mean | error


def _mean_where(values: Float[Array, "*batch T"], counts: Any) -> Float[Array, " T"]:
    """Return the mean over all axes but the last, of those that count; 0 where none does."""
    axes = tuple(range(values.ndim - 1))
    total = jnp.sum(jnp.where(counts, values, 0), axis=axes)
    return total / jnp.maximum(jnp.sum(counts, axis=axes), 1).astype(total.dtype)


def _check(trainer: PolicyGradient) -> None:
    if not isinstance(trainer.policy, DecentralisedPolicy):
        raise InputError(
            f"policy is a {type(trainer.policy).__name__}, which has no parameters to train; make one by "
            "decentralised_policy or network_policy."
        )
    require_model(trainer.policy.model, starts=True)
    _check_estimator(trainer)
    _check_numbers(trainer)
    if trainer.estimator == "leave-one-out":
        _check_groups(trainer.batch, trainer.num_samples)
    if trainer.optimiser is not None and not isinstance(trainer.optimiser, optax.GradientTransformation):
        raise InputError(f"optimiser={trainer.optimiser!r}: give a transformation of Optax, such as optax.sgd(1e-2).")


def _check_estimator(trainer: PolicyGradient) -> None:
    if trainer.estimator not in TRAJECTORY_ESTIMATORS:
        names = ", ".join(TRAJECTORY_ESTIMATORS)
        raise InputError(f"estimator={trainer.estimator!r} does not serve trajectories; choose one of {names}.")
    model: Any = trainer.policy.model
    if trainer.estimator in SCORE_FUNCTIONS or not (trainer.through_observations or trainer.estimator not in CORNERS):
        return
    if _optional.missing_methods(model, _optional.RELAXED):
        through = " with through_observations" if trainer.estimator in CORNERS else ""
        raise InputError(
            f"estimator={trainer.estimator!r}{through} differentiates the model, and {type(model).__name__} takes no "
            f"soft controls; choose one of {', '.join((*SCORE_FUNCTIONS, *CORNERS))}, which play it as it is."
        )
    # Some models take soft controls in some settings only, and say so by refusing: better now than in a run.
    jax.eval_shape(lambda key: model.relaxed_state(model.initial_state(key)), jax.random.key(0))


def _check_numbers(trainer: PolicyGradient) -> None:
    for name in ("batch", "horizon", "num_samples"):
        value = getattr(trainer, name)
        require_whole(name, value)
    for name in ("learning_rate", "temperature", "clip"):
        value = getattr(trainer, name)
        if not (callable(value) and name != "clip") and not 0 < _number(value) < math.inf:
            raise InputError(f"{name}={value}: give a finite number above 0.")
    if not 0 <= _number(trainer.decay) < 1:
        raise InputError(f"decay={trainer.decay}: give a number from 0 to below 1, such as 0.9.")
    entropy: Any = trainer.entropy
    if not isinstance(entropy, jax.core.Tracer) and not 0 <= _number(entropy) < math.inf:
        raise InputError(f"entropy={entropy}: give a finite number from 0 up.")


def _number(value: Any) -> float:
    """Return a value as a number, NaN if it is none."""
    try:
        number = real_number(value)
    except TypeError:  # it is being traced
        number = None
    return math.nan if number is None else number


def _check_groups(batch: int, num_samples: int) -> None:
    if num_samples < 2 or batch % num_samples:
        raise InputError(
            f"batch={batch}, num_samples={num_samples}: leave-one-out plays groups of num_samples trajectories, at "
            "least 2, of one start; give a batch that is a multiple of it."
        )
