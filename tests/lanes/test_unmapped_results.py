"""What vmap does not map, lanes do not map either: a branch on "is it so in any lane?" stays a branch.

Where it became a selection, both sides ran, and a check such as `equinox.error_if` always failed.
"""

import equinox
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from equinox.internal import unvmap_any

from seriatim.lanes import lanes

X = jnp.arange(6.0)


@jax.custom_batching.custom_vmap
def first_and_own(x):
    return x, x


@first_and_own.def_vmap
def _(count, mapped, x):
    return (x[0], x), (False, True)


def seen_by(mapping, function):
    """Run a function in lanes; return its results, and the branches that were taken."""
    taken = []

    def branch(name, x):
        jax.debug.callback(lambda: taken.append(name))
        return x

    results = jax.jit(mapping(lambda x: function(branch, x)))(X)
    jax.effects_barrier()
    return jax.tree.map(np.asarray, results), taken


FUNCTIONS = {
    "branch": lambda branch, x: jax.lax.cond(unvmap_any(x > 9), lambda: branch("yes", 3 * x), lambda: branch("no", x)),
    "switch": lambda branch, x: jax.lax.switch(
        first_and_own(x)[0].astype(int), [lambda: branch("no", x), lambda: branch("yes", -x)]
    ),
    "results": lambda branch, x: (first_and_own(branch("no", x)), first_and_own(x)[0] + x),
    "loop": lambda branch, x: jax.lax.while_loop(lambda y: unvmap_any(y < 9), lambda y: y + 3, branch("no", x)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_vmap_does_not_map(name):
    expected, taken = seen_by(lambda f: jax.vmap(f, -1, -1), FUNCTIONS[name])
    results, as_seen = seen_by(lambda f: lanes(f, (-1,)), FUNCTIONS[name])
    assert set(as_seen) == set(taken) == {"no"}
    assert jax.tree.all(jax.tree.map(np.array_equal, results, expected))


def test_error_if_speaks_where_it_should_and_only_there():
    def checked(bound):
        return jax.jit(lanes(lambda x: 2 * equinox.error_if(x, x > bound, "too far"), (-1,)))

    assert checked(9)(X).tolist() == [0, 2, 4, 6, 8, 10]
    with pytest.raises(Exception, match="too far"):
        jax.block_until_ready(checked(3)(X))
