"""The table of histories is a dictionary, and marks tell observations apart."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from seriatim.beliefs.solvers._children import Children, find, mark, no_children


def test_it_is_a_dictionary():
    """Entries of few edges and marks, so that slots collide; as many as it has room for."""
    random = np.random.default_rng(0)
    asked = [(int(random.integers(12)), (int(random.integers(4)), int(random.integers(4)))) for _ in range(400)]
    table, known = no_children(12 * 16), {}
    one = jax.jit(find)
    for edge, word in asked:
        slot, there = one(table, jnp.int32(edge), jnp.array(word, jnp.uint32))
        assert bool(there) == ((edge, word) in known)
        if there:
            assert int(table.child[slot]) == known[edge, word]
        else:
            known[edge, word] = len(known)
            entry = Children(jnp.int32(edge), jnp.array(word, jnp.uint32), jnp.int32(known[edge, word]))
            table = jax.tree.map(lambda held, new, slot=slot: held.at[slot].set(new), table, entry)
    assert len(known) > 150


@pytest.mark.parametrize("dtype", [jnp.int32, jnp.int8, bool, jnp.float32, jnp.float16])
def test_marks_tell_observations_apart(dtype):
    """All observations of small numbers, and places matter."""
    levels = (0, 1) if dtype is bool else (0, 1, 2, 3)
    seen = jnp.array(list(itertools.product(levels, repeat=5)), dtype)
    marks = np.asarray(jax.vmap(lambda each: mark({"first": each[:2], "rest": each[2:]}))(seen))
    assert len({tuple(each) for each in marks.tolist()}) == len(seen)
    for half in marks.T:
        assert len(set(half.tolist())) == len(seen)


def test_zero_has_one_mark():
    np.testing.assert_array_equal(mark(jnp.array([0.0])), mark(jnp.array([-0.0])))
