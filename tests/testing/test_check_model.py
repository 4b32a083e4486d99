"""The laws catch what they are for: one broken model for each, with its sentence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st


@st.record
class Lawful:
    """Two agents on a ring of five cells; one control moves, the other stays."""

    discount: float = 0.9
    num_agents: int = st.static(default=2)
    num_controls: int = st.static(default=2)

    def initial_state(self, key):
        return jax.random.randint(key, (2,), 0, 5)

    def control_mask(self, state):
        return jnp.ones((2, 2), bool).at[0, 1].set(state[0] != 3)

    def sample_disturbance(self, key):
        return jax.random.uniform(key)

    def transition(self, state, control, disturbance):
        after = (state + control * (disturbance < 0.7)) % 5
        return st.Transition(after, jnp.sum(after).astype(float), disturbance > 0.95)


def broken(**replaced):
    fields = {name: replaced.pop(name) for name in ("num_agents", "num_controls", "discount") if name in replaced}
    return type("Mine", (Lawful,), replaced)(**fields)


def after(state=None, cost=1.0, done=False):
    def transition(self, x, u, w):
        return st.Transition(x if state is None else state(x), jnp.asarray(cost), jnp.asarray(done))

    return transition


count = []


def impure(self, x, u, w):
    count.append(None)
    return st.Transition(x, jnp.float32(len(count)), jnp.array(False))


def raising(self, x, u, w):
    return 1 / 0


BROKEN = {
    "no agents": ({"num_agents": 0}, r"Mine\.num_agents is 0; a whole number from 1 up"),
    "half an agent": ({"num_agents": 1.5}, r"Mine\.num_agents is 1\.5"),
    "no controls": ({"num_controls": 0}, r"Mine\.num_controls is 0"),
    "discount 0": ({"discount": 0.0}, r"Mine\.discount is 0\.0; a number above 0 and at most 1"),
    "discount 1.5": ({"discount": 1.5}, r"Mine\.discount is 1\.5"),
    "discount nan": ({"discount": float("nan")}, r"Mine\.discount is nan"),
    "discount text": ({"discount": "high"}, r"Mine\.discount is 'high'"),
    "state a list of text": ({"initial_state": lambda self, k: ["a"]}, r"Mine\.initial_state.* is 'a' of type str"),
    "mask of another shape": (
        {"control_mask": lambda self, x: jnp.ones((2, 3), bool)},
        r"control_mask returned bool\[2, 3\]; bool\[2, 2\] is expected",
    ),
    "mask of numbers": (
        {"control_mask": lambda self, x: jnp.ones((2, 2))},
        r"control_mask returned float32\[2, 2\]; bool\[2, 2\]",
    ),
    "mask without a control": (
        {"control_mask": lambda self, x: jnp.zeros((2, 2), bool).at[0].set(True)},
        r"control_mask leaves agent 1 no admissible control at the initial state",
    ),
    "mask without a control later": (
        {"control_mask": lambda self, x: jnp.ones((2, 2), bool).at[1].set(x[1] != 2)},
        r"control_mask leaves agent 1 no admissible control",
    ),
    "state of another dtype": (
        {"transition": after(lambda x: x * 1.0)},
        r"transition\(...\)\.state is float32\[2\], where int32\[2\] is expected",
    ),
    "state of another shape": (
        {"transition": after(lambda x: x[:1])},
        r"transition\(...\)\.state is int32\[1\], where int32\[2\] is expected",
    ),
    "state of another structure": ({"transition": after(lambda x: (x, x))}, r"has the structure"),
    "cost for each agent": (
        {"transition": after(cost=[1.0, 2.0])},
        r"\.cost is float32\[2\]; one number, shape \[\], is expected",
    ),
    "done a number": ({"transition": after(done=0.0)}, r"\.done is float32\[\]; one boolean"),
    "nan cost": ({"transition": after(cost=jnp.nan)}, r"returned the stage cost nan at stage 0"),
    "infinite cost": ({"transition": after(cost=jnp.inf)}, r"returned the stage cost inf"),
    "a tuple": ({"transition": lambda self, x, u, w: (x, 1.0, False)}, r"returned a tuple; a seriatim\.Transition"),
    "an exception": ({"transition": raising}, r"Mine\.transition raised ZeroDivisionError: division by zero"),
    "an if on a traced value": (
        {"transition": lambda self, x, u, w: after()(self, x, u, w) if x[0] > 1 else None},
        r"Mine\.transition decides on the value of an array in plain Python",
    ),
    "a memory": ({"transition": impure}, r"another result for the same arguments"),
    "feasible for each agent": ({"feasible": lambda self, x, u: u > 0}, r"feasible returned bool\[2\]; one boolean"),
    "nominal of another shape": (
        {"nominal_disturbance": lambda self: jnp.zeros(3)},
        r"nominal_disturbance is float32\[3\], where float32\[\] is expected",
    ),
}


def test_a_lawful_model_is_found_lawful():
    report = st.check_model(Lawful())
    assert report.ok, str(report)
    report.raise_if_broken()


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_law_is_named_with_what_was_seen(case):
    methods, sentence = BROKEN[case]
    report = st.check_model(broken(**dict(methods)), quick=True)
    assert not report.ok, str(report)
    with pytest.raises(st.InputError, match=sentence):
        report.raise_if_broken()
    assert "\n" not in report.failures[0].message


def test_a_state_may_hold_a_random_key():
    def begins(self, key):
        return {"key": key, "count": jnp.zeros(())}

    def moves_on(self, state, control, disturbance):
        after = {"key": jax.random.fold_in(state["key"], 1), "count": state["count"] + 1}
        return st.Transition(after, jax.random.uniform(state["key"]), after["count"] > 3)

    def masked(self, state):
        return jnp.ones((2, 2), bool)

    def draws(self, key):
        return jnp.zeros(())

    methods = {"initial_state": begins, "transition": moves_on, "control_mask": masked, "sample_disturbance": draws}
    report = st.check_model(broken(**methods), quick=True)
    assert report.ok, str(report)


CHAIN = jnp.array([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.3, 0.3, 0.4]])


@st.record
class Chain:
    """A Markov chain of three states as a finite model, whose sampled law of motion can be made to differ."""

    sampled: jax.Array
    enumerated: jax.Array
    cost: float = 1.0
    discount: float = 0.9
    num_agents: int = st.static(default=1)
    num_controls: int = st.static(default=1)

    def initial_state(self, key):
        return jnp.zeros((), jnp.int32)

    def control_mask(self, state):
        return jnp.ones((1, 1), bool)

    def sample_disturbance(self, key):
        return jax.random.gumbel(key, (3,))

    def transition(self, state, control, disturbance):
        following = jnp.argmax(jnp.log(self.sampled[state]) + disturbance)
        return st.Transition(following.astype(jnp.int32), self.cost * following, jnp.array(False))

    def states(self):
        return jnp.arange(3, dtype=jnp.int32)

    def index(self, state):
        return state

    def outcomes(self, state, control):
        following = jnp.arange(3, dtype=jnp.int32)
        return st.Transition(following, following * 1.0, jnp.zeros(3, bool)), self.enumerated[state]


def test_a_finite_model_is_found_lawful():
    report = st.check_model(Chain(CHAIN, CHAIN))
    assert report.ok, str(report)
    skipped = {f.law.split(":")[0] for f in report.findings if f.passed is None}
    assert skipped == {
        "feasible is one boolean",
        "nominal_disturbance is like a drawn one",
        "observed",
        "features",
        "observations",
        "relaxed",
    }


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (Chain(CHAIN, CHAIN.at[1].set(0.3)), r"outcomes at state 1, control \[0\] has probabilities .* sum to 0.9"),
        (
            Chain(CHAIN, CHAIN.at[0].set(jnp.array([0.4, 0.6, 0.0]))),
            r"transition at state 0.*where outcomes\(\) expects",
        ),
        (Chain(CHAIN, CHAIN.at[0].set(jnp.array([1.0, 0.0, 0.0]))), r"led to state 1, which is not among outcomes"),
        (Chain(CHAIN, CHAIN, cost=1.1), r"costs .* on average, where outcomes\(\) gives"),
    ],
)
def test_outcomes_that_differ_from_samples_are_found(model, sentence):
    with pytest.raises(st.InputError, match=sentence):
        st.check_model(model).raise_if_broken()


def test_numbers_that_do_not_invert_are_found():
    mine = type("Mine", (Chain,), {"index": lambda self, x: 2 - x})(CHAIN, CHAIN)
    with pytest.raises(st.InputError, match=r"Mine\.index\(states\(\)\[0\]\) is 2; 0 is expected"):
        st.check_model(mine).raise_if_broken()


def test_states_that_are_missing_are_found():
    mine = type("Mine", (Chain,), {"states": lambda self: jnp.arange(2, dtype=jnp.int32)})(CHAIN, CHAIN)
    with pytest.raises(st.InputError, match="leads to a state that is not among"):
        st.check_model(mine).raise_if_broken()


POLICIES = {
    "two numbers too many": (lambda x, k: jnp.zeros(4, int), r"returned int32\[4\]; int32\[2\]"),
    "real numbers": (lambda x, k: jnp.zeros(2), r"returned float32\[2\]; int32\[2\]"),
    "inadmissible": (
        lambda x, k: jnp.ones(2, int),
        r"chose control 1 for agent 0, where control_mask admits only \[0\]",
    ),
    "beyond": (lambda x, k: jnp.full(2, 2), r"chose control 2 for agent 0"),
    "raising": (lambda x, k: 1 / 0, r"raised ZeroDivisionError"),
}


@pytest.mark.parametrize("case", POLICIES)
def test_a_broken_policy_is_named(case):
    policy, sentence = POLICIES[case]
    with pytest.raises(st.InputError, match=sentence):
        st.check_policy(Lawful(), policy).raise_if_broken()


def test_an_infeasible_policy_is_named():
    apart = type("Mine", (Lawful,), {"feasible": lambda self, x, u: u[0] + u[1] < 1})()
    report = st.check_policy(apart, lambda x, k: jnp.array([0, 1]))
    with pytest.raises(st.InputError, match=r"joint control \[0, 1\], which Mine.feasible refuses"):
        report.raise_if_broken()
    assert st.check_policy(apart, lambda x, k: jnp.array([0, 0])).ok


def test_a_lawful_policy_is_found_lawful():
    report = st.check_policy(Lawful(), lambda x, k: jnp.zeros(2, int))
    assert report.ok, str(report)


def test_a_transformation_to_lanes_that_goes_wrong_is_noticed(monkeypatch):
    def off_by_one(function, in_axes):
        def call(*arguments):
            after = jax.vmap(function, in_axes, -1)(*arguments)
            return st.Transition(after.state + 1, after.cost, after.done)

        return call

    monkeypatch.setattr("seriatim.testing._lanes_law.map_lanes", lambda f, axes, of: off_by_one(f, axes))
    (failure,) = st.check_model(Lawful()).failures
    assert "Lawful.transition differs in .state (int32[2, 8]) between one state and many" in failure.message


@st.record
class LanesLast:
    """Three agents on a line, written to broadcast over a last axis of lanes; or, wrongly, to mix it."""

    keeps_apart: bool = st.static(default=True)
    discount: float = 0.9
    num_agents: int = st.static(default=3)
    num_controls: int = st.static(default=2)
    lanes_last = True

    def initial_state(self, key):
        return jax.random.randint(key, (3,), 0, 5)

    def control_mask(self, state):
        return jnp.ones((3, 2), bool)

    def sample_disturbance(self, key):
        return jax.random.uniform(key)

    def transition(self, state, control, disturbance):
        after = (state + control) % 5
        cost = jnp.sum(after, axis=0 if self.keeps_apart else None) + 0.0 * disturbance
        return st.Transition(after, cost.astype(float), disturbance > 0.95)


def test_a_model_may_declare_that_it_keeps_lanes_apart():
    assert st.check_model(LanesLast()).ok
    (failure,) = st.check_model(LanesLast(keeps_apart=False)).failures
    assert "LanesLast.transition differs in .cost" in failure.message
    assert "it declares lanes_last, so keep the last axis apart" in failure.message


def test_a_model_that_keeps_lanes_apart_decides_as_one_that_is_transformed():
    model, key = LanesLast(), jax.random.key(1)
    simulation = st.Simulation(horizon=5, num_samples=3)
    planner = st.StandardRollout(model, lambda x, k: jnp.zeros(3, int), simulation)
    plain = type("Plain", (LanesLast,), {"lanes_last": False})()
    other = st.StandardRollout(plain, planner.base, planner.simulation)
    state = model.initial_state(key)
    np.testing.assert_array_equal(planner.decide(state, key).q_factors, other.decide(state, key).q_factors)


def refuses(self, state, control, disturbance):
    after = (state + control + jnp.arange(3)) % 5
    return st.Transition(after, jnp.sum(after, axis=0) * 1.0, disturbance > 0.95)


def sums_lanes(self, state, control, disturbance):
    after = (state + control) % 5
    return st.Transition(after, jnp.sum(after, axis=-1) * 1.0, disturbance > 0.95)


@pytest.mark.parametrize(
    ("transition", "sentence"),
    [
        (refuses, "declares lanes_last and fails when its arguments have one more axis, the last: "),
        (sums_lanes, r"differs in .cost (float32[8] and float32[3]) between one state and many"),
    ],
)
def test_wrong_declarations_that_fail_are_named(transition, sentence):
    model = type("Wrong", (LanesLast,), {"transition": transition})()
    (failure,) = st.check_model(model).failures
    assert sentence in failure.message
