"""In a batch, every state takes the turn of its own next agent that has a choice: same decisions, fewer simulations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st
from seriatim.simulation._engine import CompiledEngine


@st.record
class Workshop:
    """Four agents; the state says which of them have a choice. Costs are noisy, and less for one control."""

    num_agents: int = st.static(default=4)
    num_controls: int = st.static(default=2)
    discount: float = 1.0

    def initial_state(self, key):
        return jax.random.bernoulli(key, 0.5, (4,))

    def sample_disturbance(self, key):
        return jax.random.uniform(key, (4,))

    def control_mask(self, state):
        return jnp.stack([jnp.ones(4, bool), state], axis=1)

    def transition(self, state, control, disturbance):
        pays = jnp.where(control == 1, 1.5 * disturbance, 1.0 + jnp.arange(4.0) / 10)
        return st.Transition(state, jnp.sum(pays), False)


@pytest.mark.parametrize("allocation", [st.planning.Uniform(), st.Halving()], ids=["uniform", "halving"])
def test_every_state_takes_its_own_turns(monkeypatch, allocation):
    model, calls, simulated = Workshop(), [], CompiledEngine._simulated

    def counted(engine, ask):
        jax.debug.callback(lambda _: calls.append(len(ask.controls)), ask.controls)
        return simulated(engine, ask)

    monkeypatch.setattr(CompiledEngine, "_simulated", counted)
    plan = st.Simulation(horizon=1, num_samples=8)
    planner = st.OneAtATimeRollout(
        model, lambda state, key: jnp.zeros(4, jnp.int32), plan, schedule=st.InTurn(allocation=allocation)
    )
    states = jnp.concatenate([jnp.eye(4, dtype=bool), jnp.zeros((1, 4), bool)])
    keys = jax.random.split(jax.random.key(0), 5)
    alone = [planner.decide(state, key) for state, key in zip(states, keys, strict=True)]
    jax.effects_barrier()
    calls.clear()
    together = st.decide_many(planner, states, keys)
    jax.effects_barrier()
    # The base control, the same at all states, and one turn at each: no state has two agents with a choice.
    assert len(calls) == 1 + len(states)
    for i, one in enumerate(alone):
        for name in st.Decision.__dataclass_fields__:
            np.testing.assert_array_equal(getattr(one, name), getattr(together, name)[i], err_msg=name)
    assert np.ptp(np.asarray(together.control).sum(axis=1)) > 0
