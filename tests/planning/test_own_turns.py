"""In a batch, every state takes the turn of its own next agent that has a choice: same decisions, fewer simulations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st
from seriatim.planning import _turns


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


@pytest.mark.parametrize("allocation", ["uniform", "halving"])
def test_every_state_takes_its_own_turns(monkeypatch, allocation):
    model, calls, samples = Workshop(), [], _turns.Setting.samples

    def counted(setting, controls, *rest):
        jax.debug.callback(lambda _: calls.append(len(controls)), controls)
        return samples(setting, controls, *rest)

    monkeypatch.setattr(_turns.Setting, "samples", counted)
    plan = st.Simulation(horizon=1, num_samples=8)
    planner = st.OneAtATimeRollout(model, lambda state, key: jnp.zeros(4, jnp.int32), plan, allocation=allocation)
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
