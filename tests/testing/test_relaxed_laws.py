"""The laws of relaxed models and of agents' observations catch what they are for."""

import jax
import jax.numpy as jnp
import pytest

import seriatim as st
from seriatim.testing._relaxed_laws import relaxed_laws
from seriatim.testing._report import examine


@st.record
class Errand:
    """Two agents on a line of five cells walk right, by chance, or stay; who is not at the end pays.

    Relaxed, an agent is the distribution of its cell.
    """

    discount: float = 1.0
    num_agents: int = st.static(default=2)
    num_controls: int = st.static(default=2)

    def initial_state(self, key):
        return jax.random.randint(key, (2,), 0, 4)

    def control_mask(self, state):
        return jnp.stack([jnp.ones(2, bool), state < 4], axis=1)

    def sample_disturbance(self, key):
        return jax.random.bernoulli(key, 0.7, (2,))

    def transition(self, state, control, disturbance):
        after = jnp.minimum(state + control * disturbance, 4)
        return st.Transition(after, jnp.sum(after < 4).astype(float), jnp.all(after == 4))

    def agent_observations(self, state):
        where = state if state.ndim == 2 else jax.nn.one_hot(state, 5)
        return (where @ jnp.arange(5.0))[:, None] / 4

    def relaxed_state(self, state):
        return jax.nn.one_hot(state, 5)

    def relaxed_mask(self, state):
        return jnp.stack([jnp.ones(2, bool), state[:, 4] < 0.999], axis=1)

    def relaxed_transition(self, state, control, disturbance):
        goes = (control[:, 1] * disturbance)[:, None] * state * (jnp.arange(5) < 4)
        after = state - goes + jnp.roll(goes, 1, axis=1)
        left = jnp.sum(1 - after[:, 4])
        return st.Transition(after, left, left < 1e-3)


def changed(**fields):
    """The relaxed transition, with something else in its result."""

    def relaxed_transition(self, state, control, disturbance):
        after = Errand.relaxed_transition(self, state, control, disturbance)
        new = {name: change(getattr(after, name), control) for name, change in fields.items()}
        return st.Transition(**{"state": after.state, "cost": after.cost, "done": after.done} | new)

    return relaxed_transition


def refuse(self, state):
    raise st.InputError("size=3 has no relaxed model; use another size.")


BROKEN = {
    "a cost that forgets": (
        {"relaxed_transition": changed(cost=lambda cost, u: 0.5 * cost)},
        r"Mine\.relaxed_transition\(\.\.\.\)\.cost is .* under the one-hot controls of .*at stage 0 .*at the corners",
    ),
    "never done": (
        {"relaxed_transition": changed(done=lambda done, u: jnp.zeros_like(done))},
        r"relaxed_transition\(\.\.\.\)\.done is False under .* where the model itself has True",
    ),
    "a state that is not followed": (
        {"relaxed_transition": changed(state=lambda state, u: jnp.flip(state, axis=0))},
        r"Mine\.(relaxed|agent).* where the model itself has",
    ),
    "everything offered": (
        {"relaxed_mask": lambda self, x: jnp.ones((2, 2), bool)},
        r"Mine\.relaxed_mask\[\d, 1\] is True under .* where the model itself has False",
    ),
    "a mask of numbers": (
        {"relaxed_mask": lambda self, x: jnp.ones((2, 2))},
        r"relaxed_mask returned float32\[2, 2\]; bool\[2, 2\] is expected",
    ),
    "an observation of another relaxed state": (
        {"agent_observations": lambda self, x: Errand.agent_observations(self, x) + 0.1 * (x.ndim == 2)},
        r"Mine\.agent_observations\[\d, 0\] is .* where the model itself has",
    ),
    "a state of another dtype": (
        {"relaxed_transition": changed(state=lambda state, u: state > 0)},
        r"relaxed_transition\(\.\.\.\)\.state is bool\[2, 5\], where float32\[2, 5\] is expected",
    ),
    "a cost for each agent": (
        {"relaxed_transition": changed(cost=lambda cost, u: jnp.stack([cost, cost]))},
        r"relaxed_transition\(\.\.\.\)\.cost is float32\[2\]; one real number is expected",
    ),
    "a whole cost": (
        {"relaxed_transition": changed(cost=lambda cost, u: jnp.int32(1))},
        r"relaxed_transition\(\.\.\.\)\.cost is int32\[\]; one real number is expected",
    ),
    "a gradient of 0/0": (
        {"relaxed_transition": changed(cost=lambda cost, u: cost + jnp.sqrt(jnp.sum(u * (1 - u))))},
        r"at a corner, the derivative of the cost of 12 stages .* is (nan|-?inf); a finite number is expected",
    ),
    "a method forgotten": ({"relaxed_mask": None}, r"Mine has no method relaxed_mask, which a relaxed model needs"),
    "observations of the team": (
        {"agent_observations": lambda self, x: jnp.zeros(3)},
        r"agent_observations returned float32\[3\]; float\[2, k\], k numbers for each agent",
    ),
    "observations of a relaxed state, of another shape": (
        {"agent_observations": lambda self, x: jnp.zeros((2, x.ndim))},
        r"agent_observations of a relaxed state is float32\[2, 2\], where float32\[2, 1\] is expected",
    ),
    "observations of states only": (
        {"agent_observations": lambda self, x: 1.0 * x.reshape(2, 1)},
        r"Mine\.agent_observations raised TypeError",
    ),
    "an observation without end": (
        {"agent_observations": lambda self, x: 1 / (Errand.agent_observations(self, x) - 0.25)},
        r"agent_observations holds a number that is not finite, number 0 of agent \d",
    ),
    "features of whole numbers": (
        {"features": lambda self, x, agent: jnp.zeros(2, int)},
        r"Mine\.features returned int32\[2\]; float\[k\] is expected",
    ),
    "features without end": (
        {"features": lambda self, x, agent: jnp.ones(3) / agent},
        r"Mine\.features holds a number that is not finite, of agent 0",
    ),
}


def findings(model, laws=""):
    """What the laws of this page find, or those whose names start so, without the time that all others take."""
    report = examine([law for law in relaxed_laws(model, jax.random.key(0)) if law.text.startswith(laws)])
    return {f.law: f for f in report.findings}, report


OBSERVED, TOLD, STRUCTURE, CORNERS, GRADIENTS = [law.text for law in relaxed_laws(None, jax.random.key(0))]
# Which law finds it: the others are not asked, except by slow tests.
FOUND_BY = {
    "a cost that forgets": CORNERS,
    "never done": CORNERS,
    "a state that is not followed": CORNERS,
    "everything offered": CORNERS,
    "a mask of numbers": STRUCTURE,
    "an observation of another relaxed state": CORNERS,
    "a state of another dtype": STRUCTURE,
    "a cost for each agent": STRUCTURE,
    "a whole cost": STRUCTURE,
    "a gradient of 0/0": GRADIENTS,
    "a method forgotten": STRUCTURE,
    "observations of the team": OBSERVED,
    "observations of a relaxed state, of another shape": STRUCTURE,
    "observations of states only": STRUCTURE,
    "an observation without end": OBSERVED,
    "features of whole numbers": TOLD,
    "features without end": TOLD,
}


def test_a_lawful_relaxed_model_passes():
    report = st.check_model(Errand())
    found = {f.law: f for f in report.findings}
    assert report.ok, str(report)
    assert [found[law].passed for law in (OBSERVED, STRUCTURE, CORNERS, GRADIENTS)] == [True] * 4
    assert isinstance(Errand(), st.RelaxedModel)
    assert isinstance(Errand(), st.DecentralisedModel)


@pytest.mark.parametrize(
    "alone", [pytest.param(True, id="one law"), pytest.param(False, id="all laws", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("name", BROKEN)
def test_the_law_that_is_broken_is_named(name, alone):
    fields, sentence = BROKEN[name]
    _, report = findings(type("Mine", (Errand,), fields)(), FOUND_BY[name] if alone else "")
    assert report.failures
    with pytest.raises(st.InputError, match=sentence):
        report.raise_if_broken()


def test_a_model_that_refuses_to_be_relaxed_breaks_no_law():
    found, report = findings(type("Mine", (Errand,), {"relaxed_state": refuse})())
    assert report.ok, str(report)
    assert [f.passed for f in found.values()] == [True, None, None, None, None]
    assert "size=3 has no relaxed model" in list(found.values())[2].message


def test_the_laws_do_not_concern_other_models():
    found, report = findings(st.problems.SpidersOnALine(length=5))
    assert report.ok, str(report)
    assert [f.passed for f in found.values()] == [None] * 5
