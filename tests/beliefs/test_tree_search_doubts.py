"""A tree search that meets costs that are no numbers, however deep, says so and chooses none of them."""

import jax
import jax.numpy as jnp
import pytest
from small import Small

import seriatim as st

# States 0, 1, 2 follow one another under control 0, which costs 0 but in state 2; control 1 stays, and
# costs something in state 0 alone.
MOVES = jnp.stack([jnp.eye(3)[jnp.array([1, 2, 2])], jnp.eye(3)])
START = jnp.array([1.0, 0.0, 0.0])


@st.record
class Control:
    """The playout policy that always takes one control."""

    number: jax.Array

    def __call__(self, state, key):
        return self.number[None]


def decide(deep, other, playout):
    """Search from state 0: four stages, 40 simulations. One program serves all costs."""
    costs = jnp.zeros((3, 2)).at[2, 0].set(deep).at[0, 1].set(other)
    filter = st.beliefs.ParticleFilter(Small(MOVES, jnp.ones((2, 3, 1)), costs, START, 1.0), num_particles=2)
    planner = st.beliefs.TreeSearch(filter, Control(jnp.int32(playout)), num_simulations=40, horizon=4)
    return planner.decide(filter.initial(jax.random.key(1)), jax.random.key(0))


def test_what_is_deep_in_the_tree_is_told_at_the_root():
    sound = decide(0.0, 1.0, 1)
    assert (int(sound.num_incomparable), sound.control.tolist()) == (0, [0])
    for wrong in (jnp.nan, jnp.inf):
        # Three stages on, in the tree, control 0 meets it; the search comes back to what can be compared.
        found = decide(wrong, 1.0, 1)
        assert int(found.num_incomparable) >= 1
        assert not jnp.isfinite(found.q_factors[0])
        assert "could not be compared" in str(found)


def test_what_only_the_playout_meets_is_told_too():
    found = decide(jnp.nan, 1.0, 0)
    assert int(found.num_incomparable) == 2  # the playout goes on to state 2 after either control


@pytest.mark.parametrize("wrong", [jnp.nan, jnp.inf])
def test_one_that_is_no_number_does_not_take_all_simulations(wrong):
    found = decide(0.0, wrong, 0)
    assert (found.control.tolist(), int(found.num_incomparable)) == ([0], 1)
    assert jnp.isfinite(found.q_factors[0])


def test_where_nothing_can_be_compared_the_base_control_stays():
    for playout in (0, 1):
        found = decide(jnp.nan, jnp.nan, playout)
        assert int(found.num_incomparable) == 2
        assert found.control.tolist() == [playout] == found.base_control.tolist()
