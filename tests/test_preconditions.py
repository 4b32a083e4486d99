"""Every verb refuses every mistake of a table with one sentence, before anything is compiled; and only mistakes."""

import inspect
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st
import seriatim.evaluation
from seriatim._preconditions import require_key, require_keys, require_model
from seriatim.testing import count_compilations

KEY = jax.random.key(0)
Next = st.Transition


@st.record
class Lawful:
    """Two agents with three controls each drive on; it is over when the first number passes five."""

    vehicles: int = 4
    discount: float = 0.9
    num_agents: int = st.static(default=2)
    num_controls: int = st.static(default=3)

    def initial_state(self, key):
        return jnp.zeros(4)

    def control_mask(self, state):
        return jnp.ones((2, 3), bool)

    def sample_disturbance(self, key):
        return jax.random.uniform(key)

    def transition(self, state, control, disturbance):
        return Next(state + 1.0, jnp.sum(control) + disturbance, state[0] > 5)

    def feasible(self, state, control):
        return jnp.array(True)

    def observation(self, state, control, disturbance):
        return state[0]

    def observation_likelihood(self, observation, state, control):
        return jnp.ones(())

    def states(self):
        return jnp.zeros((1, 4))

    def index(self, state):
        return jnp.int32(0)

    def outcomes(self, state, control):
        return Next(state[None], jnp.ones(1), jnp.ones(1, bool)), jnp.ones(1)


def rests(state, key):
    return jnp.zeros(2, jnp.int32)


def mistaken(**replaced):
    """A model of a class of its own, with other methods or values."""
    fields = {name: replaced.pop(name) for name in tuple(replaced) if name in Lawful.__dataclass_fields__}
    kind = st.record(type("Mine", (Lawful,), replaced))
    return kind(**fields)


def moves(make):
    return {"transition": lambda self, x, u, w: make(self, x, u)}


# What a model does, and words of the sentence.
STAGE = {
    "a tuple": (moves(lambda self, x, u: (x, 1.0, False)), "transition returned a tuple; a seriatim.Transition"),
    "nothing": (moves(lambda self, x, u: None), "transition returned a NoneType"),
    "another structure": (moves(lambda self, x, u: Next((x,), 1.0, False)), "state has the structure"),
    "another shape": (moves(lambda self, x, u: Next(x[:2], 1.0, False)), r"state is float32\[2\], where float32\[4\]"),
    "another type": (moves(lambda self, x, u: Next(x > 0, 1.0, False)), r"state is bool\[4\], where float32\[4\]"),
    "a cost an agent": (moves(lambda self, x, u: Next(x, u * 1.0, False)), r"cost is float32\[2\]; one number"),
    "a complex cost": (moves(lambda self, x, u: Next(x, 1 + 1j, False)), r"cost is complex64\[\]; one number"),
    "a cost of text": (
        moves(lambda self, x, u: Next(x, "1", False)),
        "cost is '1' of type str|component \\.cost, which is not a valid JAX type",
    ),
    "no cost": (moves(lambda self, x, u: Next(x, None, False)), "cost is None; one number"),
    "an end an agent": (moves(lambda self, x, u: Next(x, 1.0, u > 0)), r"done is bool\[2\]; one boolean"),
    "half an end": (moves(lambda self, x, u: Next(x, 1.0, 0.5)), r"done is float32\[\]; one boolean"),
    "an exception": (moves(lambda self, x, u: 1 / 0), r"raised ZeroDivisionError: division by zero \(.*line \d+\)"),
    "an if": (moves(lambda self, x, u: x if x[0] > 1 else u), r"decides on the value of an array .*py, line \d+\)"),
    "a size from a control": (
        moves(lambda self, x, u: jnp.arange(u[0])),
        r"uses the value of an array as a size .*py, line \d+\)",
    ),
    "a random key for a cost": (moves(lambda self, x, u: Next(x, KEY, False)), r"cost is key<fry>\[\]; one number"),
    "a cost too large": (moves(lambda self, x, u: Next(x, 2**40, False)), "1099511627776.* too large"),
    "None in a product": (
        moves(lambda self, x, u: Next(x * None, 1.0, False)),
        r"raised TypeError: unsupported operand .* 'Array' and 'NoneType' \(.*line \d+\)",
    ),
    "a function of NumPy": (
        moves(lambda self, x, u: Next(np.sin(x), 1.0, False)),
        r"hands an array to NumPy .* \(.*line \d+\); use jax.numpy \(jnp.sin for np.sin",
    ),
    "a field as a size": (
        moves(lambda self, x, u: Next(x, jnp.sum(jnp.arange(self.vehicles)), False)),
        r"transition uses the field vehicles as a size .*line \d+\).*vehicles: int = st.static\(default=4\)",
    ),
    "a field as a condition": (
        moves(lambda self, x, u: Next(x if self.vehicles > 2 else -x, 1.0, False)),
        r"the field vehicles as a condition in plain Python .*vehicles: int = st.static\(default=4\)",
    ),
}
MASKS = {
    "a mask of numbers": ({"control_mask": lambda self, x: jnp.ones((2, 3))}, r"float32\[2, 3\]; bool\[2, 3\]"),
    "a transposed mask": ({"control_mask": lambda self, x: jnp.ones((3, 2), bool)}, r"bool\[3, 2\]; bool\[2, 3\]"),
    "one row": ({"control_mask": lambda self, x: jnp.ones(3, bool)}, r"returned bool\[3\]; bool\[2, 3\]"),
    "a mask of lists": ({"control_mask": lambda self, x: [[True] * 3] * 2}, "control_mask returned a list; bool"),
    "no mask": ({"control_mask": lambda self, x: None}, "control_mask returned None; bool"),
    "feasible an agent": ({"feasible": lambda self, x, u: u > 0}, r"feasible returned bool\[2\]; one boolean"),
    "feasible nothing": ({"feasible": lambda self, x, u: None}, "feasible returned None; one boolean"),
}
VALUES = {
    "discount nan": ({"discount": float("nan")}, "discount is nan; a number above 0 and at most 1"),
    "discount 0": ({"discount": 0}, "discount is 0; a number above 0"),
    "discount 1.5": ({"discount": jnp.float32(1.5)}, "discount is .*1.5.*; a number above 0"),
    "discount -1": ({"discount": -1.0}, r"discount is -1\.0; a number above 0"),
    "discounts": ({"discount": jnp.ones(2)}, "discount is .*; a number above 0"),
    "discount text": ({"discount": "high"}, "discount is 'high'; a number above 0"),
    "a number too large": ({"vehicles": 2**40}, "1099511627776.* whole number too large for JAX; give a"),
    "agents of JAX": (
        {"num_agents": jnp.asarray(2)},
        r"num_agents is an array of JAX, .*give a whole number",
    ),
    "controls of JAX": ({"num_controls": jnp.asarray(3)}, "num_controls is an array of JAX"),
    "no agents": ({"num_agents": 0}, "num_agents is 0; a whole number from 1 up"),
    "one control, True": ({"num_controls": True}, "num_controls is True; a whole number from 1 up"),
    "half a control": ({"num_controls": 1.5}, r"num_controls is 1\.5; a whole number from 1 up"),
}
START = {
    "a state of text": ({"initial_state": lambda self, key: ["a"]}, "initial_state.* is 'a' of type str"),
    "a start too large": ({"initial_state": lambda self, key: 2**40}, "initial_state is 1099511627776, a whole number"),
    "names that cannot be sorted": (
        {"sample_disturbance": lambda self, key: {"a": 1, 2: 3}},
        "sample_disturbance is no pytree of arrays: Comparator",
    ),
    "a size at the start": (
        {"initial_state": lambda self, key: jnp.zeros(self.vehicles)},
        "initial_state uses the field vehicles as a size",
    ),
}
NEEDS_ALL = {
    "in turn": lambda m: st.OneAtATimeRollout(m, rests),
    "standard": lambda m: st.StandardRollout(m, rests),
    "signalling": lambda m: st.SignallingRollout(m, rests),
    "evaluate": lambda m: st.evaluate(m, rests, KEY, episodes=2, horizon=2),
    "compare": lambda m: st.compare(m, {"base": rests}, KEY, episodes=2, horizon=2),
    "simulate": lambda m: st.simulate(m, rests, KEY, horizon=2),
    "simulate from a state": lambda m: st.simulate(m, rests, KEY, horizon=2, state=jnp.zeros(4)),
    "check": lambda m: st.check_model(m, quick=True).raise_if_broken(),
    "particles": lambda m: st.beliefs.ParticleFilter(m),
    "beliefs": lambda m: st.beliefs.BeliefModel(m, filter=None),
    "hidden": lambda m: st.beliefs.HiddenModel(m, filter=None),
}
FINITE = {
    "value iteration": lambda m: st.exact.value_iteration(m),
    "policy iteration": lambda m: st.exact.policy_iteration(m),
    "tabulate": lambda m: st.exact.tabulate(m),
    "exact filter": lambda m: st.beliefs.ExactFilter(m),
}
STARTS = ("evaluate", "compare", "simulate", "check", "particles", "beliefs", "hidden")
MISTAKES = {**STAGE, **MASKS, **VALUES}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_every_verb_refuses_every_mistake_before_anything_is_compiled(mistake, without_type_checks):
    methods, sentence = MISTAKES[mistake]
    model = mistaken(**dict(methods))
    verbs = NEEDS_ALL | (FINITE if mistake not in STAGE else {})
    for name, verb in verbs.items():
        with count_compilations() as compiled, pytest.raises(st.InputError, match=sentence) as refusal:
            without_type_checks(lambda verb=verb: verb(model))
        assert "\n" not in str(refusal.value), name
        # Checks of a report call methods one by one, which compiles single operations.
        assert name == "check" or len([one for one in compiled if "call" in one or "while" in one]) == 0


@pytest.mark.parametrize("mistake", START)
def test_starts_are_asked_of_those_who_need_them(mistake, without_type_checks):
    methods, sentence = START[mistake]
    model = mistaken(**dict(methods))
    for name in STARTS:
        with pytest.raises(st.InputError, match=sentence):
            without_type_checks(lambda name=name: NEEDS_ALL[name](model))


POLICIES = {
    "numbers": (lambda x, k: jnp.zeros(2), r"returned an array of shape \(2,\) and type float32; return a joint"),
    "too many": (lambda x, k: jnp.zeros(3, jnp.int32), r"returned an array of shape \(3,\) and type int32; return"),
    "a list": (lambda x, k: [0, 0], r"returned \[0, 0\]; return a joint control"),
    "nothing": (lambda x, k: None, "returned None; return a joint control"),
    "an if": (lambda x, k: rests(x, k) if x[0] > 0 else 1, "decides on the value of an array"),
    "an exception": (lambda x, k: {}["a"], r"raised KeyError: 'a' \(.*line \d+\)"),
    "no policy": (3, "cannot be called; give a policy"),
}


@pytest.mark.parametrize("mistake", POLICIES)
def test_every_verb_refuses_what_is_no_policy(mistake, without_type_checks):
    policy, sentence = POLICIES[mistake]
    model, state = Lawful(), jnp.zeros(4)
    verbs = {
        "evaluate": lambda: st.evaluate(model, policy, KEY, episodes=2, horizon=2),
        "compare": lambda: st.compare(model, {"mine": policy}, KEY, episodes=2, horizon=2),
        "simulate": lambda: st.simulate(model, policy, KEY, horizon=2),
        "simulate from a state": lambda: st.simulate(model, policy, KEY, horizon=2, state=state),
        "in turn": lambda: st.OneAtATimeRollout(model, policy).decide(state, KEY),
        "standard": lambda: st.StandardRollout(model, policy)(state, KEY),
        "signalling": lambda: st.SignallingRollout(model, policy).decide(state, KEY),
        "act": lambda: st.Anytime(st.OneAtATimeRollout(model, policy)).act(state, KEY),
        "many": lambda: st.decide_many(st.StandardRollout(model, policy), state[None], KEY[None]),
    }
    for verb in verbs.values():
        with pytest.raises(st.InputError, match=sentence):
            without_type_checks(verb)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"horizon": 10**12}, r"horizon=1000000000000: .* give a whole number from 1 to 2,147,483,647"),
        ({"num_samples": 10**9}, "num_samples=1000000000: .* from 1 to 10,000,000"),
        ({"num_samples": True}, "num_samples=True: "),
        ({"num_samples": 2.0}, r"num_samples=2\.0: "),
        ({"lookahead": True}, "lookahead=True: "),
        ({"nominal_from": -1}, "nominal_from=-1: "),
        ({"terminal_cost": 3.0}, r"terminal_cost=3\.0 cannot be called; give a function of a state"),
        ({"cost_bound": -1.0}, r"cost_bound=-1\.0: give the largest stage cost"),
        ({"cost_bound": float("inf")}, "cost_bound=inf: give the largest stage cost"),
        ({"cost_bound": 1.0, "terminal_cost": lambda x: 0.0}, "and terminal_cost is given too"),
        ({"cost_bound": 1.0, "expectation": "exact", "horizon": 1}, "and expectation='exact' is given too"),
    ],
)
def test_numbers_that_are_none_are_refused(options, sentence, without_type_checks):
    with pytest.raises(st.InputError, match=sentence):
        without_type_checks(lambda: st.Simulation(**options))


@pytest.mark.parametrize("horizon", [0, -1, True, 2.5, "a", None, 10**12])
def test_episodes_of_no_number_of_stages_are_refused(horizon, without_type_checks):
    model = Lawful()
    for verb in (st.evaluate, st.simulate):
        with pytest.raises(st.InputError, match="horizon="):
            without_type_checks(lambda verb=verb: verb(model, rests, KEY, horizon=horizon))
    with pytest.raises(st.InputError, match="episodes="):
        without_type_checks(lambda: st.evaluate(model, rests, KEY, episodes=horizon))


@pytest.mark.parametrize("given", [lambda x: x, lambda x: None, lambda x: "1", lambda x: 1 if x[0] > 0 else 2])
def test_a_terminal_cost_that_is_not_one_number_is_refused(given, without_type_checks):
    planner = st.StandardRollout(Lawful(), rests, st.Simulation(horizon=1, num_samples=1, terminal_cost=given))
    with pytest.raises(st.InputError, match="terminal_cost"):
        without_type_checks(lambda: planner.decide(jnp.zeros(4), KEY))


def test_a_state_of_none_is_refused(without_type_checks):
    with pytest.raises(st.InputError, match="The state is None; Lawful has an array of shape"):
        without_type_checks(lambda: st.OneAtATimeRollout(Lawful(), rests).decide(None, KEY))


# What people write in `transition` that fails for other reasons than a size, and what is one: the words that say so.
SIZE = "uses the value of an array as a size"
WRITTEN = {
    "an addend of text": (lambda x, u: x + "1", r"TypeError: unsupported operand type\(s\) for \+: 'Array' and 'str'"),
    "a call of an array": (lambda x, u: x(), "TypeError: 'Array' object is not callable"),
    "a list times an array": (lambda x, u: [1.0, 2.0] @ u, "TypeError: unsupported operand .* 'list' and 'Array'"),
    "a dictionary": (lambda x, u: {0: 1.0}[u[0]], "TypeError: unhashable type: 'Array'"),
    "a method that is not": (lambda x, u: u.summ(), "AttributeError: Array has no attribute summ"),
    "a table of NumPy": (lambda x, u: np.zeros(3)[u[0]], "hands an array to NumPy"),
    "a list": (lambda x, u: [1.0, 2.0, 3.0][u[0]], SIZE),
    "a shape": (lambda x, u: jnp.sum(jnp.zeros((u[0], 2))), SIZE),
    "a range": (lambda x, u: sum(range(u[0])), SIZE),
    "a slice": (lambda x, u: jnp.sum(x[: u[0]]), SIZE),
    "a number of Python": (lambda x, u: float(x[0]), SIZE),
    "repetitions": (lambda x, u: jnp.sum(jnp.tile(u, u[0])), SIZE),
    "a condition of values": (lambda x, u: jnp.sum(x[x > 1]), SIZE),
}


@pytest.mark.parametrize("written", WRITTEN)
def test_an_error_is_called_what_it_is(written):
    function, words = WRITTEN[written]
    with pytest.raises(st.InputError, match=f"transition.* {words}") as refusal:
        require_model(mistaken(**moves(lambda self, x, u: Next(x, function(x, u), False))))
    assert "Tracer" not in str(refusal.value)


class Remembers:
    """An ordinary object that keeps the state of its last transition, which it may not."""

    num_agents, num_controls, discount = 2, 3, 0.9
    initial_state, control_mask = Lawful.initial_state, Lawful.control_mask
    sample_disturbance, last = Lawful.sample_disturbance, 0.0

    def transition(self, state, control, disturbance):
        cost, self.last = jnp.sum(self.last), state
        return Next(state + 1.0, cost, state[0] > 5)


@pytest.mark.parametrize("verb", ["in turn", "evaluate", "simulate", "simulate from a state", "check"])
def test_a_model_that_remembers_is_refused(verb):
    with pytest.raises(st.InputError, match=r"Remembers keeps an array of a call, in an attribute .* state"):
        NEEDS_ALL[verb](Remembers())


def test_a_policy_that_remembers_is_refused():
    kept = []

    def remembers(state, key):
        kept.append(state)
        return rests(state, key) + jnp.int32(kept[0][0])

    for verb in (
        lambda: st.StandardRollout(Lawful(), remembers).decide(jnp.zeros(4), KEY),
        lambda: st.evaluate(Lawful(), remembers, KEY, episodes=2, horizon=2),
    ):
        with pytest.raises(st.InputError, match=r"(uses|keeps) an array .*nothing may be remembered between calls"):
            verb()
    with pytest.raises(st.InputError, match="uses an array that an earlier call has kept"):
        st.check_policy(Lawful(), remembers).raise_if_broken()


STATES = {
    "text": ("a", "The state is 'a' of type str; a pytree of arrays is expected. Give a state as"),
    "an object": (object(), "The state is <object .* of type object; a pytree of arrays"),
    "a list": (
        [0.0],
        r"The state is a list of 1 arrays: \(\); Lawful has an array of shape \(4,\); give a state",
    ),
    "no shape": (jnp.zeros(()), r"state has shape \(\), where Lawful has \(4,\)"),
    "a random key": (KEY, r"state has shape \(\), where Lawful has"),
    "a number too large": (
        10**30,
        "^1000000000000000000000000000000 is a whole number too large for JAX; give a float",
    ),
}


@pytest.mark.parametrize("mistake", STATES)
def test_what_is_no_state_is_refused(mistake, without_type_checks):
    state, sentence = STATES[mistake]
    planner = st.StandardRollout(Lawful(), rests, st.Simulation(horizon=1, num_samples=1))
    for verb in (
        lambda: st.simulate(Lawful(), rests, KEY, horizon=2, state=state),
        lambda: planner.decide(state, KEY),
    ):
        with pytest.raises(st.InputError, match=sentence):
            without_type_checks(verb)


def test_a_state_of_another_type_is_refused_where_transitions_do_not_keep_it(without_type_checks):
    with pytest.raises(st.InputError, match="state is of type bool, where Lawful has float32"):
        without_type_checks(lambda: st.simulate(Lawful(), rests, KEY, horizon=2, state=jnp.zeros(4, bool)))


def test_a_state_without_its_time_says_how_to_start(without_type_checks):
    timed = st.FiniteHorizon(Lawful(), 3)
    with pytest.raises(st.InputError, match=r"is an array of shape \(4,\); FiniteHorizon has a TimedState of 2"):
        without_type_checks(lambda: st.OneAtATimeRollout(timed, st.at_any_time(rests)).decide(jnp.zeros(4), KEY))


def verbs_with_keys():
    """List the public functions that are given a key or keys."""
    parts = (st, st.beliefs, st.training, st.gradients, st.distributions, st.parallel, seriatim.evaluation)
    for part in parts:
        for name in part.__all__:
            verb = getattr(part, name)
            if inspect.isfunction(verb) and {"key", "keys"} & set(inspect.signature(verb).parameters):
                yield pytest.param(verb, id=f"{part.__name__.rpartition('.')[2]}.{name}")
    for name in (*st.gradients.ESTIMATORS, "pathwise"):
        yield pytest.param(st.gradients.estimator(name), id=f"gradients.estimator.{name}")


# What they are given beside; None where the key is looked at first.
GIVEN = {
    "model": Lawful(),
    "policy": rests,
    "policies": {"base": rests},
    "planner": st.Anytime(st.OneAtATimeRollout(Lawful(), rests)),
    "states": jnp.zeros((2, 4)),
    "budget_ms": 1.0,
    "function": jnp.sum,
    "logits": jnp.zeros((2, 3)),
    "mean_and_std": (jnp.zeros(2), jnp.ones(2)),
    "mean": 0.0,
    "std": 1.0,
    "index": jnp.zeros(2, jnp.int32),
    "temperature": 1.0,
    "k": 1,
    "estimator": st.gradients.estimator("score-function"),
    "settings": {},
    "shape": (2, 3),
    "steps": 1,
}
NO_KEYS = {
    "a number": (3, "is 3; give"),
    "nothing": (None, "is None; give"),
    "text": ("k", "is 'k'; give"),
    "numbers": (jnp.zeros(2), r"is an array of shape \(2,\) and type float32; give"),
    "a wrong number of axes": (jax.random.split(KEY, 6).reshape(2, 3), r"is a stack of \(2, 3\) keys; give"),
    "old keys of three numbers": (jnp.zeros(3, jnp.uint32), r"is an array of shape \(3,\) and type uint32; give"),
}


@pytest.mark.parametrize("verb", list(verbs_with_keys()))
def test_every_verb_refuses_what_is_no_key(verb, without_type_checks):
    parameters = inspect.signature(verb).parameters
    name = "key" if "key" in parameters else "keys"
    needed = [each for each, p in parameters.items() if p.default is p.empty and each != name]
    given = {each: GIVEN.get(each) for each in needed}
    positional = [each for each, p in parameters.items() if p.kind is not p.KEYWORD_ONLY and each in {*needed, name}]
    for seen, sentence in NO_KEYS.values():
        if seen is None and parameters[name].default is None:
            continue  # it may be left out
        if hasattr(seen, "ndim") and name == "keys" and seen.ndim == 1 and seen.dtype == jnp.float32:
            sentence = r"is an array of shape \(2,\) and type float32; give a stack of n random keys"
        everything = given | {name: seen}
        args = [everything[each] for each in positional]
        options = {each: everything[each] for each in needed if each not in positional}
        with pytest.raises(st.InputError, match=f"^{name} {sentence}"):
            without_type_checks(lambda args=args, options=options: verb(*args, **options))


def test_old_keys_and_keys_of_other_generators_are_keys():
    require_key(jax.random.PRNGKey(0))
    require_key(jax.random.key(0, impl="rbg"))
    require_keys(jax.random.split(jax.random.PRNGKey(0), 3))
    with pytest.raises(st.InputError, match="keys is a single key; give a stack"):
        require_keys(jax.random.key(0, impl="rbg"))
    jax.eval_shape(require_key, KEY)


def test_mistakes_of_a_model_without_initial_states_are_found_where_it_decides(without_type_checks):
    @st.record
    class Simulator:
        discount: float = 0.9
        num_agents: int = st.static(default=2)
        num_controls: int = st.static(default=3)
        control_mask, sample_disturbance = Lawful.control_mask, Lawful.sample_disturbance

        def transition(self, state, control, disturbance):
            return Next(state + 1.0, 1.0, 0.5)

    planner = without_type_checks(lambda: st.OneAtATimeRollout(Simulator(), rests))
    with pytest.raises(st.InputError, match=r"done is float32\[\]; one boolean"):
        without_type_checks(lambda: planner.decide(jnp.zeros(4), KEY))
    with pytest.raises(st.InputError, match="Simulator has no method initial_state"):
        without_type_checks(lambda: st.evaluate(Simulator(), rests, KEY))


def test_starts_that_cannot_be_traced_are_no_obstacle_to_planners():
    def anywhere(self, key):
        return jnp.asarray(np.arange(float(jax.random.uniform(key) > 2), 4.0))

    require_model(mistaken(initial_state=anywhere))
    with pytest.raises(st.InputError, match="initial_state uses the value of an array"):
        require_model(mistaken(initial_state=anywhere), starts=True)


def test_a_planner_in_a_loop_costs_little():
    """A model is traced once for its structure; what is asked again takes a small part of a millisecond."""
    traces = []

    def counted(self, x, u, w):
        traces.append(None)
        return Next(x, 1.0, False)

    kind = st.record(type("Counted", (Lawful,), {"transition": counted}))
    for discount in (0.5, 0.9, 0.99):
        require_model(kind(discount=discount))
    assert len(traces) == 1
    model, before = kind(), time.process_time()
    for _ in range(100):
        require_model(model)
    assert time.process_time() - before < 0.1


def test_planners_made_inside_transformations_are_checked_by_shape_alone():
    def decide(discount):
        return st.OneAtATimeRollout(Lawful(discount=discount), rests, st.Simulation(horizon=1, num_samples=1))

    jax.eval_shape(lambda d: decide(d).decide(jnp.zeros(4), KEY), 0.9)
    jax.vmap(lambda d: decide(d).model.discount)(jnp.array([0.5, 0.9]))
    with pytest.raises(st.InputError, match="discount is"):
        jax.eval_shape(lambda d: decide(d).model.discount, jnp.ones(2))


def test_what_the_door_calls_is_the_model_alone():
    """Policies may count their calls; making a planner does not call them."""
    calls = []

    def counting(state, key):
        calls.append(None)
        return rests(state, key)

    st.OneAtATimeRollout(Lawful(), counting)
    st.StandardRollout(Lawful(), counting)
    assert not calls
    assert inspect.signature(st.Decision).parameters["admissible"].default is None
