"""Own beliefs of independent sites: shared where all is heard, guessed where nothing is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import seriatim as st
from seriatim.beliefs import IndependentPlanning, InformationModel, PerAgentFilter
from seriatim.problems import Repair, WithinWays
from seriatim.problems.repair._model import Inspection

WORLD = Repair(robots=3, layout="grid", width=3, height=2)
MODEL = WORLD.belief_model()
BASE = MODEL.base_policy()
FILTER = PerAgentFilter(MODEL.filter, BASE)
PLANS = IndependentPlanning(BASE, FILTER)


def played(arrival, in_reach=None, stages=15):
    world = InformationModel(WORLD, FILTER, arrival, in_reach)
    return st.simulate(world, PLANS, jax.random.key(5), horizon=stages)


def test_where_all_is_heard_the_belief_is_shared():
    apart = played(1.0)
    hidden = st.beliefs.HiddenModel(WORLD, MODEL.filter)
    together = st.simulate(hidden, st.beliefs.on_belief(BASE), jax.random.key(5), horizon=15)
    np.testing.assert_array_equal(apart.controls, together.controls)
    for agent in range(3):
        np.testing.assert_allclose(apart.states.known.sites[:, agent], together.states.belief.sites, atol=1e-6)


@pytest.mark.parametrize(("arrival", "in_reach"), [(0.0, None), (0.5, None), (1.0, WithinWays(WORLD, 1))])
def test_a_robot_knows_where_it_is_and_what_it_sees(arrival, in_reach):
    """Whatever is heard; and its beliefs stay distributions."""
    episode = played(arrival, in_reach)
    known, true = episode.states.known, episode.states.state
    sites = np.asarray(known.sites)
    np.testing.assert_allclose(sites.sum(axis=-1), 1, atol=1e-5)
    for agent in range(3):
        here = np.asarray(true.positions[:, agent])
        np.testing.assert_array_equal(known.known[:, agent, agent], here)
        stages = np.arange(1, len(here))
        levels = np.asarray(true.levels)[stages, here[1:]]
        np.testing.assert_allclose(sites[stages, agent, here[1:], levels], 1, atol=1e-6)


def test_who_is_not_heard_is_taken_to_do_what_the_guess_says():
    """By itself a robot believes what a shared belief would, had the others said nothing and followed the guess."""
    known = jax.tree.map(lambda leaf: leaf[0], jax.jit(FILTER.initial)(jax.random.key(1)))
    control = jax.jit(BASE.__call__)(known, jax.random.key(0))
    heard = jnp.array([True, False, False])
    told = Inspection(jnp.zeros(3, jnp.int32), jnp.zeros(3, jnp.int32))
    after = jax.jit(FILTER.update)(known, jnp.int32(0), jnp.where(heard, control, 0), told, heard, jnp.zeros(6))
    expected = jax.jit(MODEL.filter.update)(known, control, told)
    np.testing.assert_array_equal(after.known, expected.known)
    np.testing.assert_allclose(after.sites, expected.sites)


def test_reach_is_counted_in_ways():
    state = st.problems.RepairState(jnp.array([0, 1, 5]), jnp.zeros(6, jnp.int32))
    expected = [[True, True, False], [True, True, True], [False, True, True]]
    assert WithinWays(WORLD, 2)(state).tolist() == expected


def test_particles_of_ones_own_tend_to_the_factored_belief():
    """Two robots on a line of three, half of what they say is lost; the same episode, both filters.

    Four thousand particles miss a probability by 0.008 times a few for what was resampled; 0.05 is allowed.
    """
    world = Repair(
        robots=2, layout="line", width=3, gamma=(0.3, 0.2), costs=(0, 1, 5), prior=(0.4, 0.3, 0.3), starts=(0, 2)
    )
    factored = st.beliefs.FactoredFilter(world)
    moves = Walk(world)
    exact = InformationModel(world, PerAgentFilter(factored, moves), 0.5)
    cloud = InformationModel(world, PerAgentFilter(st.beliefs.ParticleFilter(world, 4000), moves), 0.5)
    key = jax.random.key(8)
    one, other = (st.simulate(each, IndependentPlanning(moves, each.filter), key, horizon=8) for each in (exact, cloud))
    np.testing.assert_array_equal(one.states.state.levels, other.states.state.levels)
    assert int(jnp.sum(other.states.known.deprived)) == 0
    levels = jax.nn.one_hot(other.states.known.states.levels, 3)  # [T, m, particles, sites, levels]
    marginal = jnp.einsum("tap,tapnl->tanl", other.states.known.weights, levels)
    np.testing.assert_allclose(marginal, one.states.known.sites, atol=0.05)


@st.record
class Walk:
    """A policy of any belief: every robot goes to its first neighbour, whatever is known."""

    world: Repair

    def __call__(self, info, key):
        return jnp.ones(self.world.robots, jnp.int32)


def test_mistakes_are_one_sentence(without_type_checks):
    team = st.problems.random_team(0, states=3, agents=2, controls=2)
    exact = object.__new__(st.beliefs.ExactFilter)
    for arguments, said in (
        ((exact, BASE), "use ExactAgentFilter"),
        ((team, BASE), "is no filter"),
        ((MODEL.filter, 3), "cannot be called"),
    ):
        with pytest.raises(st.InputError, match=said):
            without_type_checks(lambda arguments=arguments: PerAgentFilter(*arguments))
