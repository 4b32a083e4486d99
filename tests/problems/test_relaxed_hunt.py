"""The relaxed hunt against enumeration: at and between the corners, its costs, gradients and observations.

The judge plays the game itself once for every sequence of joint controls, and takes the mean over independent draws.
"""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.compiled import compiled

import seriatim as st
from seriatim.problems import Hunt
from seriatim.problems.spiders_and_flies._relaxed import RelaxedHunt

STAGES = 3
STAY, UP, DOWN, LEFT, RIGHT = range(5)
MAP = st.formats.GridMap(np.array([[cell == "." for cell in row] for row in ("...@", ".@..", "....")]))
# Everything for which the theorem of `_relaxed_hunt` speaks.
EXACT = {
    "flies stay": {},
    "walls": {"map": MAP},
    "flies wander between walls": {"fly_behaviour": "wander", "map": MAP},
    "flies arrive as told": {"flies": 1, "arrival_stages": (1, 2)},
    "one spider is absent": {"spiders": 1, "max_spiders": 2},
    "some fly lives, of one": {"flies": 1, "cost": "stages"},
}


def hunting(**fields):
    return st.problems.SpidersAndFlies(
        **({"spiders": 2, "flies": 3, "width": 3, "height": 3, "cost": "flies"} | fields)
    )


def played(model, step, state, controls, disturbances):
    """The costs of the stages and the last state; the game goes on after its end, at no cost."""

    def stage(state, given):
        after = step(state, *given)
        return after.state, jnp.asarray(after.cost, float)

    last, costs = jax.lax.scan(stage, state, (controls, disturbances))
    return last, jnp.sum(costs)


class Game:
    """A short game: where it starts, its luck, and what every sequence of joint controls leads to."""

    def __init__(self, seed, **fields):
        key = jax.random.key(seed)
        self.model = hunting(**fields)
        self.state = compiled(self.model).initial_state(key)
        keys = jax.random.split(key, STAGES)
        self.luck = jax.jit(jax.vmap(self.model.sample_disturbance, axis_size=STAGES))(keys)
        self.shape = (STAGES, self.model.num_agents, 5)
        sequences = itertools.product(range(5), repeat=STAGES * self.model.num_agents)
        self.controls = np.array(list(sequences), np.int32).reshape(-1, *self.shape[:2])
        play = jax.jit(jax.vmap(lambda u: played(self.model, self.model.transition, self.state, u, self.luck)))
        self.last, self.costs = play(self.controls)

    def chance(self, soft):
        """The chance of each sequence, if controls are drawn independently."""
        t, i = np.indices(self.shape[:2])
        return jnp.prod(soft[t, i, self.controls], axis=(1, 2))

    def mean_cost(self, soft):
        return self.chance(soft) @ self.costs

    def relaxed(self, soft):
        start = self.model.relaxed_state(self.state)
        return played(self.model, self.model.relaxed_transition, start, soft, self.luck)

    def relaxed_cost(self, soft):
        return self.relaxed(soft)[1]

    def soft(self, seed):
        return jax.random.dirichlet(jax.random.key(seed), jnp.ones(5), self.shape[:2])


def along_the_simplex(gradient):
    """Only differences between controls mean something: rows of soft controls sum to one."""
    return gradient - jnp.mean(gradient, axis=-1, keepdims=True)


def slow(value):
    return pytest.param(value, marks=pytest.mark.slow)


QUICK = ("flies arrive as told", "some fly lives, of one")


@pytest.mark.parametrize("name", [name if name in QUICK else slow(name) for name in EXACT])
def test_costs_and_gradients_are_those_of_expected_costs(name, optimised):
    game = Game(3, **EXACT[name])
    relaxed, true = (jax.jit(jax.value_and_grad(f)) for f in (game.relaxed_cost, game.mean_cost))
    corners = jax.nn.one_hot(game.controls[:: len(game.controls) // 6], 5)
    assert np.ptp(game.costs) > 0
    for soft in (game.soft(0), game.soft(1), *corners):
        (cost, gradient), (mean, slope) = relaxed(soft), true(soft)
        np.testing.assert_allclose(cost, mean, rtol=1e-5)
        np.testing.assert_allclose(along_the_simplex(gradient), along_the_simplex(slope), atol=1e-4)


@pytest.mark.parametrize(
    "fields",
    [
        slow({"flies": 1}),
        slow({"cost": "stages", "fly_behaviour": "wander", "map": MAP}),
        slow({"fly_behaviour": "wander", "arrival_rate": 0.9}),
        {"flies": 1, "arrival_rate": 0.9, "max_flies": 2, "max_spiders": 2, "spiders": 1},
    ],
    ids=str,
)
def test_every_corner_costs_what_the_game_costs(fields, optimised):
    """Also where the theorem does not speak: flies arrive at random, some fly of several lives."""
    game = Game(5, **fields)
    costs = jax.jit(lambda u: jax.lax.map(game.relaxed_cost, u, batch_size=512))(jax.nn.one_hot(game.controls, 5))
    np.testing.assert_array_equal(costs, game.costs)


@pytest.mark.parametrize("name", [slow("flies stay"), slow("flies wander between walls"), "one spider is absent"])
def test_observations_of_a_relaxed_state_are_expected_observations(name, optimised):
    game = Game(7, **EXACT[name], vision=2)
    seen = jax.jit(jax.vmap(game.model.agent_observations))(game.last)
    relaxed = jax.jit(lambda soft: game.model.agent_observations(game.relaxed(soft)[0]))
    for soft in (game.soft(2), jax.nn.one_hot(game.controls[77], 5)):
        mean = jnp.einsum("u,umk->mk", game.chance(soft), seen)
        np.testing.assert_allclose(relaxed(soft), mean, atol=1e-5)


def test_a_fly_that_was_missed_once_is_missed_by_whoever_waits():
    """A spider that goes to the fly with chance 1/2, and then waits, has caught it with chance 1/2 for ever after."""
    model = hunting(spiders=1, flies=1, width=2, height=1, starts=((0, 0),), fly_cells=((0, 1),))
    state = compiled(model).relaxed_state(compiled(model).initial_state(jax.random.key(0)))
    for control in (jnp.zeros((1, 5)).at[0, jnp.array([STAY, RIGHT])].set(0.5), jax.nn.one_hot([STAY], 5)):
        state = compiled(model).relaxed_transition(state, control, model.nominal_disturbance()).state
        np.testing.assert_allclose(state.alive, [0.5])
        np.testing.assert_allclose(state.position, [[0, 0.5]])
    done = compiled(model).relaxed_transition(state, jax.nn.one_hot([RIGHT], 5), model.nominal_disturbance())
    assert done.done
    assert done.cost == 0


def test_gradients_pass_through_policies_that_read_the_state():
    """A straight line of features to logits: all derivatives of a whole trajectory against finite differences."""
    with jax.enable_x64(True):
        model = hunting(fly_behaviour="wander", vision=2, width=4)
        keys = jax.random.split(jax.random.key(1), 6)
        start, luck = jax.jit(
            lambda key, keys: (model.relaxed_state(model.initial_state(key)), jax.vmap(model.sample_disturbance)(keys))
        )(jax.random.key(0), keys)

        @jax.jit
        def cost(weights):
            def stage(state, disturbance):
                logits = model.agent_observations(state) @ weights
                masked = jnp.where(model.relaxed_mask(state), logits, -jnp.inf)
                after = model.relaxed_transition(state, jax.nn.softmax(masked), disturbance)
                return after.state, after.cost

            return jnp.sum(jax.lax.scan(stage, start, luck)[1])

        size = jax.eval_shape(model.agent_observations, start).shape[1]
        weights = 0.3 * jax.random.normal(jax.random.key(2), (size, 5))
        gradient = jax.jit(jax.grad(cost))(weights)
        for key in jax.random.split(jax.random.key(3), 5):
            way = jax.random.normal(key, weights.shape)
            slope = (cost(weights + 1e-5 * way) - cost(weights - 1e-5 * way)) / 2e-5
            np.testing.assert_allclose(jnp.vdot(gradient, way), slope, rtol=1e-6)
        assert jnp.linalg.norm(gradient) > 0.01


def test_straight_through_samples_play_the_game_itself():
    """One-hot controls with the softmax's derivatives: the game's own cost going forward, a gradient coming back."""
    model = hunting(vision=2, arrival_rate=0.3, width=4, height=4)
    hunt = compiled(model).initial_state(jax.random.key(4))
    luck = jax.jit(jax.vmap(model.sample_disturbance))(jax.random.split(jax.random.key(5), 12))
    noise = jax.random.gumbel(jax.random.key(6), (12, model.num_agents, 5))

    def cost(weights):
        def stage(carry, given):
            state, true = carry
            noise, disturbance = given
            logits = model.agent_observations(state) @ weights + noise
            soft = jax.nn.softmax(jnp.where(model.relaxed_mask(state), logits, -jnp.inf))
            choice = jnp.argmax(soft, axis=1)
            hard = jax.nn.one_hot(choice, 5) + soft - jax.lax.stop_gradient(soft)
            after, truly = (
                model.relaxed_transition(state, hard, disturbance),
                model.transition(true, choice, disturbance),
            )
            return (after.state, truly.state), (after.cost, truly.cost)

        costs = jax.lax.scan(stage, (model.relaxed_state(hunt), hunt), (noise, luck))[1]
        return jnp.sum(costs[0]), jnp.sum(costs[1])

    size = jax.eval_shape(model.agent_observations, hunt).shape[1]
    (relaxed, true), gradient = jax.jit(jax.value_and_grad(cost, has_aux=True))(jnp.zeros((size, 5)))
    np.testing.assert_allclose(relaxed, true, rtol=1e-4)
    assert jnp.all(jnp.isfinite(gradient))
    assert jnp.linalg.norm(gradient) > 0


def test_a_move_is_offered_where_it_may_be_possible():
    model = hunting(spiders=1, flies=1, width=3, height=1, starts=((0, 0),), fly_cells=((0, 2),))
    start = compiled(model).initial_state(jax.random.key(0))
    assert (
        compiled(model).relaxed_mask(compiled(model).relaxed_state(start)).tolist()
        == model.control_mask(start).tolist()
    )
    half = jnp.zeros((1, 5)).at[0, jnp.array([STAY, RIGHT])].set(0.5)
    blurred = (
        compiled(model)
        .relaxed_transition(compiled(model).relaxed_state(start), half, model.nominal_disturbance())
        .state
    )
    assert compiled(model).relaxed_mask(blurred).tolist() == [[True, False, False, True, True]]


def test_who_has_left_catches_nothing():
    model = hunting(spiders=2, flies=1, max_spiders=2, starts=((0, 0), (2, 2)), fly_cells=((0, 1),))
    alone = model.without_spider(compiled(model).initial_state(jax.random.key(0)), 0)
    state = compiled(model).relaxed_state(alone)
    assert compiled(model).relaxed_mask(state).tolist()[0] == [True, False, False, False, False]
    onto_the_fly = jax.nn.one_hot([RIGHT, STAY], 5)
    assert compiled(model).relaxed_transition(state, onto_the_fly, model.nominal_disturbance()).cost == 1


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"fly_behaviour": "flee"}, r"fly_behaviour='flee' has no relaxed model.*'stay' or 'wander'"),
        ({"collisions": False}, r"collisions=False has no relaxed model.*collisions=True"),
    ],
)
def test_what_cannot_be_relaxed_is_refused(fields, sentence):
    model = hunting(**fields)
    with pytest.raises(st.InputError, match=sentence):
        compiled(model).relaxed_state(compiled(model).initial_state(jax.random.key(0)))


def test_the_records_and_protocols_are_what_they_say():
    model = hunting()
    assert isinstance(model, st.RelaxedModel)
    assert isinstance(model, st.DecentralisedModel)
    state = compiled(model).initial_state(jax.random.key(0))
    assert isinstance(compiled(model).relaxed_state(state), RelaxedHunt)
    dead = dataclasses.replace(state, alive=jnp.array([True, False, True]))
    assert isinstance(dead, Hunt)
    assert compiled(model).relaxed_state(dead).alive.tolist() == [1, 0, 1]
