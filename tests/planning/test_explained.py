"""States and keys of which no decision can be made: one sentence; and what must not be mistaken for such."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st

KEY = jax.random.key(0)


@st.record
class Queues:
    """Each agent serves its own queue or rests; any number of queues is a state, but there must be one for each agent.

    `offset` has the length of an initial state, or is a number.
    """

    offset: jax.Array
    discount: float = 0.9
    num_agents: int = st.static(default=2)
    num_controls: int = st.static(default=2)

    def initial_state(self, key):
        return {"queues": jnp.array([3.0, 5.0]), "time": jnp.zeros(())}

    def control_mask(self, state):
        return jnp.ones((2, 2), bool)

    def sample_disturbance(self, key):
        return None

    def transition(self, state, control, disturbance):
        served = jnp.zeros_like(state["queues"]).at[:2].set(control.astype(float))
        queues = jnp.maximum(state["queues"] - served + self.offset, 0)
        after = {"queues": queues, "time": state["time"] + 1}
        return st.Transition(after, jnp.sum(queues), after["time"] > 3)


def rests(state, key):
    return jnp.zeros(2, jnp.int32)


STRICT = Queues(jnp.zeros(2))
PLANNERS = (st.OneAtATimeRollout, st.StandardRollout, st.SignallingRollout)
WAYS = {
    "decide": lambda planner, *given: planner.decide(*given),
    "call": lambda planner, *given: planner(*given),
    "act": lambda planner, *given: st.Anytime(planner).act(*given),
    "warmup": lambda planner, *given: st.Anytime(planner).warmup(*given),
}
ASKED = [(kind, way) for kind in PLANNERS for way in WAYS if hasattr(kind, "steps") or way in ("call", "decide")]
every_way = pytest.mark.parametrize(("kind", "way"), ASKED)
GOOD = STRICT.initial_state(KEY)


def ask(kind, way, state, key, model=STRICT):
    return WAYS[way](kind(model, rests, simulation=st.Simulation(horizon=4)), state, key)


@every_way
@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (GOOD | {"queues": jnp.ones(3)}, r"^state\['queues'\] has shape \(3,\), where Queues has \(2,\); give"),
        (
            GOOD["queues"],
            r"^The state is an array of shape \(2,\); Queues has a dict of 2 arrays: \(2,\), \(\); give a state",
        ),
        ((1.0, 2.0, ()), r"^The state is a tuple of 2 arrays: \(\), \(\); Queues has a dict of 2 arrays: "),
    ],
)
def test_a_state_that_is_none_of_the_models_is_held_against_an_initial_one(kind, way, state, sentence):
    with pytest.raises(st.InputError, match=sentence):
        ask(kind, way, state, KEY)


@every_way
@pytest.mark.parametrize(
    ("key", "seen"),
    [
        (7, "7"),
        (jax.random.split(KEY), r"a stack of \(2,\) keys"),
        (jnp.zeros((2, 2), jnp.uint32), r"an array of shape \(2, 2\) and type uint32"),
    ],
)
def test_what_is_no_key_is_refused(kind, way, key, seen, without_type_checks):
    with pytest.raises(st.InputError, match=f"^key is {seen}; give one random key, such as jax.random.key"):
        without_type_checks(lambda: ask(kind, way, GOOD, key))


def slow_but(fast, cases):
    return [case if case in fast else pytest.param(*case, marks=pytest.mark.slow) for case in cases]


@pytest.mark.parametrize(
    "kind", [st.StandardRollout, *(pytest.param(kind, marks=pytest.mark.slow) for kind in (PLANNERS[0], PLANNERS[2]))]
)
def test_a_raw_key_is_a_key(kind):
    raw, typed = (ask(kind, "decide", GOOD, key) for key in (jax.random.PRNGKey(3), jax.random.key(3)))
    assert np.array_equal(raw.q_factors, typed.q_factors)
    assert np.array_equal(raw.control, typed.control)


@pytest.mark.parametrize(
    ("kind", "way"), slow_but([(st.OneAtATimeRollout, "decide"), (st.StandardRollout, "act")], ASKED)
)
def test_a_state_of_another_size_is_decided_if_the_model_can_work_with_it(kind, way):
    ask(kind, way, GOOD | {"queues": jnp.ones(7)}, KEY, Queues(jnp.zeros(())))


@every_way
def test_a_mistake_of_the_models_own_is_left_as_it_is(kind, way):
    @st.record
    class Mistaken(Queues):
        def transition(self, state, control, disturbance):
            raise ValueError("my own mistake")

    with pytest.raises(ValueError, match="my own mistake"):
        ask(kind, way, GOOD, KEY, Mistaken(jnp.zeros(2)))


def test_a_model_without_methods_is_refused(without_type_checks):
    class Nameless:
        num_agents, num_controls, discount = 2, 2, 0.9

    with pytest.raises(st.InputError, match="Nameless has no method control_mask; a model needs"):
        without_type_checks(lambda: st.OneAtATimeRollout(Nameless(), rests).decide(GOOD, KEY))


def test_a_state_that_leads_the_base_policy_astray_is_named_beside_it():
    planner = st.OneAtATimeRollout(STRICT, lambda state, key: jnp.zeros(state["queues"].shape, jnp.int32))
    with pytest.raises(st.InputError, match=r"returned an array of shape \(3,\).* state\['queues'\] has shape \(3,\)"):
        planner.decide(GOOD | {"queues": jnp.ones(3)}, KEY)


@pytest.mark.parametrize("within", ["jit", "scan", "vmap"])
@pytest.mark.parametrize("way", ["call", "decide"])
def test_within_a_program_that_is_still_traced_a_state_is_explained_too(way, within):
    """Simulations are traced when the outer program is lowered; the sentence comes where the planner is asked."""
    wrong = {name: jnp.zeros((5,)) if leaf.ndim else leaf for name, leaf in GOOD.items()}
    asked = functools.partial(ask, st.OneAtATimeRollout, way)
    run = {
        "jit": lambda: jax.jit(asked)(wrong, KEY),
        "scan": lambda: jax.lax.scan(lambda c, key: (c, asked(c, key)), wrong, jax.random.split(KEY, 2)),
        "vmap": lambda: jax.vmap(asked, (None, 0))(wrong, jax.random.split(KEY, 2)),
    }
    with pytest.raises(st.InputError, match=r"has shape \(5,\), where Queues has \(2,\)"):
        run[within]()
