"""Timing of decisions under a deadline: what is reported, and which decisions; not how long they take."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st
from seriatim.evaluation import time_decisions
from seriatim.evaluation._deadlines import timing
from seriatim.simulation._stage import streams


def decision(compared, rows=2, controls=3):
    zero, none = jnp.zeros(()), jnp.zeros(rows, jnp.int32)
    counts = [jnp.int32(count) for count in (compared, compared, 1, compared)]
    return st.Decision(none, none, jnp.zeros((rows, controls)), jnp.zeros((rows, controls)), zero, zero, *counts)


def test_the_last_percent_is_one_that_was_measured():
    found = timing(50, [decision(6)] * 200, np.arange(1.0, 201.0).tolist())
    assert (found.median_ms, found.p99_ms, found.worst_ms) == (100.5, 198, 200)
    assert (found.budget_ms, found.decisions, found.over_budget) == (50, 200, 0.75)
    assert str(found) == (
        "deadline 50 ms: median 100 ms, 99 % within 198 ms, worst 200 ms, 75.0% late, "
        "100% of the Q-factors compared (200 decisions)"
    )


def test_shares_are_those_of_a_whole_decision_and_at_most_one():
    # The optimised order compares more than m*c.
    found = timing(None, [decision(0), decision(3), decision(9)], [1.0, 2.0, 3.0])
    assert found.share_compared == 0.5
    assert found.over_budget == 0
    assert str(found).startswith("no deadline: median 2 ms, 99 % within 3 ms, worst 3 ms, 50% of")


@st.record
class Recording:
    """A planner that notes what it is asked."""

    model: object
    base: object
    pace: object = None
    asked: list = st.static(default_factory=list)

    def __call__(self, info, key):
        return self.base(info, key)

    def decide(self, info, key):
        return dataclasses.replace(decision(6), control=self(info, key))

    def act(self, info, key, *, budget_ms=None):
        self.asked.append((info, key, budget_ms))
        return self.decide(info, key)

    def warmup(self, state=None, key=None):
        self.asked.append("warmup")
        return dataclasses.replace(self, pace=1.0)


def test_the_decisions_are_those_of_episodes_one_after_the_other():
    model = st.problems.random_team(0, states=5, agents=2, controls=3, discount=0.9)
    planner = Recording(model, model.base_policy())
    key = jax.random.key(4)
    found = time_decisions(planner, key, budget_ms=3, decisions=5, horizon=3)
    assert (found.decisions, found.budget_ms) == (5, 3.0)
    assert planner.asked.pop(0) == "warmup"
    assert [budget for _, _, budget in planner.asked] == [3] * 5
    for number, (state, own_key, _) in enumerate(planner.asked):
        episode, t = divmod(number, 3)
        path = st.simulate(model, planner.base, jax.random.fold_in(key, episode), horizon=3)
        assert state == path.states[t]
        expected = jax.random.fold_in(streams(jax.random.fold_in(key, episode)).policy, t)
        assert jax.random.key_data(own_key).tolist() == jax.random.key_data(expected).tolist()


def test_a_planner_that_is_warm_is_not_warmed_again():
    model = st.problems.random_team(0, states=5, agents=2, controls=3, discount=0.9)
    planner = Recording(model, model.base_policy(), pace=1.0)
    time_decisions(planner, jax.random.key(0), budget_ms=None, decisions=1)
    assert "warmup" not in planner.asked


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"decisions": 0}, "decisions=0: give a whole number from 1 up"),
        ({"horizon": 1.5}, "horizon=1.5: give a whole number from 1 up"),
        ({"horizon": 0}, "horizon=0: give a whole number from 1 up"),
        ({"planner": "signalling"}, r"SignallingRollout has no methods act and warmup.*give st.Anytime\(planner\)"),
    ],
)
def test_mistakes_are_refused(wrong, sentence, without_type_checks):
    model = st.problems.random_team(0, states=5, agents=2, controls=3, discount=0.9)
    given = {"planner": Recording(model, model.base_policy()), "budget_ms": 1.0} | wrong
    if given["planner"] == "signalling":
        given["planner"] = st.SignallingRollout(model, model.base_policy())
    with pytest.raises(st.InputError, match=sentence):
        without_type_checks(lambda: time_decisions(given.pop("planner"), jax.random.key(0), **given))
