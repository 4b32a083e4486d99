"""Two ways to one result: the mapped way where `jax.vmap` maps, the other elsewhere, each traced when it is needed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from seriatim._mapping import split, unless_mapped
from seriatim.lanes import map_lanes

TRACED = []


def alone(x, y):
    TRACED.append("alone")
    return {"sum": x + y, "way": jnp.zeros((), jnp.int32)}


def together(x, y):
    TRACED.append("together")
    return {"sum": x + y, "way": jnp.ones((), jnp.int32)}


def like(x, y):
    return {"sum": x + y, "way": jnp.zeros((), jnp.int32)}


both = unless_mapped(alone, together, like)
X, Y = jnp.arange(3.0), jnp.float32(2)
ONE = {
    "eager": lambda: both(X[1], Y),
    "jit": lambda: jax.jit(both)(X[1], Y),
    "scan": lambda: jax.tree.map(lambda a: a[1], jax.lax.scan(lambda c, x: (c, both(x, Y)), 0.0, X)[1]),
    "cond": lambda: jax.jit(lambda p: jax.lax.cond(p, lambda: both(X[1], Y), lambda: both(X[2], Y)))(True),
    "leaks": lambda: _without_leaks(lambda: jax.jit(both)(X[1], Y)),
    "jvp": lambda: jax.jvp(lambda x: both(x, Y)["sum"], (X[1],), (jnp.float32(3),)),
}


def _without_leaks(call):
    with jax.checking_leaks():
        return call()


@pytest.mark.parametrize("name", ONE)
def test_one_state_goes_its_own_way(name):
    found = ONE[name]()
    if name == "jvp":
        assert [float(each) for each in found] == [3.0, 3.0]
        return
    assert float(found["sum"]) == 3.0
    assert int(found["way"]) == 0


@pytest.mark.parametrize(
    "mapped",
    [
        jax.vmap(both, (0, None)),
        jax.jit(jax.vmap(jax.jit(both), (0, None))),
        jax.vmap(lambda x, y: jax.lax.map(lambda z: both(z, y), x[None])["sum"][0], (0, None)),
        lambda x, y: jax.vmap(jax.vmap(both, (0, None)), (0, None))(x[:, None], y),
        lambda x, y: map_lanes(both, (-1, None))(x, y),
    ],
    ids=["vmap", "jit of vmap of jit", "vmap of a loop", "vmap of vmap", "lanes"],
)
def test_mapped_it_goes_the_other_way_and_the_first_is_not_even_traced(mapped):
    TRACED.clear()
    found = mapped(X, Y)
    sums = found["sum"] if isinstance(found, dict) else found
    np.testing.assert_array_equal(np.ravel(sums), X + Y)
    assert "alone" not in TRACED
    assert "together" in TRACED
    if isinstance(found, dict):
        assert np.all(found["way"] == 1)


def test_nothing_is_traced_to_know_the_shapes():
    TRACED.clear()
    shapes = jax.eval_shape(both, X, Y)
    jaxpr = jax.make_jaxpr(both)(X, Y)
    assert shapes["sum"].shape == (3,)
    assert [var.aval.shape for var in jaxpr.jaxpr.outvars] == [(3,), ()]
    assert not TRACED


def test_a_result_has_the_types_that_were_said():
    """A weakly typed number, or a boolean for a whole number, would be another program's business."""
    weak = unless_mapped(lambda x: 1.0, lambda x: True, like=lambda x: jnp.zeros((), jnp.int32))
    assert jax.jit(weak)(X).dtype == jnp.int32
    assert jax.vmap(weak)(X).dtype == jnp.int32


def test_a_tree_is_put_together_again_and_no_array_is_kept():
    tree = {"a": jnp.ones(2), "b": ("name", 3, np.zeros(1)), "c": None}
    arrays, whole = split(tree)
    assert len(arrays) == 2
    again = whole([2 * array for array in arrays])
    assert again["b"][:2] == ("name", 3)
    np.testing.assert_array_equal(again["a"], 2 * np.ones(2))
    cells = [cell.cell_contents for cell in whole.__closure__]
    assert not any(isinstance(leaf, (jax.Array, np.ndarray)) for leaf in jax.tree.leaves(cells))
