"""What is told while a comparison goes on: how far it is, what decisions take where a policy comes to, what is done."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st
from seriatim.evaluation import Interrupted, _timing
from seriatim.simulation import _episodes

KEY = jax.random.key(0)


@st.record
class Clock:
    """The state is the stage; an episode ends after 40 stages at the latest, or with chance p in each."""

    p: float = 0.0
    discount: float = 1.0
    num_agents: int = st.static(default=1)
    num_controls: int = st.static(default=2)

    def initial_state(self, key):
        return jnp.zeros((), jnp.int32)

    def control_mask(self, state):
        return jnp.ones((1, 2), bool)

    def sample_disturbance(self, key):
        return jax.random.uniform(key)

    def transition(self, state, control, disturbance):
        return st.Transition(state + 1, 1.0 + disturbance, (disturbance < self.p) | (state + 1 >= 40))


def stays(state, key):
    return jnp.zeros(1, jnp.int32)


def played(model, **settings):
    told = []
    found = st.evaluate(
        model, stays, KEY, episodes=100, horizon=100, progress=lambda *some: told.append(some), **settings
    )
    return found, [done for done, _ in told]


def test_progress_counts_stages_where_all_episodes_end_together():
    """40 of 100 stages: after the first piece of 4 stages a twenty-fifth is done, and so on."""
    found, done = played(Clock())
    assert set(found.stages) == {40}
    assert done[0] == pytest.approx(4)
    assert len(done) >= 3
    assert done == sorted(done)
    assert done[-1] == 100


@pytest.mark.parametrize("piece", [0.0, 1000.0])
def test_following_changes_no_number_whatever_the_clock_says(monkeypatch, piece):
    """With six lanes filled again and again, and pieces of 4 stages or twice as long each time."""
    for name, value in {"FEWEST": 2, "MOST": 6, "ROOM": 2, "PIECE": piece}.items():
        monkeypatch.setattr(_episodes, name, value)
    alone = st.evaluate(Clock(p=0.2), stays, KEY, episodes=100, horizon=100)
    followed, done = played(Clock(p=0.2))
    np.testing.assert_array_equal(followed.costs, alone.costs)
    np.testing.assert_array_equal(followed.stages, alone.stages)
    assert any(share != int(share) for share in done)


def test_decisions_are_timed_at_states_that_the_policy_comes_to(monkeypatch):
    decide, states = _timing._decide, []

    def noted(policy, state, key):
        states.append(int(state))
        return decide(policy, state, key)

    monkeypatch.setattr(_timing, "_decide", noted)
    row = st.compare(Clock(), {"base": stays}, KEY, episodes=100, horizon=100).rows["base"]
    first, *visited = states  # the first compiles
    assert first == 0
    assert len(visited) == _timing.DECISIONS
    assert len(set(visited)) > 1
    assert 0 < min(visited) <= max(visited) < 40
    assert 1 < row.states_timed <= _timing.DECISIONS


def test_states_of_all_pieces_are_kept_alike():
    """5,000 states are offered, ten at each of 500 moments: those kept are of early and of late ones."""
    visited = _timing.Visited()
    for moment in range(1, 501):
        stages = np.full(10, moment, np.int32)
        visited.look(_episodes.UnderWay(jnp.asarray(stages), stages, np.arange(10) < 7))
    kept = [int(state) for state in visited.states]
    assert len(kept) == _timing.DECISIONS
    # Each moment has the chance of every other; all 21 in one half: twice 2**-21, and the choice is always the same.
    assert min(kept) < 250 < max(kept)


def test_lanes_that_have_not_begun_or_are_over_offer_nothing():
    visited = _timing.Visited()
    visited.look(_episodes.UnderWay(jnp.arange(3), np.array([0, 5, 5], np.int32), np.array([True, False, False])))
    assert visited.states == []


def test_tracing_and_compiling_are_told_apart():
    def slowly(x):
        time.sleep(0.2)
        return jax.jit(lambda y: time.sleep(0.1) or y + 1)(x)  # traced within the other: its time counts once

    before = _timing.preparation()
    begin = time.monotonic()
    jax.jit(slowly)(jnp.ones(3)).block_until_ready()
    passed = time.monotonic() - begin
    spent = _timing.preparation().since(before)
    assert spent.tracing >= 0.3
    assert spent.compiling > 0
    assert spent.tracing + spent.compiling <= passed + 0.01


def test_spans_within_spans_count_once(monkeypatch):
    monkeypatch.setattr(_timing, "_spans", [])
    for begin, end in ((0.0, 1.0), (2.0, 3.0), (5.00001, 6.0), (6.0, 7.0), (5.0, 8.0), (4.0, 9.0), (9.5, 10.0)):
        _timing._join(begin, end)
    assert _timing._spans == [(0, 1), (2, 3), (4, 9), (9.5, 10)]


def test_a_comparison_that_is_interrupted_hands_over_what_is_finished():
    told = []

    def stop_at_the_second(name, done, total):
        told.append((name, done))
        if name == "again" and done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as stopped:
        st.compare(
            Clock(), {"base": stays, "again": stays}, KEY, episodes=100, horizon=100, progress=stop_at_the_second
        )
    assert isinstance(stopped.value, Interrupted)
    assert list(stopped.value.finished.rows) == ["base"]
    assert stopped.value.finished.rows["base"].estimate.mean > 40
    assert told[0] == ("base", 0)
