"""Approximate policy iteration: rollout improves a policy, networks imitate the result, and that is the next base.

    x_1 .. x_N        from episodes of the present policy mu_k, of the first base, and of mu_{k+1} as far as it is known
    u(x), Q(x, .)     by one-at-a-time rollout with base mu_k                                             (the labels)
    mu_{k+1}          the classifier that agrees best with the labels
    J_{k+1}           the value network nearest to the costs of mu_{k+1}

mu_0 is the heuristic. With exact Q-factors and a classifier without error this is the exact one-agent-at-a-time policy
iteration, whose policies never get worse and end agent-by-agent optimal. With errors nothing is certain: a policy is
worse by at most what its errors add up to along an episode. So every policy is compared with the one before and with
the heuristic on the same episodes, the best is kept, and the iteration ends when nothing significant is gained.

Labels are made in rounds. A classifier that errs comes to states that its teacher never sees; from the second round on
some states are those that the classifier of the round before comes to, which is what it has to learn next.

Source: D. Bertsekas, Multiagent Reinforcement Learning: Rollout and Policy Iteration, IEEE/CAA Journal of Automatica
Sinica 8(2), 2021; M. Lagoudakis, R. Parr, ICML 2003; the rounds: S. Ross, G. Gordon, J. A. Bagnell, A Reduction of
Imitation Learning and Structured Prediction to No-Regret Online Learning, AISTATS 2011.
"""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from seriatim._arguments import require_real, require_whole
from seriatim._compile import jit
from seriatim._errors import InputError
from seriatim._preconditions import require_model, within_problem
from seriatim._record import moved, record, static, with_fields
from seriatim.evaluation import Estimate, evaluate
from seriatim.model import Key, Model, State
from seriatim.networks._classifier import NetworkValue
from seriatim.networks._decentralised import DecentralisedPolicy
from seriatim.networks._feasible_fallback import with_fallback
from seriatim.networks._partition import PartitionedPolicy, PartitionedValue
from seriatim.parallel import Backend
from seriatim.planning import OneAtATimeRollout, Speculative, decide_many
from seriatim.planning._decision import check_planner
from seriatim.planning._schedule import Schedule, check_schedule
from seriatim.policy import Policy
from seriatim.simulation import Simulation
from seriatim.training._fit import Fitting, loss_of
from seriatim.training._fit_networks import (
    agreement,
    classifier_loss,
    fit_networks,
    scaled_to,
    standardised_to,
    value_loss,
)
from seriatim.training._labels import Labels, blank_labels, costs_to_go, labels_of, visited

# States whose features show how to standardise them.
SHOWN = 1024
# One label in so many is kept from fitting, to measure agreement on.
HELD_OUT = 10


@record
class PolicyIterationState:
    """The state of the iteration: arrays, and nothing else.

    Attributes:
        step: how many steps were made.
        key: of the whole training.
        iteration: how many policies have been made.
        parameters: of the present policy mu_k; of untrained networks at first, when mu_0 is the heuristic.
        value: the parameters of J_k.
        next_parameters: of the classifier that is being fitted.
        labels: of this iteration, filled up from the front.
        loss: of the last fit of the classifier.
        costs: of the episodes of the heuristic, of mu_k and of the best policy, `[3, episodes]`.
        best: the parameters of the best policy so far, the value that belongs to it, and its number; 0: the heuristic.
        gained: whether the last policy was significantly better than the one before.
    """

    step: Int[Array, ""]
    key: Key
    iteration: Int[Array, ""]
    parameters: Any
    value: Any
    next_parameters: Any
    labels: Labels
    loss: Float[Array, ""]
    costs: Float[Array, "3 episodes"]
    best: tuple[Any, Any, Int[Array, ""]]
    gained: Int[Array, ""]


@moved(order="give schedule=InTurn(order), Speculative(order), or BestFirst() for the optimised one.")
@record
class PolicyIteration:
    """A trainer: `init(key) -> state`, `step(state) -> (state, metrics)`. A step makes some labels, fits, or evaluates.

    Steps call compiled functions and are not compiled themselves. From the second iteration on nothing is compiled: the
    policies differ in their parameters alone. (The first has the heuristic for its base, which is another program.)

    Attributes:
        model: the problem.
        base: the heuristic, mu_0.
        policy: the networks to fit; training starts at their parameters. See `policy_classifier`.
        value: networks of the cost-to-go, or None. Where `simulation` has a horizon and no terminal cost, J_k is its
            terminal cost. See `value_network`.
        simulation: how labels estimate Q-factors.
        first_simulation: the same where the base is the heuristic, which is simulated more quickly; None: as
            `simulation`.
        significance: of the rollout that labels: standard errors by which an agent must gain to leave its base control.
        schedule: how agents take their turns in rollout.
        states: labels of an iteration, N.
        rounds: in which they are made; all but the first learn from states the classifier itself comes to.
        part: labels of one step.
        share_of_base: of the episodes from which states are taken, how many the heuristic plays.
        noise: in those episodes, the chance of a stage that one agent does something at random.
        temperature: of the targets, in cost units; 0 for the controls chosen themselves.
        fitting: of the classifier.
        value_fitting: of the value.
        value_states: pairs of a state and a cost that the value is fitted to.
        episodes: that every policy plays to be compared.
        horizon: stages after which an episode is cut. No more than the model has at all, if it says after how many it
            ends (`ends_after`); it is then over.
        on: the workers that make labels and play episodes, as in `decide_many`; they change no number.
        gain: the iteration ends at a policy that is not better than the one before by so many standard errors; None:
            it goes on, whatever is gained.

    Raises:
        InputError: an argument is out of range.
    """

    model: Model
    base: Policy
    policy: DecentralisedPolicy | PartitionedPolicy
    value: NetworkValue | PartitionedValue | None = None
    simulation: Simulation = dataclasses.field(default_factory=Simulation)
    first_simulation: Simulation | None = None
    significance: float | int = 1.0
    schedule: Schedule = Speculative()
    states: int = static(default=4096)
    rounds: int = static(default=2)
    part: int = static(default=512)
    share_of_base: float | int = 0.25
    noise: float | int = 0.1
    temperature: float | int = 0.0
    fitting: Fitting = dataclasses.field(default_factory=Fitting)
    value_fitting: Fitting = dataclasses.field(default_factory=Fitting)
    value_states: int = static(default=8192)
    episodes: int = static(default=400)
    horizon: int = static(default=400)
    gain: float | int | None = 1.0
    on: Backend | None = None

    # The loop makes steps one by one on the host, and keeps a checkpoint after each.
    on_host = True

    def __post_init__(self) -> None:
        _check(self)
        object.__setattr__(self, "horizon", within_problem(self.model, self.horizon))

    def init(self, key: Key) -> PolicyIterationState:
        """Return the state before the first step; `key` decides everything random."""
        # Every policy is evaluated under this one key: their costs are then paired, episode by episode.
        first, evaluation = jax.random.split(key)
        shown = visited(self.model, self.base, jax.random.split(first, SHOWN), self.horizon, self.noise)
        parameters = standardised_to(self.policy, shown)
        value = None if self.value is None else standardised_to(self.value, shown)
        base = jnp.asarray(self._episodes(self.base, evaluation).costs, float)
        zero = jnp.zeros((), jnp.int32)
        return PolicyIterationState(
            step=zero,
            key=key,
            iteration=zero,
            parameters=parameters,
            value=value,
            next_parameters=parameters,
            labels=blank_labels(self.model, self.states),
            loss=jnp.zeros(()),
            # Before the first iteration mu_k and the best policy are the heuristic.
            costs=jnp.stack([base] * 3),
            best=(parameters, value, zero),
            gained=zero + 1,
        )

    def step(self, state: PolicyIterationState) -> tuple[PolicyIterationState, dict[str, Float[Array, ""]]]:
        """Make the next step.

        Returns:
            The next state; and, of a step that evaluates, `iteration`, `cost` and `cost_error` of the policy,
            `change`, `change_error` beside the one before, `gain`, `gain_error` beside the heuristic (all paired;
            negative is better), `truncated` (share of episodes), `loss` of the classifier, `agreement` with held-out
            labels, `value_error` (root of the mean squared error, where there is a value). Other steps have none.
        """
        kind, number = self._task(int(state.step))
        metrics: dict[str, Float[Array, ""]] = {}
        if kind == "label":
            state = self._labelled(state, number)
        elif kind == "fit":
            state = self._fitted(state, number)
        elif kind == "value":
            state = self._valued(state)
        else:
            state, metrics = self._evaluated(state)
        return with_fields(state, step=state.step + 1), metrics

    def steps(self, iterations: int) -> int:
        """Return how many steps so many iterations take."""
        return self._values_first + iterations * len(self._plan)

    def finished(self, state: PolicyIterationState) -> bool:
        """Say whether the last policy gained nothing significant."""
        return not bool(state.gained)

    def trained(self, state: PolicyIterationState) -> Policy:
        """Return the best policy so far: of networks, even where the heuristic is still better.

        Where joint controls may be infeasible, it is an `FeasibleFallback` with the heuristic.
        """
        return self._playable(with_fields(self.policy, parameters=state.best[0]))

    def present(self, state: PolicyIterationState) -> tuple[Policy, NetworkValue | PartitionedValue | None]:
        """Return mu_k, the base of the rollout that labels, and its value, if one is trained."""
        value = None if self.value is None else with_fields(self.value, parameters=state.value)
        return self._present(state), value

    def trained_value(self, state: PolicyIterationState) -> NetworkValue | PartitionedValue:
        """Return the value of the best policy.

        Raises:
            InputError: no value is trained.
        """
        if self.value is None:
            raise InputError("value=None: no value is trained; give a value_network to PolicyIteration.")
        return with_fields(self.value, parameters=state.best[1])

    @property
    def _plan(self) -> list[tuple[str, int]]:
        """The steps of an iteration: labels until so many are there, fits to so many."""
        ends = [math.ceil(self.states * (number + 1) / self.rounds) for number in range(self.rounds)]
        plan, start = [], 0
        for end in ends:
            plan += [("label", first) for first in range(start, end, self.part)] + [("fit", end)]
            start = end
        return [*plan, ("value", 0), ("evaluate", 0)]

    @property
    def _values_first(self) -> int:
        """Whether the heuristic's value is needed before the first label."""
        return int(self._needs_value(self._simulation(0)))

    def _task(self, step: int) -> tuple[str, int]:
        if step < self._values_first:
            return "value", 0
        return self._plan[(step - self._values_first) % len(self._plan)]

    def _round(self, first: int) -> tuple[int, int]:
        """Return the round of a label, and where it ends."""
        ends = [end for kind, end in self._plan if kind == "fit"]
        number = next(number for number, end in enumerate(ends) if first < end)
        return number, ends[number]

    def _simulation(self, iteration: int) -> Simulation:
        return self.simulation if iteration or self.first_simulation is None else self.first_simulation

    def _needs_value(self, simulation: Simulation) -> bool:
        return self.value is not None and simulation.horizon is not None and simulation.terminal_cost is None

    def _present(self, state: PolicyIterationState) -> Policy:
        """Return mu_k."""
        if not int(state.iteration):
            return self.base
        return self._playable(with_fields(self.policy, parameters=state.parameters))

    def _playable(self, policy: Policy) -> Policy:
        return with_fallback(self.model, policy, self.base)

    def _planner(self, state: PolicyIterationState) -> OneAtATimeRollout:
        simulation = self._simulation(int(state.iteration))
        if self._needs_value(simulation):
            simulation = with_fields(simulation, terminal_cost=with_fields(self.value, parameters=state.value))
        return OneAtATimeRollout(self.model, self._present(state), simulation, self.significance, self.schedule)

    def _labelled(self, state: PolicyIterationState, first: int) -> PolicyIterationState:
        """Label the next states."""
        number, end = self._round(first)
        # Keys follow from the training's key and the step: a run that was stopped goes on with the same labels.
        sampling, deciding = jax.random.split(jax.random.fold_in(state.key, state.step))
        # Always a whole part, so that one program serves the last one too; surplus labels are left out below.
        states = self._sampled(state, number, jax.random.split(sampling, self.part))
        decisions = decide_many(self._planner(state), states, jax.random.split(deciding, self.part), on=self.on)
        new = labels_of(states, decisions)
        count = min(self.part, end - first)
        labels = jax.tree.map(lambda old, some: old.at[first : first + count].set(some[:count]), state.labels, new)
        return with_fields(state, labels=labels)

    def _sampled(self, state: PolicyIterationState, number: int, keys: Key) -> State:
        """Take states from episodes of the heuristic, and of the policy whose states matter in this round."""
        present = self._present(state)
        of_base = min(self.part, round(self.share_of_base * self.part))
        # The first round learns from states of mu_k; later ones from states that the classifier itself comes to.
        learner = self._playable(self._next(state)) if number else present
        parts = [(self.base, keys[:of_base]), (learner, keys[of_base:])]
        found = [visited(self.model, who, some, self.horizon, self.noise) for who, some in parts if len(some)]
        return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *found)

    def _fitted(self, state: PolicyIterationState, count: int) -> PolicyIterationState:
        """Fit the classifier to the first labels, as many as there are."""
        place = jnp.arange(self.states)
        # Labels not yet made, and those held out, are data without a chance: the program is the same whatever there is.
        chance = jnp.asarray((place < count) & (place % HELD_OUT != HELD_OUT - 1), float)
        temperature = jnp.asarray(self.temperature, float)
        parameters, mean = fit_networks(
            self._next(state),
            lambda policy: loss_of(classifier_loss, policy, temperature),
            state.labels,
            state.labels.states,
            chance,
            jax.random.fold_in(state.key, state.step),
            self.fitting,
            on=self.on,
        )
        return with_fields(state, next_parameters=parameters, loss=mean)

    def _valued(self, state: PolicyIterationState) -> PolicyIterationState:
        """Fit the value to the costs of the policy that was fitted; before there is any, of the heuristic."""
        if self.value is None:
            return state
        policy = self.base if int(state.step) < self._values_first else self._playable(self._next(state))
        playing, fitting = jax.random.split(jax.random.fold_in(state.key, state.step))
        rows = costs_to_go(self.model, policy, jax.random.split(playing, self.value_states), self.horizon)
        value = with_fields(self.value, parameters=state.value)
        value = with_fields(value, parameters=scaled_to(value, rows[1]))
        parameters, _ = fit_networks(
            value,
            lambda one: loss_of(value_loss, one),
            rows,
            rows[0],
            jnp.ones(self.value_states),
            fitting,
            self.value_fitting,
            on=self.on,
        )
        return with_fields(state, value=parameters)

    def _next(self, state: PolicyIterationState) -> DecentralisedPolicy | PartitionedPolicy:
        return with_fields(self.policy, parameters=state.next_parameters)

    def _episodes(self, policy: Policy, key: Key) -> Estimate:
        return evaluate(self.model, policy, key, episodes=self.episodes, horizon=self.horizon, on=self.on)

    def _evaluated(self, state: PolicyIterationState) -> tuple[PolicyIterationState, dict[str, Float[Array, ""]]]:
        """Compare the new policy with the one before and the heuristic; it is the next base."""
        _, evaluation = jax.random.split(state.key)
        new = self._next(state)
        found = self._episodes(self._playable(new), evaluation)
        # All in the precision that the state keeps: the same costs must compare equal.
        base, before, best = np.asarray(state.costs)
        costs = np.asarray(found.costs, base.dtype)
        change, gain = _paired(costs - before), _paired(costs - base)
        # The first networks are the best ones so far, even where the heuristic is still better.
        better = costs.mean() < best.mean() or not int(state.best[2])
        iteration = state.iteration + 1
        metrics = {
            "iteration": float(iteration),
            "cost": found.mean,
            "cost_error": found.standard_error,
            "change": change[0],
            "change_error": change[1],
            "gain": gain[0],
            "gain_error": gain[1],
            "truncated": found.truncated,
            "loss": float(state.loss),
            "agreement": float(_agreement(new, self._held_out(state))),
        }
        after = with_fields(
            state,
            iteration=iteration,
            parameters=state.next_parameters,
            costs=jnp.asarray(np.stack([base, costs, costs if better else best])),
            best=(state.next_parameters, state.value, iteration) if better else state.best,
            gained=jnp.asarray(self.gain is None or change[0] < -float(self.gain) * change[1], jnp.int32),
        )
        return after, {name: jnp.asarray(number, float) for name, number in metrics.items()}

    def _held_out(self, state: PolicyIterationState) -> Labels:
        held: Labels = jax.tree.map(lambda leaf: leaf[HELD_OUT - 1 :: HELD_OUT], state.labels)
        return held


def _paired(differences: Float[np.ndarray, " episodes"]) -> tuple[float, float]:
    """Return the mean difference and its standard error."""
    return float(np.mean(differences)), float(np.std(differences, ddof=1) / math.sqrt(len(differences)))


_agreement = jit(agreement)


def _check(trainer: PolicyIteration) -> None:
    _check_networks(trainer)
    require_model(trainer.model, starts=True)
    check_planner(trainer.model, trainer.base, trainer.simulation, trainer.significance)
    check_schedule(trainer.schedule, trainer.model.num_agents)
    least = {"states": HELD_OUT, "rounds": 1, "part": 1, "episodes": 2, "horizon": 1, "value_states": 1}
    for name, bound in least.items():
        require_whole(name, getattr(trainer, name), bound)
    for name in ("share_of_base", "noise"):
        require_real(name, getattr(trainer, name), "a share, from 0 to 1", least=0, most=1)
    for name, number in (("temperature", trainer.temperature), ("gain", 0 if trainer.gain is None else trainer.gain)):
        require_real(name, number, "a number from 0 up", least=0)
    if trainer.rounds > trainer.states:
        raise InputError(
            f"rounds={trainer.rounds}: each needs a label at least; give no more than states={trainer.states}."
        )


def _check_networks(trainer: PolicyIteration) -> None:
    """Refuse a policy or value without parameters to fit: a function, or the one kind in place of the other."""
    networks = {
        "policy": (trainer.policy, DecentralisedPolicy | PartitionedPolicy, "policy_classifier"),
        "value": (trainer.value, NetworkValue | PartitionedValue | None, "value_network"),
    }
    for name, (given, wanted, maker) in networks.items():
        if not isinstance(given, wanted):
            raise InputError(
                f"{name} is a {type(given).__name__}, which cannot be fitted; give what {maker} returns, your own "
                "network as its `network`."
            )
    memory = getattr(getattr(trainer.policy, "policy", trainer.policy), "memory", 0)
    if memory:
        raise InputError(f"memory={memory}: labels are of single states; give networks that remember nothing.")
