"""A trained guess of the state: it learns where the filter's guess of what others do is wrong."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st
from seriatim.beliefs import (
    ExactAgentFilter,
    ExactFilter,
    IndependentPlanning,
    InformationModel,
    ParticleFilter,
    PerAgentFilter,
)
from seriatim.training import Fitting, completion_network, fit_completion
from seriatim.training._completion import completion_loss, played

# The second agent may flip the state; each sees it through a coin that is right seven times in ten.
TEXT = """agents: 2
discount: 0.9
values: cost
states: off on
start:
uniform
actions:
wait
wait flip
observations:
2
2
T: * :
identity
T: wait flip :
0 1
1 0
O: * : off :
0.49 0.21 0.21 0.09
O: * : on :
0.09 0.21 0.21 0.49
R: * : on : 1
"""


@st.record
class Flipping:
    """The second agent flips in every stage."""

    def __call__(self, info, key):
        return jnp.array([0, 1], jnp.int32)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    place = tmp_path_factory.mktemp("files") / "flip.dpomdp"
    place.write_text(TEXT)
    model = st.formats.load(place)
    # The others are taken to wait, which they do not do.
    return InformationModel(model, ExactAgentFilter(ExactFilter(model), st.formats.load(place).base_policy()), 0.0)


HORIZON = 6


@pytest.fixture(scope="module")
def networks(world):
    """Before it was fitted to what the team does, and after."""
    team = IndependentPlanning(Flipping(), world.filter)
    network = completion_network(world, jax.random.key(0), width=16, depth=1)
    fitting = Fitting(passes=10)
    return network, fit_completion(
        network, world, team, jax.random.key(1), episodes=256, horizon=HORIZON, fitting=fitting
    )


def test_the_network_repeats_the_filter_and_then_knows_better(world, networks):
    team, horizon = IndependentPlanning(Flipping(), world.filter), HORIZON
    network, fitted = networks
    belief = jnp.array([0.3, 0.7])
    np.testing.assert_allclose(jax.jit(network.__call__)(belief, jnp.int32(0)), belief, atol=1e-3)
    keys = jax.random.split(jax.random.key(2), 256)
    rows, chance = played(world, team, keys, horizon)
    # Nothing is decided after the last stage.
    assert np.array_equal(chance.reshape(256, -1, 2).sum(axis=(0, 2)), [512] * horizon + [0])
    loss = jax.jit(lambda parameters: completion_loss(network, parameters, rows))
    before, after = (np.asarray(loss(one.parameters)).reshape(256, -1, 2)[:, :horizon] for one in (network, fitted))
    gain = (before - after)[..., 0].sum(axis=1)
    # On other episodes, by more than five standard errors, for the agent whose guess is wrong ...
    assert gain.mean() > 5 * gain.std(ddof=1) / 16
    # ... while the one that knows what was done has nothing to learn, and loses less than a hundredth a stage.
    assert np.mean(after[..., 1] - before[..., 1]) < 0.01


@pytest.mark.slow
def test_agents_plan_by_the_network(world, networks):
    plans = IndependentPlanning(Flipping(), world.filter, completion="network", network=networks[1])
    assert np.isfinite(st.evaluate(world, plans, jax.random.key(3), episodes=2, horizon=2).mean)


def test_a_factored_belief_keeps_what_is_known(world):
    repair = st.problems.Repair(robots=2, layout="line", width=3)
    own = InformationModel(repair, PerAgentFilter(repair.belief_model().filter, repair.base_policy()), 0.5)
    network = completion_network(own, jax.random.key(0), width=4, depth=1)
    known = jax.tree.map(lambda leaf: leaf[0], own.filter.initial(jax.random.key(1)))
    completed = jax.jit(network.__call__)(known, jnp.int32(1))
    assert completed.known.tolist() == known.known.tolist()
    np.testing.assert_allclose(completed.sites, known.sites, atol=5e-3)


def test_mistakes_are_told(world, without_type_checks):
    particles = InformationModel(world.model, PerAgentFilter(ParticleFilter(world.model, 4), world.filter.guess), 0.5)
    for mistake, said in (
        (lambda: completion_network(particles, jax.random.key(0)), "keeps a ParticleBelief"),
        (lambda: completion_network(world, jax.random.key(0), width=0), "width=0"),
        (lambda: fit_completion(None, world, Flipping(), jax.random.key(0), episodes=0), "episodes=0"),
        (lambda: IndependentPlanning(Flipping(), world.filter, completion="network"), "give a network with completion"),
        (lambda: IndependentPlanning(Flipping(), world.filter, network=Flipping()), "and with no other"),
        (
            lambda: IndependentPlanning(Flipping(), world.filter)(jnp.zeros(2), jax.random.key(0)),
            "play it in an InformationModel",
        ),
    ):
        with pytest.raises(st.InputError, match=said):
            without_type_checks(mistake)
