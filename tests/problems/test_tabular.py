"""Tabular models: the disturbance inverts the law, random teams keep their promises, mistakes are sentences."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as some
from tests.compiled import compiled

import seriatim as st
from seriatim._inverse import inverse
from seriatim.problems import Tabular, random_team
from seriatim.problems._tabular import static_team


def small(**fields):
    """Two states, two agents of two controls, two outcomes."""
    arrays = {
        "successors": np.arange(16).reshape(2, 4, 2) % 2,
        "probabilities": np.full((2, 4, 2), 0.5),
        "costs": np.arange(8.0).reshape(2, 4),
        "mask": np.ones((2, 2, 2), bool),
        "discount": 0.9,
    }
    return Tabular(**(arrays | fields))


ALMOST_ONE = float(np.nextafter(np.float32(1), np.float32(0)))
# Every length has programs of its own.
LENGTHS = (1, 9) if settings.default.max_examples >= 100 else (3, 3)
located = jax.jit(inverse)


@given(
    weights=some.integers(*LENGTHS).flatmap(lambda n: some.lists(some.integers(0, 9), min_size=n, max_size=n)),
    uniform=some.floats(0, ALMOST_ONE, width=32),
)
@example(weights=[0, 3, 0], uniform=0.0)
@example(weights=[0, 1, 1, 1, 1, 1, 1, 1, 0], uniform=ALMOST_ONE)
def test_the_outcome_is_where_the_disturbance_falls_and_never_impossible(weights, uniform):
    assume(any(weights))
    law = np.array(weights, np.float32) / np.float32(sum(weights))
    k = int(located(jnp.asarray(law), jnp.float32(uniform)))
    assert weights[k] > 0
    cumulative = np.cumsum(law.astype(np.float64))
    rounding = 1e-6
    assert cumulative[k] - law[k] - rounding <= uniform <= cumulative[k] + rounding


def test_disturbances_spread_evenly_give_each_outcome_its_probability():
    """1,000 disturbances in the middle of equal parts of the unit interval: exact but for one at each boundary."""
    model = random_team(0, states=4, agents=2, controls=2, successors=3, termination=0.1)
    state, control = jnp.int32(2), jnp.array([1, 0])
    after, probability = model.outcomes(state, control)
    spread = (jnp.arange(1000) + 0.5) / 1000
    seen = jax.jit(jax.vmap(lambda w: model.transition(state, control, w)))(spread)
    for k in range(4):
        share = np.mean((seen.state == after.state[k]) & (seen.done == after.done[k]) & (seen.cost == after.cost[k]))
        assert abs(share - probability[k]) <= 2 / 1000


def test_a_cost_of_the_control_is_that_of_each_of_its_outcomes():
    by_control = small()
    by_outcome = small(costs=np.repeat(np.arange(8.0).reshape(2, 4, 1), 2, axis=2))
    np.testing.assert_array_equal(by_control.costs, by_outcome.costs)


def test_what_is_left_out_has_a_sensible_default():
    mask = np.ones((2, 2, 2), bool)
    mask[1, 0, 0] = False
    model = small(mask=mask, is_feasible=np.array([[True, True, False, True]] * 2))
    # At state 1 agent 0 must play 1, and (1, 0), joint control 2, is infeasible.
    np.testing.assert_array_equal(model.base_control, [[0, 0], [1, 1]])
    np.testing.assert_array_equal(model.initial, [0.5, 0.5])
    assert not np.asarray(model.done).any()


def test_the_first_state_is_drawn_from_its_distribution():
    certain = small(initial=np.array([0.0, 1.0]))
    starts = jax.jit(jax.vmap(certain.initial_state))(jax.random.split(jax.random.key(0), 100))
    np.testing.assert_array_equal(starts, 1)


TEAMS = {
    "counts differ": {"states": 5, "agents": 3, "controls": (2, 1, 3)},
    "constraints": {"states": 6, "agents": 2, "controls": 3, "infeasible": 0.5, "masked": 0.5},
    "one state, one successor": {"states": 1, "agents": 2, "controls": 2, "successors": 1},
    "without discount": {"states": 4, "agents": 4, "controls": 2, "discount": 1.0, "termination": 0.05},
}


@pytest.mark.parametrize("name", TEAMS)
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 5))])
def test_a_random_team_is_what_was_asked_for(seed, name):
    fields = TEAMS[name]
    model = random_team(seed, **fields)
    mask, done = np.asarray(model.mask), np.asarray(model.done)
    counts = fields["controls"] if isinstance(fields["controls"], tuple) else (fields["controls"],) * fields["agents"]
    assert mask.shape == (fields["states"], fields["agents"], max(counts))
    assert not mask[:, np.arange(max(counts)) >= np.array(counts)[:, None]].any()
    # Whatever is chosen, the problem ends with the chance asked for.
    np.testing.assert_allclose((model.probabilities * done).sum(axis=2), fields.get("termination", 0.0), rtol=1e-5)
    # The base policy keeps to the rules, and successors that go on are distinct.
    for x, control in enumerate(np.asarray(model.base_control)):
        assert mask[x, np.arange(len(control)), control].all()
        assert compiled(model).feasible(np.int32(x), control)
        np.testing.assert_array_equal(compiled(model.base_policy())(np.int32(x), jax.random.key(0)), control)
    for place in np.ndindex(done.shape[:2]):
        onwards = np.asarray(model.successors)[place][~done[place]]
        assert len(set(onwards.tolist())) == len(onwards)


def test_a_seed_decides_everything():
    first, second, other = (random_team(seed, states=4, agents=2, controls=2) for seed in (3, 3, 4))
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_array_equal(a, b)
    assert (np.asarray(first.costs) != np.asarray(other.costs)).any()


def test_a_static_team_pays_its_table_for_ever():
    costs = np.arange(8.0).reshape(2, 2, 2)
    model = static_team(costs, discount=0.5, base_control=(1, 0, 1))
    for u in itertools.product(range(2), repeat=3):
        assert compiled(model).transition(np.int32(0), np.array(u), np.float32(0.3)).cost == costs[u]
        # 1 + 1/2 + 1/4 + ... = 2 stages.
        np.testing.assert_allclose(st.exact.cost_to_go(model, np.array([u])), 2 * costs[u])
    np.testing.assert_array_equal(model.base_control, [[1, 0, 1]])


def but(array, place, value):
    changed = np.array(array)
    changed[place] = value
    return changed


EVEN = np.full((2, 4, 2), 0.5)
MISTAKES = {
    "probabilities has shape (2, 4); give [states, joint": lambda: small(probabilities=np.ones((2, 4))),
    "probabilities has shape (0, 4, 2); give [states, joint": lambda: small(probabilities=np.ones((0, 4, 2))),
    "probabilities[1, 2] is [0.5, 0.25] with sum 0.75": lambda: small(probabilities=but(EVEN, (1, 2, 1), 0.25)),
    "probabilities[0, 0] is [1.5, -0.5] with sum 1": lambda: small(probabilities=but(EVEN, (0, 0), [1.5, -0.5])),
    "probabilities[0, 0] is [nan, 0.5]": lambda: small(probabilities=but(EVEN, (0, 0, 0), np.nan)),
    "mask has shape (2, 2, 3), which does not fit": lambda: small(mask=np.ones((2, 2, 3), bool)),
    "successors has shape (2, 4)": lambda: small(successors=np.zeros((2, 4), int)),
    "successors[0, 1, 1] is 2; a number of a state, 0..1,": lambda: small(
        successors=but(np.zeros((2, 4, 2), int), (0, 1, 1), 2)
    ),
    "successors holds 0.5; whole numbers": lambda: small(successors=np.full((2, 4, 2), 0.5)),
    "costs[1, 3, 0] is inf; stage costs must be finite": lambda: small(costs=but(np.ones((2, 4)), (1, 3), np.inf)),
    "costs has shape (3,)": lambda: small(costs=np.ones(3)),
    "done has shape (2,)": lambda: small(done=np.zeros(2, bool)),
    "initial is [0.5, 0.25] with sum 0.75": lambda: small(initial=np.array([0.5, 0.25])),
    "discount=0: give a number above 0 and at most 1": lambda: small(discount=0),
    "State 1 has no joint control that mask": lambda: small(mask=but(np.ones((2, 2, 2), bool), (1, 0), False)),
    "base_control has shape (2, 3)": lambda: small(base_control=np.zeros((2, 3), int)),
    "base_control has shape (2, 2) and values 0..2": lambda: small(base_control=np.array([[0, 0], [2, 0]])),
    "base_control holds 0.5; whole numbers": lambda: small(base_control=np.full((2, 2), 0.5)),
    "base_control at state 0 is [0, 0], which mask or is_feasible forbids": lambda: small(
        base_control=np.zeros((2, 2), int), is_feasible=but(np.ones((2, 4), bool), (0, 0), False)
    ),
    "states=0, agents=2": lambda: random_team(0, states=0, agents=2, controls=2),
    "states=3, agents=2, controls=(2, 2, 2)": lambda: random_team(0, states=3, agents=2, controls=(2, 2, 2)),
    "successors=4 is more than states=3": lambda: random_team(0, states=3, agents=2, controls=2, successors=4),
    "termination=1.0: give a chance": lambda: random_team(0, states=3, agents=2, controls=2, termination=1.0),
    "discount=1 without termination": lambda: random_team(0, states=3, agents=2, controls=2, discount=1.0),
    "costs has shape (2, 3); give one axis for each agent": lambda: static_team(np.ones((2, 3)), discount=0.5),
    "discount=1: give a number above 0 and below 1": lambda: static_team(np.ones((2, 2)), discount=1),
}


@pytest.mark.parametrize("sentence", MISTAKES)
def test_a_mistake_in_a_table_is_one_clear_sentence(sentence, without_type_checks):
    with pytest.raises(st.InputError) as caught:
        without_type_checks(MISTAKES[sentence])
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


def test_jax_takes_a_model_apart_without_checking_it_again():
    model = small()
    doubled = jax.tree.map(lambda leaf: leaf * 2, dataclasses.replace(model, discount=0.4))
    assert doubled.discount == 0.8
    assert float(doubled.probabilities.sum()) == 16  # no distribution any more, and no complaint
