"""Steps that depend on one another and are unrolled in Python: each step is computed once, not in all later ones."""

import jax
import jax.numpy as jnp
import numpy as np

from seriatim.lanes import lanes

VEHICLES, LANES = 6, 3


def unrolled(steps):
    """Return a heuristic that gives requests in turn to the vehicle that is there first, and moves it there."""

    def serve(places, requests):
        ready, given = jnp.zeros(VEHICLES, jnp.int32), jnp.full(VEHICLES, steps)
        for i in range(steps):
            arrival = ready + jnp.abs(places - requests[i]).sum(1)
            first = jnp.argmin(arrival)
            ready = ready.at[first].set(arrival[first] + 3)
            places = places.at[first].set(requests[i])
            given = given.at[first].set(i)
        return ready, given

    return serve


def nearest(places, requests):
    """Give each vehicle its nearest request: many operations, and no chain."""
    apart = jnp.abs(places[:, None] - requests[None]).sum(2)
    best = jnp.argmin(apart, axis=1)
    return best, requests[best], jnp.min(apart, axis=1)


def given(requests):
    rng = np.random.default_rng(0)
    return tuple(jnp.asarray(rng.integers(0, 20, (n, 2, LANES)), jnp.int32) for n in (VEHICLES, requests))


def test_an_unrolled_chain_is_what_vmap_makes_of_it():
    function, arguments = unrolled(3), given(3)

    @jax.jit
    def both(*arguments):
        return jax.vmap(function, -1, -1)(*arguments), lanes(function, (-1, -1))(*arguments)

    expected, seen = both(*arguments)
    for one, other in zip(expected, seen, strict=True):
        np.testing.assert_array_equal(one, other)


def conditions(function, chain, monkeypatch):
    """Count kernels of their own, where a chain has so many reductions."""
    monkeypatch.setattr("seriatim.lanes._folds.CHAIN", chain)
    program = jax.make_jaxpr(lanes(function, (-1, -1)))(*given(3))
    return str(program).count("cond[")


def test_only_chains_get_more_kernels(monkeypatch):
    never = 10**6
    assert conditions(nearest, 5, monkeypatch) == conditions(nearest, never, monkeypatch)
    assert conditions(unrolled(3), 5, monkeypatch) > conditions(unrolled(3), never, monkeypatch)
