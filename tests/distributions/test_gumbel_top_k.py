"""Gumbel top-k is drawing without replacement. False-alarm budget of this file: 1e-6."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from goodness_of_fit import assert_no_alarm, chi_square, softmax

import seriatim as st

BUDGET = 1e-6
top_k = jax.jit(st.distributions.gumbel_top_k, static_argnums=2)
LOGITS = [[0.0, 0, 0, 0], [2, 1, 0, -1], [1, 1, -1, -1], [3, 0.5, -np.inf, 0], [1e4, 1e4, 9999, 1e4]]


def plackett_luce(logits, k):
    """Probabilities of all ordered choices of k, by enumeration: `{(i_1, ..., i_k): probability}`."""
    p = softmax(logits)
    admissible = [i for i in range(len(p)) if logits[i] > -np.inf]
    return {
        drawn: np.prod([p[i] / sum(p[j] for j in admissible if j not in drawn[:n]) for n, i in enumerate(drawn)])
        for drawn in itertools.permutations(admissible, k)
    }


def p_value(logits, k, key):
    judge = plackett_luce(logits, k)
    drawn = np.asarray(top_k(jnp.broadcast_to(jnp.array(logits), (40_000, len(logits))), key, k))
    rows, counts = np.unique(drawn, axis=0, return_counts=True)
    found = dict(zip(map(tuple, rows.tolist()), counts, strict=True))
    assert set(found) <= set(judge)
    return chi_square([found.get(each, 0) for each in judge], list(judge.values()))


def test_the_order_drawn_is_plackett_luces():
    cases = list(itertools.product(LOGITS, (1, 2, 3)))
    keys = jax.random.split(jax.random.key(0), len(cases))
    assert_no_alarm([p_value(*case, key) for case, key in zip(cases, keys, strict=True)], BUDGET)


def test_fewer_are_the_first_of_more_and_one_is_the_gumbel_max():
    logits, key = jax.random.normal(jax.random.key(1), (500, 6)), jax.random.key(2)
    all_drawn = top_k(logits, key, 6)
    for k in range(1, 6):
        np.testing.assert_array_equal(top_k(logits, key, k), all_drawn[:, :k])
    np.testing.assert_array_equal(st.distributions.gumbel_max(logits, key), all_drawn[:, 0])
    np.testing.assert_array_equal(np.sort(all_drawn, axis=-1), np.broadcast_to(np.arange(6), (500, 6)))


def test_where_fewer_are_admissible_all_of_them_are_drawn():
    logits = jnp.array([[0, -jnp.inf, 1, -jnp.inf], [-jnp.inf] * 4])
    drawn = np.asarray(top_k(logits, jax.random.key(3), 3))
    assert set(drawn[0, :2].tolist()) == {0, 2}
    assert (drawn[0, 2], *drawn[1]) == (-1, -1, -1, -1)


@pytest.mark.parametrize("k", [0, -1, 4])
def test_k_must_be_among_the_categories(k):
    with pytest.raises(st.InputError, match=f"k={k}: give a constant whole number from 1 to the 3"):
        st.distributions.gumbel_top_k(jnp.zeros(3), jax.random.key(0), k)
