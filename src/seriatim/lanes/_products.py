"""Matrix products that differ between lanes, as folds.

Per lane they are too small for a matrix library, which would take them one by one; as a sum of products of slices all
lanes are done together.

A product with a matrix that all lanes share (the weights of a network) is one large product, `W [h, k] @ X [k, lanes]`,
and left to the matrix library. The axis that is summed is handed over first and the lanes last, so that the operations
before and after it need no other order of axes.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax
from jax.extend.core import JaxprEqn

from seriatim.lanes._folds import combining, fold
from seriatim.lanes._lookups import LONGEST, result_of
from seriatim.lanes._values import Elementwise, Known, LazyArray, Transpose, broadcast


def multiplied(equation: JaxprEqn, one: LazyArray, other: LazyArray) -> LazyArray | None:
    """Contract one axis of each, `sum_k x[..., k] y[..., k]`; results have batch axes, axes of `x`, axes of `y`."""
    contracting, batch = equation.params["dimension_numbers"]
    if len(contracting[0]) != 1 or one.shape[contracting[0][0]] == 0:
        return None
    if one.shared != other.shared and not batch[0]:
        return _weighed(equation, one, other)
    if one.shared or other.shared or one.shape[contracting[0][0]] > LONGEST:
        return None
    out = result_of(equation)
    last, paired = len(out.shape), len(batch[0])
    # Both factors are repeated along the axes of the result and a last one, along which products are summed.
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
    # Products of small numbers need the room of the result; sums of half-precision numbers more than that.
    half = jnp.issubdtype(out.dtype, jnp.floating) and out.dtype.itemsize < 4
    wide = jnp.dtype(jnp.float32) if half else out.dtype
    terms = Elementwise(lambda x, y: jnp.multiply(x.astype(wide), y.astype(wide)), spread, shape, wide)
    total = fold(combining(jnp.add), terms, (last,), wide)
    return Elementwise(lambda x: x.astype(out.dtype), (total,), total.shape, out.dtype) if half else total


def _weighed(equation: JaxprEqn, one: LazyArray, other: LazyArray) -> LazyArray | None:
    """Multiply by a matrix that all lanes share."""
    ((left,), (right,)), _ = equation.params["dimension_numbers"]
    weights, value, summed, along = (one, other, left, right) if one.shared else (other, one, right, left)
    k = value.shape[along]
    rest = [axis for axis in range(len(value.shape)) if axis != along]
    # With the summed axis first and the lanes last, the reshape below copies nothing.
    x = value.turned([along, *rest]).compute()
    w = jnp.moveaxis(weights.compute(), summed, -1)
    product = lax.dot_general(
        w.reshape(-1, k),
        x.reshape(k, -1),
        (((1,), (0,)), ((), ())),
        precision=equation.params["precision"],
        preferred_element_type=equation.params["preferred_element_type"],
    )
    found = Known(product.reshape(*w.shape[:-1], *x.shape[1:]), shared=False)
    # The product has the axes of the weights first; the equation has those of its first factor first.
    free = w.ndim - 1
    return found if one.shared else Transpose(found, (*range(free, free + len(rest)), *range(free)))
