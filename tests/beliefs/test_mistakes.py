"""Whatever is given to the verbs of beliefs in place of what they need is refused in one sentence, before any work."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import random_problem

import seriatim as st
from seriatim import beliefs

KEY = jax.random.key(0)
NAN = float("nan")


class Plain:
    """A model that shows nothing of its state."""

    num_agents, num_controls, discount = 1, 2, 0.9

    def initial_state(self, key):
        return jnp.int32(0)

    def control_mask(self, state):
        return jnp.ones((1, 2), bool)

    def sample_disturbance(self, key):
        return jax.random.uniform(key)

    def transition(self, state, control, disturbance):
        return st.Transition(state, cost=disturbance, done=jnp.array(False))

    def states(self):
        return jnp.arange(1, dtype=jnp.int32)


@pytest.fixture(scope="module")
def model():
    return random_problem(5, states=2, observations=2)


@pytest.fixture(scope="module")
def exact(model):
    return beliefs.ExactFilter(model)


def base(info, key):
    return jnp.zeros(1, jnp.int32)


def refused(call, said, without_type_checks):
    with pytest.raises(st.InputError) as caught:
        without_type_checks(call)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


EVEN = np.array([0.5, 0.5], np.float32)


@pytest.mark.parametrize(
    ("belief", "control", "observation", "said"),
    [
        (EVEN, [0.9], 0, "control [0.9] is none of Small; give a whole number from 0 to 1"),
        (EVEN, [True], 0, "control [True] is none of Small"),
        (EVEN, [1.0], 0, "control [1.0] is none of Small"),
        (EVEN, [[0]], 0, "control [[0]] is none of Small"),
        (EVEN, [-1], 0, "control [-1] is none of Small"),
        (EVEN, [2**32], 0, "control [4294967296] is none of Small"),
        (EVEN, "a", 0, "control 'a' is none of Small"),
        (EVEN, None, 0, "control None is none of Small"),
        (np.array([0.5], np.float32), [0], 0, "The belief is float32[1], where float32[2] is expected"),
        ([3.0, -1.0], [0], 0, "The belief has the probabilities [3.0, -1.0]"),
        ([NAN, 0.5], [0], 0, "The belief has the probabilities [nan, 0.5]"),
        ([0.5, 0.4], [0], 0, "numbers from 0 up that sum to 1"),
        ([True, False], [0], 0, "The belief is bool[2], where float32[2] is expected"),
        ("a", [0], 0, "The belief is 'a' of type str"),
        (None, [0], 0, "The belief has the structure PyTreeDef(None)"),
        (EVEN, [0], 0.9, "The observation 0.899"),
        (EVEN, [0], True, "The observation True is none of Small, which makes int32[]"),
        (EVEN, [0], [0], "The observation [0] is none of Small, which makes int32[]"),
        (EVEN, [0], 2, "The observation 2 is none of those that Small.observations() lists"),
        (EVEN, [0], "a", "The observation is 'a' of type str"),
        (EVEN, [0], None, "The observation None is none of Small"),
    ],
)
def test_a_stage_that_cannot_have_been_is_refused(exact, belief, control, observation, said, without_type_checks):
    refused(lambda: beliefs.observe(exact, belief, control, observation, KEY), said, without_type_checks)


def test_lists_and_numbers_of_people_are_what_arrays_are(exact):
    expected = beliefs.observe(exact, jnp.array([0.25, 0.75]), jnp.array([1], jnp.int32), jnp.int32(1), KEY)
    for belief, control, seen in (([0.25, 0.75], [1], 1), (np.array([0.25, 0.75]), np.array([1]), np.int64(1))):
        assert beliefs.observe(exact, belief, control, seen, KEY).tolist() == expected.tolist()
    assert beliefs.observe(exact, [1, 0], [1], 1, KEY).dtype == jnp.float32


def test_other_beliefs_than_arrays_are_looked_into(model, without_type_checks):
    cloud = beliefs.ParticleFilter(model, 4)
    belief = cloud.initial(KEY)
    wrong = type(belief)(belief.states, belief.weights * 2, belief.deprived)
    refused(lambda: beliefs.observe(cloud, wrong, [0], 0, KEY), "has the probabilities [0.5", without_type_checks)
    short = beliefs.ParticleFilter(model, 3).initial(KEY)
    refused(lambda: beliefs.observe(cloud, short, [0], 0, KEY), "int32[3], where int32[4]", without_type_checks)


SECONDS = [(NAN, "max_seconds=nan"), (-1, "max_seconds=-1"), (True, "max_seconds=True"), ("1", "max_seconds='1'")]
STAGES = [(True, "horizon=True"), (2.0, "horizon=2.0"), ("3", "horizon='3'"), (0, "horizon=0"), (-1, "horizon=-1")]
STAGES += [(10**12, "horizon=1,000,000,000,000: give a whole number from 1 to 1,000,000")]


@pytest.mark.parametrize(("seconds", "said"), SECONDS)
def test_limits_of_time_are_numbers_of_seconds(model, seconds, said, without_type_checks):
    refused(lambda: beliefs.bounds(model, max_seconds=seconds), said, without_type_checks)
    refused(lambda: beliefs.centralised_bounds(model, 2, max_seconds=seconds), said, without_type_checks)


def test_a_limit_of_time_may_be_any_real_number(model):
    assert beliefs.bounds(model, max_seconds=np.float32(0.0)).trials == 0


@pytest.mark.parametrize(("stages", "said"), STAGES)
@pytest.mark.parametrize(
    "verb",
    [
        lambda model, n: beliefs.qmdp(model, horizon=n),
        lambda model, n: beliefs.fast_informed_bound(model, horizon=n),
        lambda model, n: beliefs.blind_policies(model, horizon=n),
        lambda model, n: beliefs.incremental_pruning(model, horizon=n),
        lambda model, n: beliefs.centralised_value(model, n),
        lambda model, n: beliefs.centralised_bounds(model, n),
        lambda model, n: beliefs.decentralised_value(model, base, n),
    ],
    ids=["qmdp", "informed", "blind", "iteration", "value", "bounds", "decentralised"],
)
def test_stages_are_a_number_that_can_be_reached(model, verb, stages, said, without_type_checks):
    refused(lambda: verb(model, stages), said, without_type_checks)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda m: beliefs.bounds(m, tolerance=NAN), "tolerance=nan"),
        (lambda m: beliefs.bounds(m, tolerance=True), "tolerance=True"),
        (lambda m: beliefs.bounds(m, tolerance="a"), "tolerance='a'"),
        (lambda m: beliefs.bounds(m, max_trials=2.5), "max_trials=2.5"),
        (lambda m: beliefs.qmdp(m, tolerance=NAN), "tolerance=nan"),
        (lambda m: beliefs.incremental_pruning(m, horizon=1, tolerance=NAN), "tolerance=nan"),
        (lambda m: beliefs.bounds(m, prior="uniform"), "The prior is 'uniform'; 2 probabilities"),
        (lambda m: beliefs.ExactFilter(m, prior="uniform"), "The prior is 'uniform'; 2 probabilities"),
        (lambda m: beliefs.ExactFilter(m, prior=[NAN, 1]), "The prior has shape (2,) and sum nan"),
        (lambda m: beliefs.ExactFilter(m, prior=[1.5, -0.5]), "its least entry is -0.5"),
        (lambda m: beliefs.ExactFilter(Plain()), "Plain has no observation_likelihood()"),
        (lambda m: beliefs.qmdp(m).at([NAN, 1]), "The belief has shape (2,) and sum nan"),
        (lambda m: beliefs.qmdp(m).at([0.5, 0.4]), "The belief has shape (2,) and sum 0.9"),
        (lambda m: beliefs.bounds(m, max_trials=1).lower_at([1.0]), "The belief has shape (1,)"),
        *((lambda m, verb=verb: verb(3), "int has no num_agents") for verb in (beliefs.qmdp, beliefs.bounds)),
        (lambda m: beliefs.blind_policies(Plain), "model=Plain is a class"),
        (lambda m: beliefs.decentralised_value(m, base, 2), "model is a Small; give an InformationModel"),
        (lambda m: beliefs.on_belief(3), "policy=3 cannot be called"),
    ],
)
def test_arguments_of_exact_verbs(model, call, said, without_type_checks):
    refused(lambda: call(model), said, without_type_checks)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda m, f: beliefs.CertaintyEquivalent(3, f), "policy=3 cannot be called"),
        (lambda m, f: beliefs.CertaintyEquivalent(base, m), "filter is a Small, which is no filter"),
        (lambda m, f: beliefs.HiddenModel(m, 3), "filter is a int, which is no filter"),
        (lambda m, f: beliefs.BeliefModel(m, m), "filter is a Small, which is no filter"),
        (lambda m, f: beliefs.BeliefModel(m, beliefs.ExactFilter), "filter=ExactFilter is a class"),
        (lambda m, f: beliefs.TreeSearch(m), "filter is a Small, which is no filter"),
        (lambda m, f: beliefs.TreeSearch(f, playout=3), "playout=3 cannot be called"),
        (
            lambda m, f: beliefs.TreeSearch(f, horizon=10**12),
            "horizon=1,000,000,000,000: give a whole number from 1 to",
        ),
        (lambda m, f: beliefs.TreeSearch(f, num_simulations=True), "num_simulations=True"),
        (lambda m, f: beliefs.TreeSearch(f, exploration=NAN), "exploration=nan"),
        (lambda m, f: beliefs.ParticleFilter(m, 10**9), "num_particles=1,000,000,000: give a whole number from 1 to"),
        (lambda m, f: beliefs.ParticleFilter(m, True), "num_particles=True"),
        (lambda m, f: beliefs.ParticleFilter(m, 10, resample_below=True), "resample_below=True"),
        (lambda m, f: beliefs.ParticleFilter(Plain(), 10), "Plain has no observation_likelihood()"),
        (lambda m, f: beliefs.ExactAgentFilter(m, base), "exact is a Small; give an ExactFilter"),
        (lambda m, f: beliefs.PerAgentFilter(beliefs.ParticleFilter(m, 4), 3), "guess=3 cannot be called"),
        (lambda m, f: beliefs.IndependentPlanning(base, f), "filter.update cannot be called with 6 arguments"),
        (lambda m, f: beliefs.IndependentPlanning(3, f), "policy=3 cannot be called"),
        (lambda m, f: beliefs.InformationModel(m, f), "filter.update cannot be called with 6 arguments"),
        (lambda m, f: beliefs.InformationModel(Plain(), f), "Plain has no observation()"),
    ],
)
def test_what_can_never_work_is_refused_when_it_is_made(model, exact, make, said, without_type_checks):
    refused(lambda: make(model, exact), said, without_type_checks)


def test_beliefs_of_sites_are_looked_into(without_type_checks):
    sites = beliefs.FactoredFilter(st.problems.Repair(robots=1, layout="line", width=4, starts=(0,)))
    expected = jax.eval_shape(sites.initial, KEY)
    known = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), expected.known)
    levels = np.full(expected.sites.shape, 1 / expected.sites.shape[1], np.float32)
    levels[3, :2] = -1.0, 1.4
    wrong = beliefs.FactoredBelief(known, jnp.asarray(levels))
    refused(lambda: beliefs.observe(sites, wrong, [0], 0, KEY), "has the probabilities [[0", without_type_checks)
