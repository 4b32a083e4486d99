"""Fitting: minimise a mean loss over rows of data by Adam, in one program whatever the data, the rows and the steps.

    parameters <- argmin sum_rows chance(row) loss(parameters, row),    rate(step) = rate (1 + cos(pi step / steps)) / 2

Rows are drawn by their `chance`, so to fit a part of the data (a region of the state space, or the rows made so far),
give the other rows none. Several networks are fitted to several parts of the data at once by mapping.

Source: D. Kingma, J. Ba, Adam, 2015; the rate: I. Loshchilov, F. Hutter, SGDR, 2017; decay apart from the gradient: the
same, Decoupled Weight Decay Regularization, 2019.
"""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax.tree_util import Partial
from jaxtyping import Array, Float, Int

from seriatim._arguments import require_real, require_whole
from seriatim._compile import jit
from seriatim._preconditions import require_key
from seriatim._record import record, static
from seriatim.model import Key

# `(parameters, rows [batch, ...]) -> losses [batch]`
Loss = Callable[[Any, Any], Any]
# Steps over which the reported loss is averaged, of all.
REPORTED = 0.1


@record
class Fitting:
    """How networks are fitted.

    Attributes:
        passes: how often each row is used, on average ...
        least_steps: ... and more often where that takes fewer steps than this.
        batch: rows of a step.
        learning_rate: of Adam at the start; it falls to zero.
        weight_decay: pulls weights towards zero, as a share of themselves for each step and unit of the rate.
        clip: largest norm of a gradient.

    Raises:
        InputError: a number is out of range.
    """

    passes: float | int = 20
    least_steps: int = 400
    batch: int = static(default=256)
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    clip: float = 1.0

    def __post_init__(self) -> None:
        require_whole("batch", self.batch)
        require_real("least_steps", self.least_steps, "a number of steps from 0 up", least=0, below=math.inf)
        require_real("weight_decay", self.weight_decay, "a finite number from 0 up", least=0, below=math.inf)
        for name in ("passes", "learning_rate", "clip"):
            require_real(name, getattr(self, name), "a finite number above 0", above=0, below=math.inf)


def fit(
    loss: Loss, parameters: Any, rows: Any, chance: Float[Array, " n"], key: Key, fitting: Fitting
) -> tuple[Any, Float[Array, ""]]:
    """Fit parameters to rows.

    Args:
        loss: of each row of a batch; a `Partial` of a module's function and of arrays, or it is compiled anew.
        parameters: where to start; those that are no real numbers stay.
        rows: the data, stacked along a leading axis.
        chance: how often each row is drawn, relative to the others; where all are zero, nothing is fitted.
        key: decides which rows are drawn.
        fitting: how.

    Returns:
        The parameters, and the mean loss over the last steps.
    """
    require_key(key)
    return _fit(loss, parameters, rows, chance, key, fitting)


def _descend(
    loss: Loss, parameters: Any, rows: Any, chance: Float[Array, " n"], key: Key, fitting: Fitting
) -> tuple[Any, Float[Array, ""]]:
    trained, fixed = eqx.partition(parameters, eqx.is_inexact_array)
    # Steps are data: one program serves any number of rows.
    used = jnp.sum(chance > 0)
    enough = jnp.ceil(jnp.asarray(fitting.passes * used / fitting.batch, float)).astype(jnp.int32)
    steps = jnp.where(used > 0, jnp.maximum(enough, fitting.least_steps), 0)
    cumulative = jnp.cumsum(chance)
    optimiser = optax.chain(
        optax.clip_by_global_norm(fitting.clip),
        optax.scale_by_adam(),
        optax.add_decayed_weights(fitting.weight_decay),
    )

    def batch_of(step: Int[Array, ""]) -> Any:
        # Rows by inverting the cumulative sum, with replacement: a row of chance 0 is never met.
        where = jax.random.uniform(jax.random.fold_in(key, step), (fitting.batch,)) * cumulative[-1]
        drawn = jnp.searchsorted(cumulative, where, side="right")
        # Rounding may point past the last row that has a chance.
        last = jnp.max(jnp.where(chance > 0, jnp.arange(chance.shape[0]), 0))
        return jax.tree.map(lambda leaf: leaf[jnp.minimum(drawn, last)], rows)

    def one(step: Int[Array, ""], now: tuple[Any, Any, Float[Array, ""]]) -> tuple[Any, Any, Float[Array, ""]]:
        trained, remembered, total = now
        some = batch_of(step)
        mean, gradient = jax.value_and_grad(lambda p: jnp.mean(loss(eqx.combine(p, fixed), some)))(trained)
        # Optax leaves promotions of types to JAX.
        with jax.numpy_dtype_promotion("standard"):
            update, remembered = optimiser.update(gradient, remembered, trained)
        at = jnp.asarray(step, float)
        rate = 0.5 * fitting.learning_rate * (1 + jnp.cos(jnp.pi * at / of))
        # The rate is applied here: it depends on the number of steps, which Optax would need to know when it is set up.
        trained = jax.tree.map(lambda p, u: p - rate.astype(p.dtype) * u, trained, update)
        return trained, remembered, total + jnp.where(at >= (1 - REPORTED) * of, mean, 0.0)

    of = jnp.asarray(steps, float)
    start = (trained, optimiser.init(trained), jnp.zeros(()))
    trained, _, total = jax.lax.fori_loop(0, steps, one, start)
    # As many steps as `one` has added up.
    reported = of - jnp.ceil((1 - REPORTED) * of)
    return eqx.combine(trained, fixed), total / jnp.maximum(1, reported)


_fit = jit(_descend)


def loss_of(function: Callable[..., Any], *arrays: Any) -> Loss:
    """Bind the first arguments of a module's function; the arguments are data, so one program serves all of them."""
    return Partial(function, *arrays)
