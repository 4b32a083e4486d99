"""A dispatcher whose heuristic serves requests in turn: each takes the nearest vehicle that those before it left.

The turns depend on one another, so there is nothing to reduce along them: a loop must go through them, written out in
Python or as `jax.lax.fori_loop`.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

import seriatim as st

REQUESTS, VEHICLES, SIDE = 16, 8, 20
ARRIVALS = 0.05  # the chance, at each stage, that a request arrives in an empty place
FAR = 10_000


class Streets(NamedTuple):
    """Where vehicles and requests are, and which requests are open."""

    vehicles: Any
    requests: Any
    open: Any


@st.record
class Dispatch:
    """Each vehicle drives to a request, one cell a stage, or waits; a stage costs the number of open requests."""

    discount: float = 1.0

    @property
    def num_agents(self) -> int:
        return VEHICLES

    @property
    def num_controls(self) -> int:
        return REQUESTS + 1

    def initial_state(self, key: Any) -> Streets:
        cells = jax.random.randint(key, (VEHICLES + REQUESTS, 2), 0, SIDE)
        return Streets(cells[:VEHICLES], cells[VEHICLES:], jnp.ones(REQUESTS, bool))

    def control_mask(self, state: Streets) -> Any:
        return jnp.broadcast_to(jnp.append(state.open, True), (VEHICLES, REQUESTS + 1))

    def sample_disturbance(self, key: Any) -> Any:
        whether, where = jax.random.split(key)
        return jax.random.uniform(whether, (REQUESTS,)) < ARRIVALS, jax.random.randint(where, (REQUESTS, 2), 0, SIDE)

    def transition(self, state: Streets, control: Any, disturbance: Any) -> st.Transition:
        arrive, cells = disturbance
        drives = control < REQUESTS
        down, right = (state.requests[jnp.minimum(control, REQUESTS - 1)] - state.vehicles).T
        step = jnp.stack([jnp.sign(down), jnp.where(down == 0, jnp.sign(right), 0)], axis=1)
        vehicles = state.vehicles + jnp.where(drives[:, None], step, 0)
        there = (vehicles[:, None] == state.requests[None]).all(axis=2) & (control[:, None] == jnp.arange(REQUESTS))
        new = ~state.open & arrive
        still = (state.open & ~there.any(axis=0)) | new
        requests = jnp.where(new[:, None], cells, state.requests)
        return st.Transition(Streets(vehicles, requests, still), cost=1.0 * jnp.sum(still), done=False)


def serve(request: Any, now: tuple[Any, Any], state: Streets) -> tuple[Any, Any]:
    """Give a request the nearest vehicle that is free."""
    taken, control = now
    distance = jnp.abs(state.vehicles - state.requests[request]).sum(axis=1)
    nearest = jnp.argmin(jnp.where(taken, FAR, distance))
    serves = state.open[request] & ~taken[nearest]
    control = control.at[nearest].set(jnp.where(serves, request, control[nearest]))
    return taken.at[nearest].set(taken[nearest] | serves), control


@st.record
class Unrolled:
    """The turns written out by a loop of Python."""

    def __call__(self, state: Streets, key: Any) -> Any:
        now = jnp.zeros(VEHICLES, bool), jnp.full(VEHICLES, REQUESTS)
        for request in range(REQUESTS):
            now = serve(request, now, state)
        return now[1]


@st.record
class Looped:
    """The turns as a loop of JAX."""

    def __call__(self, state: Streets, key: Any) -> Any:
        now = jnp.zeros(VEHICLES, bool), jnp.full(VEHICLES, REQUESTS)
        return jax.lax.fori_loop(0, REQUESTS, lambda request, now: serve(request, now, state), now)[1]


@st.record
class Mapped:
    """A heuristic that planners get as `jax.vmap` makes it, instead of transformed."""

    one: Any
    lanes_last = True

    def __call__(self, state: Streets, key: Any) -> Any:
        return self.one(state, key) if state.open.ndim == 1 else jax.vmap(self.one, (-1, -1), -1)(state, key)
