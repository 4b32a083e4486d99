"""Networks as policies: agents choose from what they see, and the result is a policy like any other."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from watched import watched

import seriatim as st
from seriatim.networks import WithMemory, decentralised_policy, network_policy


def hunting(**fields):
    small = {"spiders": 3, "flies": 3, "width": 6, "height": 5, "vision": 2, "cost": "flies"}
    return st.problems.SpidersAndFlies(**small | fields)


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "separate"])
def test_an_agents_logits_are_a_function_of_what_it_sees(shared):
    model = hunting()
    policy = decentralised_policy(model, jax.random.key(0), hidden=(8,), shared=shared)
    logits = jax.jit(lambda seen: policy.propose(seen, policy.blank())[0])
    seen = np.asarray(jax.jit(lambda key: model.agent_observations(model.initial_state(key)))(jax.random.key(1)))
    before = np.asarray(logits(seen))
    for agent in range(3):
        after = np.asarray(logits(seen + (np.arange(3) == agent)[:, None]))
        changed = (after != before).any(axis=1)
        assert changed.tolist() == [i == agent for i in range(3)]
    alike = np.asarray(logits(np.broadcast_to(seen[0], seen.shape)))
    # Those who share parameters and see the same think the same; those with their own do not.
    assert (alike == alike[:1]).all() == shared


@pytest.mark.parametrize(
    ("memory", "greedy"),
    [(0, True), (4, False), *(pytest.param(m, g, marks=pytest.mark.slow) for m, g in ((4, True), (0, False)))],
)
def test_the_laws_of_policies_hold(memory, greedy):
    model = hunting(fly_behaviour="wander")
    policy = decentralised_policy(model, jax.random.key(0), hidden=(8,), memory=memory, greedy=greedy)
    around = WithMemory(model, policy) if memory else model
    assert st.check_policy(around, policy, jax.random.key(0)).ok


@pytest.mark.parametrize("quick", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["quick", "all"])
def test_a_model_that_remembers_keeps_the_laws_of_models(quick):
    model = hunting(spiders=2, flies=2) if quick else hunting(fly_behaviour="wander", spiders=2, flies=2)
    policy = decentralised_policy(model, jax.random.key(0), hidden=(4,), memory=3)
    assert st.check_model(WithMemory(model, policy), jax.random.key(0), quick=quick).ok


def test_controls_are_drawn_with_the_chances_of_the_logits():
    model = hunting()
    policy = decentralised_policy(model, jax.random.key(0), hidden=(8,))
    policy = dataclasses.replace(policy, parameters=jax.tree.map(lambda leaf: 5 * leaf, policy.parameters))
    state = model.initial_state(jax.random.key(1))
    count = 20_000
    drawn = jax.jit(jax.vmap(lambda key: policy(state, key)))(jax.random.split(jax.random.key(2), count))
    chances = np.asarray(jax.nn.softmax(policy.logits(state, policy.blank())[0]))
    shares = np.stack([np.mean(np.asarray(drawn) == control, axis=0) for control in range(5)], axis=1)
    # 15 shares within 5.5 standard errors: a right program fails once in a million seeds.
    assert (np.abs(shares - chances) <= 5.5 * np.sqrt(chances * (1 - chances) / count)).all()


@pytest.mark.slow
@pytest.mark.parametrize("memory", [0, 3])
def test_a_rollout_on_top_is_no_worse_on_any_sample_and_speculation_changes_nothing(memory):
    model = hunting(fly_behaviour="wander")
    policy = decentralised_policy(model, jax.random.key(0), hidden=(4,), memory=memory)
    around = WithMemory(model, policy) if memory else model
    in_turn, ahead = (
        st.OneAtATimeRollout(
            around, policy, st.Simulation(horizon=8, num_samples=4), schedule=schedule, significance=0.0
        )
        for schedule in (st.InTurn(), st.Speculative(window=99))
    )
    state = around.initial_state(jax.random.key(4))
    one, other = in_turn.decide(state, jax.random.key(5)), ahead.decide(state, jax.random.key(5))
    assert np.array_equal(one.q_factors, other.q_factors)
    assert np.array_equal(one.control, other.control)
    assert (np.diff(np.asarray(one.q_factors).min(axis=1)) <= 1e-5).all()
    assert int(one.num_simulations) <= model.num_agents * (model.num_controls - 1) + 1
    assert float(one.improvement) >= 0


def test_a_network_serves_as_signal():
    """Agent i's Q-factors are those of its controls beside the guesses for its predecessors and the others at base."""
    model = hunting()
    signal = decentralised_policy(model, jax.random.key(0), hidden=(4,), greedy=True)
    base, horizon = model.base_policy(), 40
    planner = st.SignallingRollout(model, base, signal, st.Simulation(horizon=horizon))
    state = model.initial_state(jax.random.key(1))
    row = np.asarray(planner.decide(state, jax.random.key(2)).q_factors)[2]
    guess, chosen, mask = jax.jit(lambda key: (signal(state, key), base(state, key), model.control_mask(state)))(
        jax.random.key(0)
    )
    assert not np.array_equal(guess[:2], chosen[:2])
    moved = jax.jit(lambda control, key: model.transition(state, control, model.sample_disturbance(key)))
    for move in np.flatnonzero(mask[2]):
        after = moved(np.append(guess[:2], move).astype(np.int32), jax.random.key(0))
        rest = st.simulate(model, base, jax.random.key(0), state=after.state, horizon=horizon)
        assert rest.terminated
        assert np.isclose(row[move], after.cost + rest.cost)


def test_parameters_are_data_and_compile_once():
    model = hunting()
    policy = decentralised_policy(model, jax.random.key(0), hidden=(8,))
    state, traced = model.initial_state(jax.random.key(1)), []

    @jax.jit
    def logits(policy, state):
        traced.append(1)
        return policy.logits(state, policy.blank())[0]

    found = [logits(decentralised_policy(model, jax.random.key(seed), hidden=(8,)), state) for seed in range(3)]
    found.append(logits(dataclasses.replace(policy, parameters=policy.parameters), state))
    assert len(traced) == 1
    assert not np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[3])


class Linear(eqx.Module):
    """A user's own network."""

    weight: jax.Array
    scale: float = eqx.field(static=True, default=2.0)

    def __call__(self, observation):
        return self.scale * self.weight @ observation


def test_a_network_of_ones_own_is_called_as_it_is():
    model = watched()
    weight = jax.random.normal(jax.random.key(0), (3, 3))
    policy = network_policy(model, Linear(weight))
    state = jnp.int32(3)
    expected = 2.0 * np.asarray(model.agent_observations(state)) @ np.asarray(weight).T
    assert np.allclose(policy.propose(model.agent_observations(state), policy.blank())[0], expected, atol=1e-5)


def test_mistakes_are_answered_in_a_sentence(without_type_checks):
    model = hunting()
    plain = st.problems.SpidersOnALine()
    for sentence, make in {
        "SpidersOnALine does not say what each agent sees": lambda: decentralised_policy(plain, jax.random.key(0)),
        "memory=-1: give 0 for agents without a memory": lambda: decentralised_policy(
            model, jax.random.key(0), memory=-1
        ),
        "memory=2.5: give 0 for agents": lambda: decentralised_policy(model, jax.random.key(0), memory=2.5),
        "hidden=8: a layer needs": lambda: decentralised_policy(model, jax.random.key(0), hidden=8),
        "Hunt is a state without memories; let it play WithMemory": lambda: decentralised_policy(
            model, jax.random.key(0), hidden=(4,), memory=2
        ).split(jax.eval_shape(model.initial_state, jax.random.key(0))),
        "a layer needs at least 1 unit": lambda: decentralised_policy(model, jax.random.key(0), hidden=(8, 0)),
        "cannot be called on an observation of": lambda: network_policy(model, Linear(jnp.zeros((5, 2)))),
        "returns shapes": lambda: network_policy(model, Linear(jnp.zeros((4, 2 + 3 * 13)))),
    }.items():
        with pytest.raises(st.InputError, match=sentence):
            without_type_checks(make)
