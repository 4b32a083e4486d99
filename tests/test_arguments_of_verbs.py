"""Every public verb, given another thing than it needs, says so in one sentence, before any work is done."""

import functools
import itertools
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st
from seriatim import distributions, exact, formats, gradients, networks, parallel, problems, rendering, training
from seriatim._arguments import MOST, as_numbers, require_callable, require_real, require_whole, seconds_of
from seriatim.problems._tabular import static_team
from seriatim.training._labels import costs_to_go
from seriatim.training.runs._checkpoint import about_checkpoint, load_checkpoint, save_checkpoint

KEY = jax.random.key(0)
NAN = float("nan")
# True is no number, 2.0 counts nothing, and texts are neither.
NO_COUNTS = (True, False, 0, -1, 2.0, NAN, "3", None, MOST + 1, 10**12, np.float32(2), object(), [1])
NO_REALS = (True, NAN, "0.5", None, 1j, object(), [0.5], np.array([0.5]))


class Line:
    """Two agents that push a number up; it ends at 3."""

    num_agents, num_controls, discount = 2, 3, 0.9

    def initial_state(self, key):
        return jnp.zeros(())

    def control_mask(self, state):
        return jnp.ones((2, 3), bool)

    def sample_disturbance(self, key):
        return jax.random.uniform(key)

    def transition(self, state, control, disturbance):
        return st.Transition(state + 1, cost=jnp.sum(control) + disturbance, done=state > 2)


MODEL = Line()
TABLES = exact.Tables(np.ones((2, 1)), np.full((2, 1, 2), 0.5), 0.9)


def base(state, key):
    return jnp.zeros(2, jnp.int32)


class Three(Line):
    """A team of three."""

    num_agents = 3

    def control_mask(self, state):
        return jnp.ones((3, 3), bool)


THREE = st.OneAtATimeRollout(Three(), lambda state, key: jnp.zeros(3, jnp.int32), st.Simulation(2))


class Counter:
    """A trainer that counts."""

    def init(self, key):
        return jnp.zeros(())

    def step(self, state):
        return state + 1, {}


def refused(call, said, without_type_checks):
    with pytest.raises(st.InputError) as caught:
        without_type_checks(call)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


# What counts something, by the name of the argument: a call for each verb and constructor.
COUNTS = [
    ("episodes", lambda n: st.evaluate(MODEL, base, KEY, episodes=n)),
    ("horizon", lambda n: st.evaluate(MODEL, base, KEY, horizon=n)),
    ("episodes", lambda n: st.compare(MODEL, {"base": base}, KEY, episodes=n)),
    ("horizon", lambda n: st.compare(MODEL, {"base": base}, KEY, horizon=n)),
    ("stages", lambda n: st.FiniteHorizon(MODEL, n)),
    ("stages", lambda n: exact.finite_horizon(TABLES, n)),
    ("stages", lambda n: exact.finite_horizon_cost(TABLES, [[0], [0]], n)),
    ("max_iterations", lambda n: exact.value_iteration(TABLES, max_iterations=n)),
    ("max_iterations", lambda n: exact.policy_iteration(TABLES, max_iterations=n)),
    ("num_agents", lambda n: exact.Tables(np.ones((2, 1)), np.full((2, 1, 2), 0.5), 0.9, n)),
    ("part", lambda n: parallel.over_keys(lambda shared, inputs, keys: keys, jax.random.split(KEY, 2), part=n)),
    ("steps", lambda n: training.train(Counter(), KEY, steps=n)),
    ("checkpoint_every", lambda n: training.train(Counter(), KEY, steps=1, checkpoint_every=n or 0)),
    ("horizon", lambda n: training.visited(MODEL, base, jax.random.split(KEY, 2), n, 0.1)),
    ("horizon", lambda n: costs_to_go(MODEL, base, jax.random.split(KEY, 2), n)),
    ("batch", lambda n: training.Fitting(batch=n)),
    ("max_choices", lambda n: gradients.estimator("exact")(jnp.sum, jnp.zeros((2, 3)), KEY, max_choices=n)),
]


@pytest.mark.parametrize(("name", "call"), COUNTS, ids=[f"{i}-{name}" for i, (name, _) in enumerate(COUNTS)])
def test_counts_are_whole_numbers_that_can_be_counted(name, call, without_type_checks):
    for wrong in NO_COUNTS:
        refused(lambda wrong=wrong: call(wrong), f"{name}=", without_type_checks)


# What measures something, with values beyond its bounds.
REALS = [
    ("discount", lambda x: exact.Tables(np.ones((2, 1)), np.full((2, 1, 2), 0.5), x), (0, 1.5, -1)),
    ("tolerance", lambda x: exact.value_iteration(TABLES, tolerance=x), (0, -1, np.inf)),
    ("noise", lambda x: training.visited(MODEL, base, jax.random.split(KEY, 2), 3, x), (-0.1, 1.1)),
    ("max_seconds", lambda x: training.train(Counter(), KEY, steps=1, max_seconds=x), (0, -1)),
    ("learning_rate", lambda x: training.Fitting(learning_rate=x), (0, -1, np.inf)),
    ("weight_decay", lambda x: training.Fitting(weight_decay=x), (-1, np.inf)),
    ("decay", lambda x: gradients.MovingBaseline(x), (-0.1, 1)),
    ("discount", lambda x: static_team(np.ones((2, 2)), discount=x), (0, 1)),
    ("termination", lambda x: problems.random_team(0, states=3, agents=1, controls=2, termination=x), (-0.1, 1)),
    ("discount", lambda x: problems.SpidersAndFlies(2, 2, 4, 4, discount=x), (0, 1.5)),
]


@pytest.mark.parametrize(("name", "call", "beyond"), REALS, ids=[f"{i}-{each[0]}" for i, each in enumerate(REALS)])
def test_measures_are_real_numbers_within_bounds(name, call, beyond, without_type_checks):
    for wrong in (*NO_REALS, *beyond):
        if not (name == "max_seconds" and wrong is None):
            refused(lambda wrong=wrong: call(wrong), f"{name}=", without_type_checks)


def test_the_checks_of_numbers_take_all_numbers_there_are():
    for number in (1, np.int8(1), np.uint64(1), MOST):
        require_whole("n", number)
    for number in (1, 0.5, np.float32(0.5), jnp.float32(0.5), jnp.int32(1), np.array(0.5)):
        require_real("x", number, "a share", least=0, most=1)
    assert seconds_of(None) == np.inf
    assert type(seconds_of(np.float32(2))) is float  # a clock in single precision stands still for hours
    assert as_numbers("x", [1, 2]).dtype == np.float64
    jax.jit(lambda x: require_real("x", x, "a share", most=1))(2.0)  # not known while it is traced


def test_functions_are_asked_whether_they_take_the_arguments():
    for fine in (max, print, lambda *given: 0, lambda a, b=1: 0, functools.partial(pow, mod=3), [].insert):
        require_callable("f", fine, "a function", 2)
    with pytest.raises(st.InputError, match="f cannot be called with 2 arguments"):
        require_callable("f", lambda a: 0, "a function", 2)


CALLS = [
    ("int has no num_agents", lambda: st.check_policy(3, base)),
    ("OneAtATimeRollout plans for 3 agents, and Line has 2", lambda: st.evaluate(MODEL, THREE, KEY)),
    ("OneAtATimeRollout plans for 3 agents, and Line has 2", lambda: st.compare(MODEL, {"a": base, "b": THREE}, KEY)),
    ("OneAtATimeRollout plans for 3", lambda: training.visited(MODEL, THREE, jax.random.split(KEY, 2), 3, 0.1)),
    ("progress=3 cannot be called", lambda: st.evaluate(MODEL, base, KEY, progress=3)),
    ("progress cannot be called with 2 arguments", lambda: st.evaluate(MODEL, base, KEY, progress=lambda a: 0)),
    ("on='local' shares out no work", lambda: st.evaluate(MODEL, base, KEY, on="local")),
    ("on=<class", lambda: st.evaluate(MODEL, base, KEY, on=parallel.Local)),
    ("policies is a list; give policies by name", lambda: st.compare(MODEL, [base], KEY)),
    ("policies is a function; give policies by name", lambda: st.compare(MODEL, base, KEY)),
    ("policies['b']=3 cannot be called", lambda: st.compare(MODEL, {"a": base, "b": 3}, KEY)),
    ("progress cannot be called with 3", lambda: st.compare(MODEL, {"a": base}, KEY, progress=lambda a, b: 0)),
    ("costs is 'a', which is no array of numbers", lambda: exact.Tables("a", np.ones((2, 1, 2)), 0.9)),
    ("order=[0, 'a'] is no order", lambda: exact.multiagent_value_iteration(TABLES, order=[0, "a"])),
    ("function=3 cannot be called", lambda: gradients.estimator("exact")(3, jnp.zeros((2, 3)), KEY)),
    ("function=3 cannot be called", lambda: gradients.estimator("score-function")(3, jnp.zeros((2, 3)), KEY)),
    (
        "function cannot be called with 1 arguments",
        lambda: gradients.estimator("disarm")(lambda: 0, jnp.zeros((2, 2)), KEY),
    ),
    ("logits[0, 1] is nan", lambda: gradients.estimator("score-function")(jnp.sum, jnp.array([[0.0, NAN]]), KEY)),
    ("logits[1, 0] is inf", lambda: gradients.estimator("exact")(jnp.sum, jnp.array([[0.0], [np.inf]]), KEY)),
    ("index is of type float", lambda: distributions.log_probability(jnp.zeros((2, 3)), [0.5, 0])),
    ("index is of type bool", lambda: distributions.log_probability(jnp.zeros((2, 3)), np.array([True, False]))),
    ("index is of type", lambda: distributions.log_probability(jnp.zeros((2, 3)), "a")),
    ("function=3 cannot be called", lambda: parallel.over_keys(3, jax.random.split(KEY, 2))),
    ("function cannot be called with 3", lambda: parallel.over_keys(lambda key: key, jax.random.split(KEY, 2))),
    ("workers=True", lambda: parallel.Local(True)),
    ("workers=1,000,000,000: give a whole number from 1 to", lambda: parallel.Local(10**9)),
    ("workers=2.5", lambda: parallel.Ray(workers=2.5)),
    ("address=3: give a text", lambda: parallel.Ray(address=3)),
    ("trainer=3 has no init and step", lambda: training.train(3, KEY, steps=1)),
    ("trainer=<class", lambda: training.train(Counter, KEY, steps=1)),
    ("progress=3 cannot be called", lambda: training.train(Counter(), KEY, steps=1, progress=3)),
    ("policy=3 cannot be called", lambda: costs_to_go(MODEL, 3, jax.random.split(KEY, 2), 5)),
    ("int has no num_agents", lambda: training.visited(3, base, jax.random.split(KEY, 2), 5, 0.1)),
    ("int has no num_agents", lambda: networks.policy_classifier(3, KEY)),
    ("model=Line is a class", lambda: networks.value_network(Line, KEY)),
    ("networks is a int", lambda: networks.partitioned(3, lambda state: 0, 2)),
    ("runs has 3, which is no run", lambda: training.plot_runs([3])),
    ("model is a Line; only a TeamPOMDP", lambda: formats.save(MODEL, "x.pomdp")),
    ("trajectory is a int", lambda: rendering.save_episode("x.html", problems.SpidersAndFlies(1, 1, 3, 3), 3)),
    (
        "1,000,000,000: give the number of stages, a whole number from 1 to 16,777,216",
        lambda: exact.finite_horizon(TABLES, 10**9),
    ),
]


@pytest.mark.parametrize(("said", "call"), CALLS, ids=[f"{i}-{said[:20]}" for i, (said, _) in enumerate(CALLS)])
def test_another_thing_than_is_needed_is_told(said, call, without_type_checks):
    refused(call, said, without_type_checks)


class Odd(os.PathLike):
    """A path of bytes."""

    def __fspath__(self):
        return b"x"


PATHS = {
    "load": formats.load,
    "load_map": formats.load_map,
    "load_agents": lambda path: formats.load_agents(path, None),
    "load_scenarios": lambda path: formats.load_scenarios(path, None),
    "save_episode": lambda path: rendering.save_episode(path, MODEL, None),
    "load_checkpoint": lambda path: load_checkpoint(path, jnp.zeros(())),
    "about_checkpoint": about_checkpoint,
    "save_checkpoint": lambda path: save_checkpoint(path, jnp.zeros(())),
    "create": lambda path: training.Run.create(path, {}),
    "open": training.Run.open,
    "runs_in": training.runs_in,
}


@pytest.mark.parametrize(("verb", "path"), list(itertools.product(PATHS, [None, 3, b"x", ["x"], Odd()])))
def test_what_is_no_path_opens_no_file(verb, path, without_type_checks):
    refused(lambda: PATHS[verb](path), "is no path; give the name of a file", without_type_checks)


@pytest.mark.parametrize(
    ("tree", "about", "said"),
    [
        ({"a": object()}, None, "tree['a'] is <object object"),
        ({"a": "text"}, None, "tree['a'] is 'text' of type str; a checkpoint is of arrays"),
        (jnp.zeros(()), {"x": object()}, "about cannot be written as JSON"),
        (jnp.zeros(()), 3, "about cannot be written as JSON (about is 3, where an object is expected)"),
    ],
)
def test_a_checkpoint_that_could_not_be_read_is_not_written(tmp_path, tree, about, said, without_type_checks):
    refused(lambda: save_checkpoint(tmp_path / "c", tree, about), said, without_type_checks)
    assert not list(tmp_path.iterdir())
