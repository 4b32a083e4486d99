"""A newcomer's first table waits for programs: few are written, each stage once, and few are compiled."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

import seriatim as st
from seriatim.simulation import _episodes
from seriatim.testing import count_compilations

KEY = jax.random.key(0)


@st.record
class Queue:
    """Two servers and a queue each; `traced` counts how often the law of motion is written."""

    traced: ClassVar[list[None]] = []
    discount: float = 0.9
    num_agents: int = st.static(default=2)
    num_controls: int = st.static(default=3)

    def initial_state(self, key):
        return jax.random.randint(key, (2,), 0, 4)

    def control_mask(self, state):
        return jnp.ones((2, 3), bool)

    def sample_disturbance(self, key):
        return jax.random.uniform(key, (2,))

    def transition(self, state, control, luck):
        self.traced.append(None)
        after = jnp.clip(state + (luck < 0.5) - control, 0, 4)
        return st.Transition(after, jnp.sum(after + control * 0.5), jnp.all(after == 0))


def idle(state, key):
    return jnp.zeros(2, jnp.int32)


def test_a_decision_writes_each_simulation_once():
    """Of the base control, and of a turn: the first stage and all later ones are one piece of program each.

    They are written when a program needs them: a decision that is mapped over states writes the program of many alone.
    Within a program that is still being traced the state is examined first, which traces the law of motion once more.
    """
    planner = st.OneAtATimeRollout(Queue(), idle, st.Simulation(num_samples=4), schedule=st.InTurn())
    before = len(Queue.traced)
    jax.jit(planner.decide).lower(jnp.array([1, 2]), KEY)
    assert len(Queue.traced) - before == 2 + 1
    before = len(Queue.traced)
    jax.make_jaxpr(jax.vmap(planner.decide, (0, None)))(jnp.array([[1, 2], [0, 3], [2, 2]]), KEY)
    assert len(Queue.traced) - before == 2 + 1


def test_a_quick_check_compiles_two_programs():
    st.check_model(Queue(), KEY, quick=True)  # asks the compiler for its options, once
    with count_compilations() as compiled:
        assert st.check_model(Queue(discount=0.8), KEY, quick=True).ok
    assert len(compiled) == 2, compiled


def test_episodes_with_lanes_of_their_own_are_those_of_lanes_that_are_filled_again(monkeypatch):
    def played():
        return st.evaluate(Queue(), idle, KEY, episodes=7, horizon=9)

    alone = played()
    monkeypatch.setattr(_episodes, "_width", lambda model, policy, episodes: min(episodes, 2))
    filled = played()
    assert np.array_equal(alone.costs, filled.costs)
    assert np.array_equal(alone.stages, filled.stages)
