"""Matrix products that differ between lanes, as folds.

Per lane they are too small for a matrix library, which would take them one by one; as a sum of products of slices all
lanes are done together. A product with a matrix that all lanes share (the weights of a network) is one large product,
and left to those who do that best.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax.extend.core import JaxprEqn

from seriatim.lanes._folds import combining, fold
from seriatim.lanes._lookups import LONGEST, result_of
from seriatim.lanes._values import Elementwise, Value, broadcast


def multiplied(equation: JaxprEqn, one: Value, other: Value) -> Value | None:
    """Contract one axis of each, `sum_k x[..., k] y[..., k]`; results have batch axes, axes of `x`, axes of `y`."""
    contracting, batch = equation.params["dimension_numbers"]
    if one.shared or other.shared or len(contracting[0]) != 1 or not 0 < one.shape[contracting[0][0]] <= LONGEST:
        return None
    out = result_of(equation)
    last, paired = len(out.shape), len(batch[0])
    shape = (*out.shape, one.shape[contracting[0][0]])
    spread, free = [], paired
    for value, along, pairs in ((one, contracting[0], batch[0]), (other, contracting[1], batch[1])):
        axes = []
        for axis in range(len(value.shape)):
            if axis in along:
                axes.append(last)
            elif axis in pairs:
                axes.append(list(pairs).index(axis))
            else:
                axes.append(free)
                free += 1
        spread.append(broadcast(value, shape, axes))
    terms = Elementwise(lambda x, y: jnp.multiply(x, y).astype(out.dtype), spread, shape, out.dtype)
    return fold(combining(jnp.add), terms, (last,), out.dtype)
