"""Arrivals and departures by an operator: they keep the shapes of a state, so that nothing is compiled again.

Outside compiled code a change that cannot be made is refused in one sentence. Inside `jit` and `vmap` values cannot be
read. There a new fly or spider without a free place does not come, an absent one cannot go, and cells are not checked.
"""

import operator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from seriatim._compile import jit
from seriatim._errors import InputError
from seriatim._record import with_fields
from seriatim.problems.spiders_and_flies._flies import Swarm, first
from seriatim.problems.spiders_and_flies._ground import check_cell
from seriatim.problems.spiders_and_flies._hunt import Hunt
from seriatim.problems.spiders_and_flies._terrain import Terrain

WHEN = "when the model is made"


def fly_joins(game: Any, state: Hunt, cell: Any) -> Hunt:
    """Put a fly into the first free slot."""
    _require_room("max_flies", game.max_flies, "flies")
    _require_one("with_fly", state)
    if _known(state, cell):
        _check_cell("with_fly", game, cell)
        if not np.any(_free(game.swarm, state)):
            kept = game.swarm.num_reserved - game.flies
            also = f", {kept} of them by scheduled arrivals" if kept else ""
            raise InputError(
                f"with_fly: all {game.max_flies} slots are taken{also}; wait for a catch, or give a larger max_flies "
                f"{WHEN}."
            )
    return _fly_joins(game.swarm, state, _whole(cell, state.flies.dtype))


def fly_goes(state: Hunt, fly: Any) -> Hunt:
    """Take a living fly off the board."""
    _require_one("without_fly", state)
    if _known(state, fly):
        _check_there("without_fly", "fly", fly, np.asarray(state.alive), "alive")
    return _fly_goes(state, _whole(fly, np.int32))


def spider_joins(game: Any, state: Hunt, cell: Any, agent: Any) -> Hunt:
    """Put a spider to work: `agent`, or the first that is absent."""
    _require_room("max_spiders", game.max_spiders, "spiders")
    _require_one("with_spider", state)
    if _known(state, cell, agent):
        _check_spider(game, state, cell, agent)
    return _spider_joins(state, _whole(cell, state.spiders.dtype), None if agent is None else _whole(agent, np.int32))


def spider_goes(game: Any, state: Hunt, agent: Any) -> Hunt:
    """Take a spider off the board."""
    _require_room("max_spiders", game.max_spiders, "spiders")
    _require_one("without_spider", state)
    if _known(state, agent):
        _check_there("without_spider", "agent", agent, np.asarray(state.active), "at work")
    return _spider_goes(state, _whole(agent, np.int32))


def _check_spider(game: Any, state: Hunt, cell: Any, agent: Any) -> None:
    """Refuse a spider that is at work already, or a cell in which it cannot stand."""
    active = np.asarray(state.active)
    _check_cell("with_spider", game, cell)
    if agent is not None:
        _check_there("with_spider", "agent", agent, ~active, "absent")
    elif active.all():
        raise InputError(
            f"with_spider: all {len(active)} spiders are at work; wait until one leaves, or give a larger max_spiders "
            f"{WHEN}."
        )
    there = active & np.all(np.asarray(state.spiders) == np.asarray(cell), axis=1)
    if there.any() and not game.collisions:
        raise InputError(
            f"with_spider: spider {there.argmax()} stands in {tuple(map(int, cell))}, and collisions=False forbids two "
            "in one cell; give a cell without a spider."
        )


def _require_room(field: str, most: int | None, what: str) -> None:
    if most is None:
        raise InputError(f"{field}=None: the number of {what} is fixed in this game; give {field} {WHEN}.")


def _require_one(name: str, state: Any) -> None:
    """Refuse a value that is no state, and many states at once."""
    if not isinstance(state, Hunt):
        raise InputError(f"{name}: state={state!r} is none; give one of the model's, such as model.initial_state(key).")
    shape = np.shape(state.alive)
    if len(shape) != 1:
        raise InputError(
            f"{name}: there are {' x '.join(map(str, shape[:-1]))} states; give one, or map over them with jax.vmap."
        )


def _known(*values: Any) -> bool:
    """Say whether values can be read; inside compiled code they cannot."""
    return not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(values))


def _whole(value: Any, kind: Any) -> Any:
    """Return whole numbers in one type, whatever type the caller gives, so that one program serves all callers."""
    return jnp.asarray(value).astype(kind) if not _known(value) else np.asarray(value, kind)


def _check_cell(name: str, game: Any, cell: Any) -> None:
    try:
        row, column = map(operator.index, cell)
    except (TypeError, ValueError):
        raise InputError(f"{name}: cell={cell!r} is none; give (row, column), two whole numbers.") from None
    terrain: Terrain = game.terrain
    passable = np.ones((terrain.height, terrain.width), bool) if game.walls is None else ~np.asarray(game.walls)
    part = np.zeros_like(passable)
    part[tuple(np.asarray(terrain.cells).T)] = True
    check_cell(name, row, column, f"the {terrain.height} x {terrain.width} grid", passable, part)


def _check_there(name: str, what: str, number: Any, there: Bool[np.ndarray, " n"], state: str) -> None:
    """Refuse a number whose entry is not marked True."""
    among = np.flatnonzero(there).tolist()
    try:
        found = operator.index(number) in among
    except TypeError:
        found = False
    if not found:
        options = f"give one of {', '.join(map(str, among))}" if among else f"no {what} is"
        raise InputError(f"{name}: {what}={number!r} is not {state}; {options}.")


@jit
def _free(swarm: Swarm, state: Hunt) -> Bool[Array, " n"]:
    return swarm.free(state.alive)


@jit
def _fly_joins(swarm: Swarm, state: Hunt, cell: Int[Array, "2"]) -> Hunt:
    slot = first(swarm.free(state.alive))
    return with_fields(state, flies=jnp.where(slot[:, None], cell, state.flies), alive=state.alive | slot)


@jit
def _fly_goes(state: Hunt, fly: Int[Array, ""]) -> Hunt:
    return with_fields(state, alive=state.alive & (jnp.arange(state.alive.shape[0]) != fly))


@jit
def _spider_joins(state: Hunt, cell: Int[Array, "2"], agent: Int[Array, ""] | None) -> Hunt:
    active = jnp.asarray(state.active)
    place = first(~active) if agent is None else ~active & (jnp.arange(active.shape[0]) == agent)
    return with_fields(state, spiders=jnp.where(place[:, None], cell, state.spiders), active=active | place)


@jit
def _spider_goes(state: Hunt, agent: Int[Array, ""]) -> Hunt:
    active = jnp.asarray(state.active)
    return with_fields(state, active=active & (jnp.arange(active.shape[0]) != agent))
