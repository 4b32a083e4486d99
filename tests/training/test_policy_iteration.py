"""Approximate policy iteration beside the exact one, its laws, and its resumption."""

import dataclasses
import importlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st
from seriatim.networks import (
    FeasibleFallback,
    Featured,
    decentralised_policy,
    partitioned,
    policy_classifier,
    value_network,
)
from seriatim.testing import count_compilations
from seriatim.training import Fitting, PolicyIteration, Run, train

STATES, AGENTS, CONTROLS = 8, 2, 3
KEY = jax.random.key(7)


def team(number):
    """A random problem; all numbers make the same program."""
    return st.problems.random_team(number, states=STATES, agents=AGENTS, controls=CONTROLS, successors=2, discount=0.8)


def trainer_of(model, **changes):
    settings = {
        "policy": policy_classifier(model, jax.random.key(0), hidden=(32,)),
        "simulation": st.Simulation(horizon=20, num_samples=128),
        "significance": 0.0,
        "share_of_base": 0.0,
        "rounds": 1,
        "states": 160,
        "part": 160,
        "noise": 1.0,
        "episodes": 20,
        "horizon": 20,
        "fitting": Fitting(passes=60, batch=64, learning_rate=1e-2, least_steps=1),
    }
    return PolicyIteration(model, model.base_policy(), **settings | changes)


def iterated(trainer, iterations):
    """Return the states after each iteration."""
    state, found = trainer.init(KEY), []
    for _ in range(trainer.steps(iterations)):
        state, metrics = trainer.step(state)
        if metrics:
            found.append(state)
    return found


@pytest.mark.slow
def test_it_goes_the_way_of_the_exact_iteration_on_ten_random_models(optimised):
    """Nowhere can one agent at a time gain more than 1 % on the policy it ends with, by the exact iteration from there;
    and round by round it is the exact iteration within 1 %, in all models but one.

    One: Q-factors that differ by less than their errors may lead to another agent-by-agent optimum.
    """
    followed = 0
    for number in range(10):
        model = team(number)
        exact = st.exact.policy_iteration(model, improvement="one-at-a-time", initial=model.base_policy())
        trainer = trainer_of(model)
        rounds = iterated(trainer, 7)
        policies = [dataclasses.replace(trainer.policy, parameters=state.parameters) for state in rounds]
        costs = [float(np.mean(st.exact.cost_to_go(model, policy))) for policy in policies]
        further = st.exact.policy_iteration(model, improvement="one-at-a-time", initial=policies[-1])
        assert float(np.mean(further.cost_to_go)) >= 0.99 * costs[-1], (number, costs)
        yardstick = [float(np.mean(each)) for each in exact.history[1:]]
        yardstick += yardstick[-1:] * (len(costs) - len(yardstick))
        followed += all(cost <= 1.01 * least for cost, least in zip(costs, yardstick, strict=False))
    assert followed >= 9


def small(**changes):
    """A trainer of few and cheap steps, with all that a step can be."""
    model = team(3)
    settings = {
        "value": value_network(model, jax.random.key(1), hidden=(8,)),
        "simulation": st.Simulation(horizon=3, num_samples=4),
        "states": 30,
        "part": 16,
        "rounds": 2,
        # The heuristic plays half of the episodes, and the value is fitted to as many states: programs of one shape.
        "share_of_base": 0.5,
        "value_states": 8,
        "episodes": 8,
        "horizon": 6,
        "gain": None,
        "fitting": Fitting(passes=2, batch=8, least_steps=5),
        "value_fitting": Fitting(passes=2, batch=8, least_steps=5),
    }
    policy = {"policy": policy_classifier(model, jax.random.key(0), hidden=(8,))}
    return trainer_of(model, **policy | settings | changes)


def leaves(state):
    return [
        np.asarray(jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x)
        for x in jax.tree.leaves(state)
    ]


class Killed(Exception):
    """What stands for a process that is killed."""


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    trainer, run = small(), Run.create(tmp_path_factory.mktemp("runs") / "whole", {})
    return train(trainer, KEY, steps=trainer.steps(2), run=run), run


def assert_is_the_unbroken(found, place, unbroken):
    whole, its_run = unbroken
    assert [a.tobytes() for a in leaves(whole.state)] == [b.tobytes() for b in leaves(found.state)]
    one, other = its_run.metrics(), Run.open(place).metrics()
    for name in set(one) - {"seconds"}:
        np.testing.assert_array_equal(one[name], other[name])
    assert np.isfinite(one["cost"]).sum() == 2
    files = [
        {path.name: path.read_bytes() for path in (run / "checkpoints").iterdir()} for run in (its_run.path, place)
    ]
    assert files[0] == files[1]


@pytest.mark.parametrize("stops", [(1, 4, 5), (2, 3, 9)])
def test_killed_between_any_steps_and_resumed_it_is_the_unbroken_training(tmp_path, unbroken, stops):
    trainer = small()
    steps = trainer.steps(2)
    place = tmp_path / "broken"
    Run.create(place, {})

    for stop in stops:

        def kill(done, *_, at=stop):
            if done == at:
                raise Killed

        with pytest.raises(Killed):
            train(trainer, KEY, steps=steps, run=Run.open(place), resume=True, progress=kill)
    broken = train(trainer, KEY, steps=steps, run=Run.open(place), resume=True)
    assert_is_the_unbroken(broken, place, unbroken)


def test_killed_in_the_midst_of_labels_a_fit_or_a_write_and_the_disk_full(tmp_path, unbroken, monkeypatch):
    """One run meets all of it, and ends as the one that met nothing. Workers that are killed: `tests/parallel`."""
    trainer, place = small(), tmp_path / "broken"
    steps = trainer.steps(2)
    Run.create(place, {})
    of_iteration = "seriatim.training._policy_iteration."

    def meets(target, nth, fate):
        """Go on, until the call of that number meets its fate, after it has done its work."""
        module, _, name = target.rpartition(".")
        real, calls = getattr(importlib.import_module(module), name), []

        def fatal(*given, **options):
            calls.append(given)
            found = real(*given, **options)
            if len(calls) == nth:
                raise fate
            return found

        with monkeypatch.context() as patch:
            patch.setattr(target, fatal)
            with pytest.raises((Killed, st.InputError)) as caught:
                train(trainer, KEY, steps=steps, run=Run.open(place), resume=True)
        return str(caught.value)

    meets(of_iteration + "decide_many", 2, Killed())
    meets(of_iteration + "fit_networks", 2, Killed())
    meets("os.replace", 4, Killed())
    said = meets("os.fsync", 7, OSError(28, "No space left on device"))
    assert re.search(r"cannot be written \(No space left on device\); the checkpoint after \d+ steps is kept", said)
    assert 0 < Run.open(place).status["step"] < steps
    found = train(trainer, KEY, steps=steps, run=Run.open(place), resume=True)
    assert_is_the_unbroken(found, place, unbroken)


def test_from_the_second_iteration_on_nothing_is_compiled():
    trainer = small()
    state = trainer.init(KEY)
    per_iteration = len(range(trainer.steps(2))) - trainer.steps(1)
    for _ in range(trainer.steps(2)):
        state, _ = trainer.step(state)
    with count_compilations() as counted:
        for _ in range(per_iteration):
            state, metrics = trainer.step(state)
    assert metrics["iteration"] == 3
    assert counted == []


def test_it_ends_where_nothing_significant_is_gained():
    trainer = small(gain=1e9)
    trained = train(trainer, KEY, steps=trainer.steps(50))
    assert trained.finished
    assert trained.step == trainer.steps(1)


def test_the_best_policy_is_kept_not_the_last():
    trainer = small()
    state = trainer.init(KEY)
    seen = []
    for _ in range(trainer.steps(4)):
        state, metrics = trainer.step(state)
        if metrics:
            seen.append((float(metrics["cost"]), int(metrics["iteration"])))
    assert int(state.best[2]) == min(seen)[1]


@pytest.mark.slow
def test_regions_are_fitted_to_their_own_states_alone():
    """With labels of one region only, the networks of the other stay as they are."""
    model = team(3)
    split = partitioned(policy_classifier(model, jax.random.key(0), hidden=(8,)), Halves(), 2)
    values = partitioned(value_network(model, jax.random.key(1), hidden=(8,)), Halves(), 2)
    trainer = small(policy=split, value=values)
    state = trainer.init(KEY)
    for _ in range(trainer.steps(1)):
        state, _ = trainer.step(state)
    after = jax.tree.leaves(state.parameters)
    assert any(not np.array_equal(leaf[0], leaf[1]) for leaf in after)
    everywhere = trainer.trained(state)
    for number in range(STATES):
        key = jax.random.key(0)
        own = jax.tree.map(lambda leaf, r=number // (STATES // 2): leaf[r], everywhere.policy.parameters)
        alone = dataclasses.replace(split.policy, parameters=own)
        np.testing.assert_array_equal(everywhere.policy(jnp.int32(number), key), alone(jnp.int32(number), key))


@st.record
class Halves:
    """The lower and the upper half of the states."""

    def __call__(self, state):
        return (state >= STATES // 2).astype(jnp.int32)


def test_where_networks_choose_what_is_infeasible_the_heuristic_plays():
    model = st.problems.random_team(1, states=5, agents=2, controls=3, infeasible=0.7)
    chosen = jnp.zeros(2, jnp.int32)
    guarded = FeasibleFallback(model, lambda info, key: chosen, model.base_policy())
    key = jax.random.key(0)
    for number in range(5):
        state = jnp.int32(number)
        expected = chosen if model.feasible(state, chosen) else model.base_policy()(state, key)
        np.testing.assert_array_equal(guarded(state, key), expected)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"states": 3}, "states=3"),
        ({"rounds": 0}, "rounds=0"),
        ({"noise": 1.5}, "noise=1.5"),
        ({"temperature": -1.0}, "temperature=-1.0"),
        ({"schedule": st.InTurn((0, 0))}, "order"),
        (
            {"policy": lambda state, key: jnp.zeros(2, jnp.int32)},
            "policy is a function, which cannot be fitted; give what policy_cl",
        ),
        ({"value": lambda state: 0.0}, "value is a function, which cannot be fitted; give what value_net"),
        ({"policy": decentralised_policy(Featured(team(3)), KEY, hidden=(4,), memory=3)}, "memory=3"),
    ],
)
def test_mistakes_are_one_sentence(changes, said, without_type_checks):
    with pytest.raises(st.InputError, match=said) as caught:
        without_type_checks(lambda: small(**changes))
    assert "\n" not in str(caught.value)
