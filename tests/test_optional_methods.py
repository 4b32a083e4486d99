"""Optional methods are asked for in one place, and models made of a model have them exactly where that model has."""

import ast
import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest

import seriatim as st
from seriatim import _optional
from seriatim.beliefs.decentralised._information import Information
from seriatim.finite_horizon import TimedState
from seriatim.networks import FeasibleFallback, Featured, WithMemory
from seriatim.networks._decentralised import DecentralisedPolicy
from seriatim.networks._feasible_fallback import with_fallback
from seriatim.networks._with_memory import Remembered

KEY = jax.random.key(0)
PACKAGE = Path(st.__file__).parent
NAMES = sorted(each.name for each in vars(_optional).values() if isinstance(each, _optional.Question))
STAGES = 5


@st.record
class Bare:
    """Two agents, whose controls are added up; without any optional method but those that beliefs need."""

    num_agents, num_controls, discount = 2, 2, 0.9

    def initial_state(self, key):
        return jnp.int32(0)

    def control_mask(self, state):
        return jnp.ones((2, 2), bool)

    def sample_disturbance(self, key):
        return ()

    def transition(self, state, control, disturbance):
        return st.Transition(jnp.int32(state + control.sum()), jnp.float32(1), jnp.array(False))

    def observation(self, state, control, disturbance):
        return control

    def observation_likelihood(self, observation, state, control):
        return jnp.float32(1)


@st.record
class Constrained(Bare):
    """Both agents must not do the same, but at state 7."""

    def feasible(self, state, control):
        return (control[0] != control[1]) | (state == 7)


@st.record
class Declared(Bare):
    """Says of everything optional that it has none."""

    feasible = nominal_disturbance = base_policy = ends_after = features = None


def nothing(*_: Any) -> None:
    """Stand in for methods that nobody calls here."""


# Models whose optional methods must be of the right form, since wrappers examine them; the rest is only looked for.
FORMED = {"initial_state", "feasible", "observation", "ends_after", "states"}
HAS = dict.fromkeys(set(NAMES) - FORMED, nothing) | {"ends_after": STAGES, "states": lambda _: jnp.arange(8)}
Full = st.record(type("Full", (Constrained,), HAS))

# A filter of each agent's and a policy, of which nothing is asked.
ASKED = ("model", "initial", "sample_disturbance", "update", "sample_state", "most_likely")
Knowing = type("Knowing", (), dict.fromkeys(ASKED, nothing))
UNUSED = object.__new__(DecentralisedPolicy)


def filtered(model):
    return st.beliefs.ParticleFilter(model, num_particles=2)


WRAPPERS = {
    "FiniteHorizon": lambda model: st.FiniteHorizon(model, 3),
    "BeliefModel": lambda model: st.beliefs.BeliefModel(model, filtered(model)),
    "HiddenModel": lambda model: st.beliefs.HiddenModel(model, filtered(model)),
    "InformationModel": lambda model: st.beliefs.InformationModel(model, Knowing()),
    "WithMemory": lambda model: WithMemory(model, UNUSED),
    "Featured": Featured,
}
# What a wrapper hands on, and what it has by itself whatever the model inside has.
KEPT_BACK = {"terminal_cost", "endless", "ends_after", "tabulated_motion", "tabulated_observations", "split"}
OF_OTHERS = {"support", "expected_cost", "decide"}
EVERY = set(NAMES) - KEPT_BACK - OF_OTHERS - {"initial_state"}
HANDED_ON = {
    "FiniteHorizon": EVERY,
    "BeliefModel": {"feasible", "ends_after"},
    "HiddenModel": {"feasible", "ends_after"},
    "InformationModel": {"feasible", "ends_after"},
    "WithMemory": {"feasible", "ends_after", "nominal_disturbance", "base_policy"},
    "Featured": {"feasible", "ends_after", "nominal_disturbance", "base_policy", "lanes_last"},
}
OWN = {
    "BeliefModel": {"lanes_last", "outcomes"},
    "HiddenModel": {"lanes_last"},
    "InformationModel": {"lanes_last"},
    "Featured": {"agent_observations"},
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("model", [Bare(), Constrained(), Declared(), Full()], ids=lambda model: type(model).__name__)
def test_a_wrapper_has_an_optional_method_exactly_where_the_model_inside_has(wrapper, model):
    wrapped = WRAPPERS[wrapper](model)
    for name in set(NAMES) - {"initial_state"}:
        has = getattr(model, name, None) is not None
        expected = name in OWN.get(wrapper, ()) or (has and name in HANDED_ON[wrapper])
        assert (getattr(wrapped, name, None) is not None) == expected, name
    # None is no answer for callers that ask `hasattr`; FiniteHorizon alone says so of `ends_after`.
    assert hasattr(wrapped, "feasible") == (type(model) in (Constrained, Full))
    assert (wrapped.num_agents, wrapped.num_controls, wrapped.discount) == (2, 2, 0.9)
    assert _optional.ends_after(wrapped) == (STAGES if isinstance(model, Full) and wrapper != "FiniteHorizon" else None)


def test_constraints_are_those_of_the_state_inside():
    model, same = Constrained(), jnp.array([1, 1])
    made = {
        "FiniteHorizon": lambda state: TimedState(state, jnp.int32(3)),
        "HiddenModel": lambda state: st.beliefs.HiddenState(state, None),
        "InformationModel": lambda state: Information(state, None),
        "WithMemory": lambda state: Remembered(state, jnp.zeros((2, 1))),
        "Featured": lambda state: state,
    }
    for name, whole in made.items():
        wrapped = WRAPPERS[name](model)
        assert [bool(wrapped.feasible(whole(jnp.int32(state)), same)) for state in (0, 7)] == [False, True], name
        assert wrapped.control_mask(whole(jnp.int32(0))).all(), name


def test_a_belief_allows_what_every_state_of_positive_probability_allows():
    @st.record
    class Listing(st.beliefs.ParticleFilter):
        def support(self, belief):
            return jnp.array([0, 7]), belief

    problem = st.beliefs.BeliefModel(Constrained(), Listing(Constrained(), num_particles=2))
    unsure, sure = jnp.array([0.5, 0.5]), jnp.array([0.0, 1.0])
    asked = ((unsure, [1, 1]), (unsure, [0, 1]), (sure, [1, 1]))
    assert [bool(problem.feasible(belief, jnp.array(u))) for belief, u in asked] == [False, True, True]


@pytest.mark.parametrize("model", [WithMemory(Bare(), UNUSED), Declared()], ids=["wrapper", "attribute None"])
def test_a_model_without_constraints_is_never_asked_for_them(model):
    """`feasible` of a wrapper was None there, and callers that asked `hasattr` called it."""

    def policy(info, key):
        return jnp.zeros(2, jnp.int32)

    assert with_fallback(model, policy, policy) is policy
    state = model.initial_state(KEY) if isinstance(model, Declared) else Remembered(jnp.int32(0), jnp.zeros((2, 1)))
    allowed = jax.eval_shape(lambda control: _optional.is_allowed(model, state, control), jnp.zeros(2, jnp.int32))
    assert (allowed.shape, allowed.dtype) == ((), bool)
    assert isinstance(with_fallback(Constrained(), policy, policy), FeasibleFallback)


def test_what_is_allowed_is_admissible_and_feasible():
    controls = jnp.array([[0, 1], [1, 1], [0, 2], [-1, 0]])
    for model, expected in ((Constrained(), [1, 0, 0, 0]), (Bare(), [1, 1, 0, 0])):
        allowed = jax.vmap(lambda control, model=model: _optional.is_allowed(model, jnp.int32(0), control))(controls)
        assert allowed.tolist() == [bool(each) for each in expected]


def test_a_wrapper_names_the_model_that_lacks_a_method():
    for model in (Bare(), Declared()):
        with pytest.raises(AttributeError, match=f"'?{type(model).__name__}'? .*has no .*base_policy"):
            WithMemory(model, UNUSED).base_policy()


def test_a_planner_is_what_decides():
    planner = st.OneAtATimeRollout(Bare(), lambda info, key: jnp.zeros(2, jnp.int32))
    policies = (planner, st.at_any_time(planner), planner.base, st.at_any_time(planner.base))
    assert [_optional.is_planner(policy) for policy in policies] == [True, True, False, False]


def test_missing_methods_are_named_in_order():
    assert _optional.missing_methods(Bare(), ("states", "transition", "index")) == ["states", "index"]


def test_optional_methods_are_asked_for_in_one_place():
    """Elsewhere no `hasattr` or `getattr` names one, and none looks for a method whose name is a variable."""
    relaxed, optional = set(_optional.RELAXED), {*NAMES, *_optional.FINITE, *_optional.OBSERVED}
    found = []
    for path in PACKAGE.rglob("*.py"):
        source = path.read_text()
        if path.name == "_optional.py" or "attr(" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            if asks(node, optional | relaxed) or looks_for_a_method(node):
                found.append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    assert not found, f"ask seriatim._optional instead: {found}"


def asks(node: ast.AST, names: set[str]) -> bool:
    return (
        is_call(node, "hasattr", "getattr") and isinstance(node.args[1], ast.Constant) and node.args[1].value in names
    )


def looks_for_a_method(node: ast.AST) -> bool:
    return is_call(node, "callable") and is_call(node.args[0], "getattr")


def is_call(node: ast.AST, *names: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names


def test_the_pages_table_lists_every_optional_method():
    page = (PACKAGE.parents[1] / "docs" / "models.md").read_text()
    rows = [line.split("|")[1] for line in page[page.index("## Optional methods") :].splitlines() if line[:3] == "| `"]
    listed = {name for row in rows for name in re.findall(r"`(\w+)", row)}
    assert listed == {*NAMES, *_optional.FINITE, *_optional.OBSERVED, *_optional.RELAXED}
