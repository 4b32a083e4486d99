"""A small hunt as a finite model: its numbered states, and all possible behaviours of its flies.

A state is a number in mixed radix. Its digits are the spiders' cells, the spiders at work (if they may change), the
flies' cells (unless flies stay in given cells), and the flies alive.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from seriatim._errors import InputError
from seriatim.model import Transition
from seriatim.problems._mixed_radix import MixedRadix
from seriatim.problems.spiders_and_flies._flies import CHANCES, Luck
from seriatim.problems.spiders_and_flies._hunt import Hunt
from seriatim.problems.spiders_and_flies._terrain import NARROW


def all_hunts(model: Any) -> Hunt:
    """Enumerate the states.

    Raises:
        InputError: flies arrive or join, or there are more than a million states.
    """
    m, comes = model.num_agents, model.max_spiders is not None
    parts = np.split(_radix(model).digits(), [m, m + m * comes, -model.flies], axis=1)
    spiders, active, flies, alive = parts
    cells = np.asarray(model.terrain.cells)
    if _flies_are_fixed(model):
        where = np.broadcast_to(np.asarray(model.first_fly_cells), (len(alive), model.flies, 2))
    else:
        where = cells[flies]
    return Hunt(
        spiders=jnp.asarray(cells[spiders]),
        flies=jnp.asarray(where),
        alive=jnp.asarray(alive.astype(bool)),
        stage=None,
        active=jnp.asarray(active.astype(bool)) if comes else None,
    )


def hunt_number(model: Any, state: Hunt) -> Int[Array, ""]:
    """Return the number of a state in `all_hunts`."""
    flies = () if _flies_are_fixed(model) else (model.terrain.place(state.flies),)
    active = () if state.active is None else (state.active.astype(jnp.int32),)
    digits = (model.terrain.place(state.spiders), *active, *flies, state.alive.astype(jnp.int32))
    return _radix(model).number(jnp.concatenate(digits))


def hunt_outcomes(model: Any, state: Hunt, control: Int[Array, " m"]) -> tuple[Transition, Float[Array, " k"]]:
    """Enumerate the possible behaviours of the flies.

    Raises:
        InputError: flies arrive or join.
    """
    _require_finite(model)
    if model.fly_behaviour == "stay":
        only = model.transition(state, control, model.nominal_disturbance())
        return jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], only), jnp.ones(1)
    chances = np.array(CHANCES[model.fly_behaviour])
    draws = MixedRadix((len(chances),) * model.flies).digits()
    moves = jnp.asarray(draws, NARROW)
    after = jax.vmap(lambda each: model.transition(state, control, Luck(each, None)))(moves)
    return after, jnp.asarray(np.prod(chances[draws], axis=1), float)


def _flies_are_fixed(model: Any) -> bool:
    return model.fly_behaviour == "stay" and model.first_fly_cells is not None


def _require_finite(model: Any) -> None:
    if model.swarm.arrives:
        raise InputError("SpidersAndFlies with arrivals is no finite model; set no arrivals, or use sampling.")
    if model.max_flies is not None:
        raise InputError(
            f"SpidersAndFlies with max_flies={model.max_flies} is no finite model, since flies join at any time; "
            "leave max_flies out, or use sampling."
        )


def _radix(model: Any) -> MixedRadix:
    _require_finite(model)
    cells, m = (model.terrain.cells.shape[0],), model.num_agents
    present = (2,) * m if model.max_spiders is not None else ()
    flies = cells * (0 if _flies_are_fixed(model) else model.flies)
    return MixedRadix(cells * m + present + flies + (2,) * model.flies)
