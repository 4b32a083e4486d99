"""A check of the user's own that fails while a compiled program runs is said in one sentence, in the user's words."""

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

import seriatim as st

KEY = jax.random.key(0)


@st.record
class Checked:
    """A walk that checks that it has not gone too far."""

    start: float = 0.0
    discount: float = 0.9
    num_agents: int = st.static(default=1)
    num_controls: int = st.static(default=2)

    def initial_state(self, key):
        return jnp.asarray(self.start)

    def control_mask(self, state):
        return jnp.ones((1, 2), bool)

    def sample_disturbance(self, key):
        return None

    def transition(self, state, control, disturbance):
        here = eqx.error_if(state, state > 5, "the walk has gone too far: look at start")
        return st.Transition(here + 1, here, jnp.array(False))


def rests(state, key):
    return jnp.zeros(1, jnp.int32)


VERBS = {
    "decide": lambda model: st.StandardRollout(model, rests, st.Simulation(horizon=1)).decide(
        jnp.asarray(model.start), KEY
    ),
    "evaluate": lambda model: st.evaluate(model, rests, KEY, episodes=2, horizon=1),
    "simulate": lambda model: st.simulate(model, rests, KEY, horizon=1),
}


@pytest.mark.parametrize("verb", VERBS)
def test_it_is_one_sentence(verb, caplog):
    VERBS[verb](Checked())
    with pytest.raises(st.InputError) as refusal:
        VERBS[verb](Checked(9.0))
    text = "A check in the model or a policy failed while they ran: the walk has gone too far: look at start."
    assert str(refusal.value) == text
    assert not caplog.records  # JAX would write its traceback to the log


def test_in_a_program_of_the_users_own_nothing_is_changed(caplog):
    with pytest.raises(Exception, match="too far") as failure:
        jax.jit(lambda start: Checked(start).transition(start, None, None).state)(jnp.asarray(9.0))
    assert not isinstance(failure.value, st.InputError)
    assert caplog.records
